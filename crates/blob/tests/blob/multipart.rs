//! Uploads whose parts come one by one.

use lazuli_blob::{BlobError, BlobOptions, Blobs, Expect, UploadId};
use lazuli_spec::{IdSource, SeededIds, Timestamp};
use proptest::prelude::*;

use super::{content, cut_off, each_backend, in_pieces, key, pattern};

async fn begun(blobs: &Blobs, name: &str, parts: u32, ids: &dyn IdSource) -> UploadId {
    blobs.create_upload(&key(name), parts, ids).await.unwrap()
}

async fn put(
    blobs: &Blobs,
    id: &UploadId,
    number: u32,
    bytes: &[u8],
    ids: &dyn IdSource,
) -> Result<String, BlobError> {
    blobs
        .put_part(
            id,
            number,
            in_pieces(bytes, 99_999),
            &Expect::default(),
            ids,
        )
        .await
}

#[tokio::test]
async fn parts_in_any_order_become_one_object() {
    each_backend(|blobs| async move {
        let (bytes, ids) = (pattern(3_000_000), SeededIds::new(1));
        let id = begun(&blobs, "some/folder/big", 3, &ids).await;
        let mut etags = Vec::new();
        for number in [3, 1, 2_u32] {
            let part = bytes.chunks(1_000_000).nth(number as usize - 1).unwrap();
            etags.push((
                number,
                Some(put(&blobs, &id, number, part, &ids).await.unwrap()),
            ));
        }
        assert!(!blobs.exists(&key("some/folder/big")).await.unwrap());
        let listed = blobs.list_parts(&id).await.unwrap();
        let shown: Vec<_> = listed.iter().map(|p| (p.number, p.size)).collect();
        assert_eq!(shown, [(1, 1_000_000), (2, 1_000_000), (3, 1_000_000)]);
        blobs.complete_upload(&id, &etags, &ids).await.unwrap();
        assert_eq!(content(&blobs, "some/folder/big").await, bytes);
        // an answer may be lost: asked again, it is still done, and nothing more is taken
        blobs.complete_upload(&id, &etags, &ids).await.unwrap();
        assert!(blobs.upload(&id).await.unwrap().done);
        assert_eq!(blobs.list_parts(&id).await.unwrap(), []);
        let late = put(&blobs, &id, 1, b"late", &ids).await;
        assert!(late.unwrap_err().is_not_found());
    })
    .await;
}

#[tokio::test]
async fn the_last_attempt_at_a_part_counts() {
    each_backend(|blobs| async move {
        let ids = SeededIds::new(1);
        let id = begun(&blobs, "twice", 1, &ids).await;
        let first = put(&blobs, &id, 1, b"first", &ids).await.unwrap();
        // stores that count in whole seconds keep both
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let second = put(&blobs, &id, 1, b"second", &ids).await.unwrap();
        let gone = blobs
            .complete_upload(&id, &[(1, Some(first))], &ids)
            .await
            .unwrap_err();
        assert_eq!(
            gone.to_string(),
            "part 1: its etag is not the one its upload returned"
        );
        blobs
            .complete_upload(&id, &[(1, Some(second))], &ids)
            .await
            .unwrap();
        assert_eq!(content(&blobs, "twice").await, b"second");
    })
    .await;
}

