//! Uploads whose parts come one by one.

use lazuli_blob::{BlobError, Expect, UploadId};
use lazuli_spec::trees::ContentHash;
use lazuli_spec::{SeededIds, Timestamp};

use super::{content, cut_off, each_backend, in_pieces, key, pattern};

#[tokio::test]
async fn parts_in_any_order_become_one_object() {
    each_backend(|blobs| async move {
        let bytes = pattern(3_000_000);
        let id = blobs
            .create_upload(&key("big"), &SeededIds::new(1))
            .await
            .unwrap();
        let mut etags = Vec::new();
        for number in [3, 1, 2] {
            let part = bytes.chunks(1_000_000).nth(number - 1).unwrap().to_vec();
            let put = blobs
                .put_part(
                    &id,
                    number as u32,
                    in_pieces(part, 99_999),
                    &Expect::default(),
                )
                .await
                .unwrap();
            etags.push((number as u32, Some(put.sha256)));
        }
        assert!(!blobs.exists(&key("big")).await.unwrap());
        let listed = blobs.list_parts(&id).await.unwrap();
        assert_eq!(
            listed
                .iter()
                .map(|p| (p.number, p.size))
                .collect::<Vec<_>>(),
            [(1, 1_000_000), (2, 1_000_000), (3, 1_000_000)]
        );
        etags.sort();
        let done = blobs
            .complete_upload(&id, &etags, &Expect::content(&ContentHash::of(&bytes)))
            .await
            .unwrap();
        assert_eq!(done.size, 3_000_000);
        assert_eq!(content(&blobs, "big").await, bytes);
        assert!(
            blobs.list_parts(&id).await.unwrap_err().is_not_found(),
            "the upload is forgotten"
        );
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_upload_stays() {
    each_backend(|blobs| async move {
        let id = blobs
            .create_upload(&key("big"), &SeededIds::new(1))
            .await
            .unwrap();
        let any = Expect::default();
        let put = blobs
            .put_part(&id, 1, in_pieces(b"one".to_vec(), 1), &any)
            .await
            .unwrap();
        let broken = blobs
            .put_part(&id, 2, cut_off(pattern(2_000_000)), &any)
            .await;
        assert!(matches!(broken, Err(BlobError::Interrupted(_))));
        for number in [0, 10_001] {
            let refused = blobs
                .put_part(&id, number, in_pieces(vec![1], 1), &any)
                .await;
            assert!(matches!(refused, Err(BlobError::Part { .. })));
        }
        let absent = blobs
            .complete_upload(&id, &[(1, None), (2, None)], &any)
            .await
            .unwrap_err();
        let other = blobs
            .complete_upload(&id, &[(1, Some(ContentHash::of(b"two")))], &any)
            .await
            .unwrap_err();
        assert_eq!(absent.to_string(), "part 2: it was not uploaded");
        assert_eq!(
            other.to_string(),
            "part 1: its etag is not the one its upload returned"
        );
        assert!(!blobs.exists(&key("big")).await.unwrap());
        blobs
            .complete_upload(&id, &[(1, Some(put.sha256))], &any)
            .await
            .unwrap();
        assert_eq!(content(&blobs, "big").await, b"one");

        let unknown = UploadId::parse(&"0".repeat(32)).unwrap();
        assert!(
            blobs
                .put_part(&unknown, 1, in_pieces(vec![1], 1), &any)
                .await
                .unwrap_err()
                .is_not_found()
        );
        assert!(UploadId::parse("../../x").is_err());
    })
    .await;
}

#[tokio::test]
async fn abandoned_uploads_are_swept() {
    each_backend(|blobs| async move {
        let ids = SeededIds::new(1);
        let (one, two) = (
            blobs.create_upload(&key("a"), &ids).await.unwrap(),
            blobs.create_upload(&key("b"), &ids).await.unwrap(),
        );
        blobs
            .put_part(&one, 1, in_pieces(vec![1], 1), &Expect::default())
            .await
            .unwrap();
        assert_eq!(blobs.sweep_uploads(Timestamp(0)).await.unwrap(), 0);
        blobs.abort_upload(&two).await.unwrap();
        blobs.abort_upload(&two).await.unwrap();
        assert_eq!(blobs.sweep_uploads(Timestamp(i64::MAX)).await.unwrap(), 2);
        assert!(blobs.upload_target(&one).await.unwrap_err().is_not_found());
    })
    .await;
}
