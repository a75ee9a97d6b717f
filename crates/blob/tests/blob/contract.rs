//! What every back end does alike.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lazuli_blob::{BlobError, BlobKey, Blobs, ByteRange, Expect};
use lazuli_spec::trees::ContentHash;

use super::{content, cut_off, each_backend, in_pieces, key, pattern};

async fn names(blobs: &Blobs, folder: Option<&BlobKey>) -> Vec<String> {
    let listed: Vec<_> = blobs.list(folder).try_collect().await.unwrap();
    let mut names: Vec<_> = listed.into_iter().map(|m| m.key.to_string()).collect();
    names.sort();
    names
}

async fn put(blobs: &Blobs, name: &str) {
    blobs
        .put_bytes(&key(name), Bytes::from(name.to_owned()))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_written_is_read_at_every_size_around_a_part() {
    each_backend(|blobs| async move {
        const MB: usize = 1024 * 1024;
        for (size, piece) in [
            (0, 1),
            (1, 1),
            (70_000, 999),
            (MB, MB),
            (MB + 1, 65_536),
            (3 * MB, 700_001),
            (5 * MB + 17, 2 * MB),
            // more than two parts of a remote store
            (20 * MB + 5, MB),
        ] {
            let bytes = pattern(size);
            let put = blobs
                .put_stream(&key("a/b"), in_pieces(bytes.clone(), piece))
                .await
                .unwrap();
            assert_eq!(
                (put.size, put.sha256),
                (size as u64, ContentHash::of(&bytes))
            );
            assert_eq!(content(&blobs, "a/b").await, bytes, "{size}");
            assert_eq!(blobs.head(&key("a/b")).await.unwrap().size, size as u64);
        }
    })
    .await;
}

#[tokio::test]
async fn names_of_any_kind_come_back_as_they_were() {
    each_backend(|blobs| async move {
        let odd = [
            "a b",
            "a#1",
            "100%",
            "%23",
            "ünï/中文 🦀.txt",
            "a&b=c?d",
            "…",
            "~x",
            "a+b",
        ];
        for name in odd {
            put(&blobs, &format!("odd/{name}")).await;
        }
        let mut expected: Vec<_> = odd.iter().map(|name| format!("odd/{name}")).collect();
        expected.sort();
        assert_eq!(names(&blobs, Some(&key("odd"))).await, expected);
        for name in &expected {
            assert_eq!(content(&blobs, name).await, name.as_bytes());
        }
    })
    .await;
}

#[tokio::test]
async fn a_range_is_exact_and_one_outside_is_refused() {
    each_backend(|blobs| async move {
        let bytes = pattern(1_000_000);
        blobs
            .put_bytes(&key("x"), bytes.clone().into())
            .await
            .unwrap();
        let cases = [
            (ByteRange::Between(0, 1), 0..1),
            (ByteRange::Between(300_000, 700_001), 300_000..700_001),
            (ByteRange::Between(999_999, 5_000_000), 999_999..1_000_000),
            (ByteRange::From(999_000), 999_000..1_000_000),
            (ByteRange::Last(3), 999_997..1_000_000),
            (ByteRange::Last(3_000_000), 0..1_000_000),
        ];
        for (asked, expected) in cases {
            let read = blobs.get_range(&key("x"), asked).await.unwrap();
            assert_eq!(
                (read.range.start as usize, read.range.end as usize),
                (expected.start, expected.end)
            );
            assert_eq!(read.meta.size, 1_000_000);
            assert_eq!(read.bytes(2_000_000).await.unwrap(), bytes[expected]);
        }
        for outside in [
            ByteRange::From(1_000_000),
            ByteRange::Between(7, 7),
            ByteRange::Last(0),
        ] {
            let refused = blobs.get_range(&key("x"), outside).await;
            assert!(
                matches!(refused, Err(BlobError::Range { size: 1_000_000 })),
                "{refused:?}"
            );
        }
        let missing = blobs.get_range(&key("y"), ByteRange::From(0)).await;
        assert!(missing.unwrap_err().is_not_found());
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_breaks_leaves_nothing_and_harms_nothing() {
    each_backend(|blobs| async move {
        put(&blobs, "kept").await;
        for size in [10, 3 * 1024 * 1024, 17 * 1024 * 1024] {
            for name in ["kept", "new/one"] {
                let broken = blobs.put_stream(&key(name), cut_off(pattern(size))).await;
                assert!(
                    matches!(broken, Err(BlobError::Interrupted(_))),
                    "{broken:?}"
                );
            }
        }
        assert_eq!(content(&blobs, "kept").await, b"kept");
        assert_eq!(names(&blobs, None).await, ["kept"]);
        assert!(blobs.list_folder(None).await.unwrap().folders.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_dropped_in_the_middle_leaves_nothing() {
    each_backend(|blobs| async move {
        let (name, start) = (
            key("late/one"),
            in_pieces(pattern(4 * 1024 * 1024), 100_000),
        );
        let endless = start.chain(futures::stream::pending());
        let upload = blobs.put_stream(&name, endless);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(200), upload).await;
        assert!(waited.is_err(), "the stream never ends");
        assert_eq!(names(&blobs, None).await, [""; 0]);
        assert!(!blobs.exists(&name).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn conditions_are_checked_before_anything_is_visible() {
    each_backend(|blobs| async move {
        let bytes = pattern(2_500_000);
        let other = ContentHash::of(b"other");
        let cases = [
            Expect {
                sha256: Some(other),
                ..Expect::default()
            },
            Expect {
                size: Some(2_500_001),
                ..Expect::default()
            },
            Expect {
                max_bytes: Some(2_499_999),
                ..Expect::default()
            },
        ];
        let mut shown = Vec::new();
        for expect in &cases {
            let stream = in_pieces(bytes.clone(), 10_000);
            let refused = blobs
                .put_checked(&key("x"), stream, expect)
                .await
                .unwrap_err();
            shown.push(refused.to_string());
        }
        insta::allow_duplicates! { insta::assert_snapshot!(shown.join("\n"), @r"
        the content received has SHA-256 bd597bc684f3effbd30ef55f519679760ca77831d212eddc15fb862e7ffb8c8f, not the announced d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa
        2500000 bytes were received, not the announced 2500001
        the content is larger than the limit of 2499999 bytes
        "); }
        assert_eq!(names(&blobs, None).await, [""; 0]);
        let fits = Expect {
            sha256: Some(ContentHash::of(&bytes)),
            size: Some(2_500_000),
            max_bytes: Some(2_500_000),
        };
        blobs
            .put_checked(&key("x"), in_pieces(bytes, 10_000), &fits)
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn content_is_verified_and_stored_once() {
    each_backend(|blobs| async move {
        let bytes = pattern(100_000);
        let hash = ContentHash::of(&bytes);
        let wrong = blobs
            .put_content(&hash, in_pieces(b"other".to_vec(), 2))
            .await;
        assert!(
            matches!(wrong, Err(BlobError::HashMismatch { .. })),
            "{wrong:?}"
        );
        assert_eq!(
            blobs
                .missing_content(std::slice::from_ref(&hash))
                .await
                .unwrap(),
            std::slice::from_ref(&hash)
        );

        blobs
            .put_content(&hash, in_pieces(bytes.clone(), 999))
            .await
            .unwrap();
        let written = blobs.head(&BlobKey::content(&hash)).await.unwrap();
        blobs
            .put_content(&hash, in_pieces(bytes.clone(), 999))
            .await
            .unwrap();
        assert_eq!(
            blobs.head(&BlobKey::content(&hash)).await.unwrap(),
            written,
            "not written again"
        );
        let lie = blobs
            .put_content(&hash, in_pieces(b"other".to_vec(), 2))
            .await;
        assert!(lie.is_err(), "who has not the content cannot claim it");
        assert_eq!(
            blobs
                .missing_content(std::slice::from_ref(&hash))
                .await
                .unwrap(),
            []
        );
        assert_eq!(
            blobs
                .get_content(&hash)
                .await
                .unwrap()
                .bytes(1 << 20)
                .await
                .unwrap(),
            bytes
        );
    })
    .await;
}

#[tokio::test]
async fn listing_deleting_and_copying() {
    each_backend(|blobs| async move {
        for name in ["top", "a/1", "a/b/2", "a/b/c/3", "ab/4"] {
            put(&blobs, name).await;
        }
        assert_eq!(
            names(&blobs, Some(&key("a"))).await,
            ["a/1", "a/b/2", "a/b/c/3"]
        );
        assert_eq!(names(&blobs, Some(&key("none"))).await, [""; 0]);
        let folder = blobs.list_folder(Some(&key("a"))).await.unwrap();
        assert_eq!(folder.folders, [key("a/b")]);
        assert_eq!(folder.files.len(), 1);
        assert_eq!(
            (folder.files[0].key.clone(), folder.files[0].size),
            (key("a/1"), 3)
        );
        let root = blobs.list_folder(None).await.unwrap();
        assert_eq!(root.folders, [key("a"), key("ab")]);

        blobs.copy(&key("a/1"), &key("copy/of/it")).await.unwrap();
        put(&blobs, "a/1").await;
        assert_eq!(content(&blobs, "copy/of/it").await, b"a/1");
        assert!(
            blobs
                .copy(&key("none"), &key("x"))
                .await
                .unwrap_err()
                .is_not_found()
        );

        blobs.delete(&key("top")).await.unwrap();
        blobs.delete(&key("top")).await.unwrap();
        assert!(blobs.get(&key("top")).await.unwrap_err().is_not_found());
        assert_eq!(blobs.delete_prefix(&key("a")).await.unwrap(), 3);
        assert_eq!(names(&blobs, None).await, ["ab/4", "copy/of/it"]);
        assert_eq!(blobs.delete_prefix(&key("a")).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn writers_of_one_object_do_not_mix() {
    each_backend(|blobs| async move {
        let writers = (0..8_u8).map(|writer| {
            let blobs = blobs.clone();
            async move {
                let bytes = vec![writer; 2_200_000];
                blobs
                    .put_stream(&key("same"), in_pieces(bytes, 333_333))
                    .await
                    .unwrap();
            }
        });
        futures::future::join_all(writers).await;
        let bytes = content(&blobs, "same").await;
        assert_eq!(bytes.len(), 2_200_000);
        assert!(bytes.iter().all(|b| *b == bytes[0]));
    })
    .await;
}