#[tokio::test]
async fn no_parts_make_an_empty_object() {
    each_backend(|blobs| async move {
        let ids = SeededIds::new(1);
        let id = begun(&blobs, "empty", 0, &ids).await;
        blobs.complete_upload(&id, &[], &ids).await.unwrap();
        assert_eq!(content(&blobs, "empty").await, b"");
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_upload_stays() {
    each_backend(|blobs| async move {
        let ids = SeededIds::new(1);
        let id = begun(&blobs, "big", 2, &ids).await;
        let one = put(&blobs, &id, 1, b"one", &ids).await.unwrap();
        let none = Expect::default();
        let broken = blobs
            .put_part(&id, 2, cut_off(pattern(2_000_000)), &none, &ids)
            .await;
        assert!(matches!(broken, Err(BlobError::Interrupted(_))));
        let small = Expect {
            max_bytes: Some(10),
            ..Expect::default()
        };
        let large = blobs
            .put_part(&id, 2, in_pieces(pattern(11), 4), &small, &ids)
            .await;
        assert!(matches!(large, Err(BlobError::TooLarge { limit: 10 })));
        for number in [0, 3, 10_001] {
            let refused = put(&blobs, &id, number, b"x", &ids).await;
            assert!(matches!(refused, Err(BlobError::Part { .. })));
        }
        let other = || (2, Some("0".repeat(32)));
        for (parts, reason) in [
            (vec![], "part 1: it is missing from the completion"),
            (vec![(1, None)], "part 2: it is missing from the completion"),
            (vec![(1, None), (2, None)], "part 2: it was not uploaded"),
            (vec![(1, None), (1, None)], "part 1: it is named twice"),
            (vec![(1, None), other()], "part 2: it was not uploaded"),
        ] {
            let refused = blobs.complete_upload(&id, &parts, &ids).await.unwrap_err();
            assert_eq!(refused.to_string(), reason);
        }
        put(&blobs, &id, 2, b"two", &ids).await.unwrap();
        for (parts, reason) in [
            (
                vec![(1, None), other()],
                "part 2: its etag is not the one its upload returned",
            ),
            (
                vec![(1, None), (2, None), (3, None)],
                "part 3: the upload has no part of that number",
            ),
        ] {
            let refused = blobs.complete_upload(&id, &parts, &ids).await.unwrap_err();
            assert_eq!(refused.to_string(), reason);
        }
        assert!(!blobs.exists(&key("big")).await.unwrap());
        let parts = [(2, None), (1, Some(one))];
        blobs.complete_upload(&id, &parts, &ids).await.unwrap();
        assert_eq!(content(&blobs, "big").await, b"onetwo");

        let unknown = UploadId::parse(&"0".repeat(32)).unwrap();
        let refused = put(&blobs, &unknown, 1, b"x", &ids).await;
        assert!(refused.unwrap_err().is_not_found());
        assert!(UploadId::parse("../../x").is_err());
        assert!(blobs.create_upload(&key("x"), 10_001, &ids).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn abandoned_uploads_are_swept() {
    each_backend(|blobs| async move {
        let ids = SeededIds::new(1);
        let one = begun(&blobs, "a", 1, &ids).await;
        let two = begun(&blobs, "b", 1, &ids).await;
        put(&blobs, &one, 1, b"x", &ids).await.unwrap();
        assert_eq!(blobs.sweep_uploads(Timestamp(0)).await.unwrap(), 0);
        blobs.abort_upload(&two).await.unwrap();
        blobs.abort_upload(&two).await.unwrap();
        assert_eq!(blobs.sweep_uploads(Timestamp(i64::MAX)).await.unwrap(), 2);
        assert!(blobs.upload(&one).await.unwrap_err().is_not_found());
    })
    .await;
}

#[tokio::test]
async fn on_local_disk_what_stands_in_the_way_is_told_before_a_byte_is_sent() {
    let (home, ids) = (tempfile::tempdir().unwrap(), SeededIds::new(1));
    let blobs = Blobs::open_folder(home.path(), &BlobOptions::default()).unwrap();
    let id = begun(&blobs, "a/b", 1, &ids).await;
    put(&blobs, &id, 1, b"x", &ids).await.unwrap();
    blobs.put_bytes(&key("file"), "x".into()).await.unwrap();
    blobs.put_bytes(&key("folder/x"), "x".into()).await.unwrap();
    for name in ["file/below", "folder"] {
        let refused = blobs.create_upload(&key(name), 1, &ids).await;
        assert!(matches!(refused, Err(BlobError::Obstructed(_))), "{name}");
    }
    // and when it comes to stand there later
    blobs.put_bytes(&key("a/b/c"), "x".into()).await.unwrap();
    let refused = blobs.complete_upload(&id, &[(1, None)], &ids).await;
    assert!(matches!(refused, Err(BlobError::Obstructed(_))));
    blobs.delete(&key("a/b/c")).await.unwrap();
    blobs
        .complete_upload(&id, &[(1, None)], &ids)
        .await
        .unwrap();
    assert_eq!(content(&blobs, "a/b").await, b"x");
    assert_eq!(
        blobs.sweep_unfinished(Timestamp(i64::MAX)).await.unwrap(),
        0
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_order_and_any_repeats_give_the_same_bytes(
        sizes in proptest::collection::vec(0_usize..5_000, 1..6),
        order in proptest::collection::vec(0_usize..6, 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (home, ids) = (tempfile::tempdir().unwrap(), SeededIds::new(1));
            let options = BlobOptions { durable: false, ..BlobOptions::default() };
            let blobs = Blobs::open_folder(home.path(), &options).unwrap();
            let parts: Vec<_> = sizes.iter().map(|&size| pattern(size)).collect();
            let id = begun(&blobs, "whole", parts.len() as u32, &ids).await;
            let mut etags = vec![None; parts.len()];
            let all = 0..parts.len();
            for at in order.into_iter().filter(|at| *at < parts.len()).chain(all) {
                let put = put(&blobs, &id, at as u32 + 1, &parts[at], &ids).await.unwrap();
                etags[at] = Some(put);
            }
            let mut named: Vec<_> = (1..).zip(etags).collect();
            named.reverse();
            blobs.complete_upload(&id, &named, &ids).await.unwrap();
            assert_eq!(content(&blobs, "whole").await, parts.concat());
        });
    }
}
