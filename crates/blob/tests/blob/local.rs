//! What is particular to local disk.

use std::fs;

use bytes::Bytes;
use futures::StreamExt;
use lazuli_blob::{BlobError, BlobKey, BlobOptions, Blobs};
use lazuli_spec::Timestamp;
use lazuli_spec::trees::ContentHash;

use super::{cut_off, in_pieces, key, pattern};

fn files(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn a_file_in_the_place_of_a_folder_is_said() {
    let home = tempfile::tempdir().unwrap();
    let blobs = Blobs::open_folder(home.path(), &BlobOptions::default()).unwrap();
    blobs.put_bytes(&key("a"), Bytes::from("a")).await.unwrap();
    blobs
        .put_bytes(&key("f/g"), Bytes::from("g"))
        .await
        .unwrap();
    for name in ["a/b", "a/b/c", "f"] {
        let refused = blobs.put_bytes(&key(name), Bytes::from("b")).await;
        assert!(
            matches!(refused, Err(BlobError::Obstructed(_))),
            "{name}: {refused:?}"
        );
        let refused = blobs
            .put_stream(&key(name), in_pieces(pattern(3_000_000), 500_000))
            .await;
        assert!(
            matches!(refused, Err(BlobError::Obstructed(_))),
            "{name}: {refused:?}"
        );
    }
    assert!(blobs.get(&key("a/b")).await.unwrap_err().is_not_found());
    assert!(blobs.get(&key("f")).await.unwrap_err().is_not_found());
    assert_eq!(files(home.path()).len(), 2);
}

#[tokio::test]
async fn interrupted_uploads_leave_no_file_of_any_name() {
    let home = tempfile::tempdir().unwrap();
    let blobs = Blobs::open_folder(home.path(), &BlobOptions::default()).unwrap();
    let _ = blobs
        .put_stream(&key("x/y"), cut_off(pattern(5_000_000)))
        .await;
    assert_eq!(files(home.path()), [""; 0]);
}

#[tokio::test]
async fn two_openings_see_the_same_objects() {
    let home = tempfile::tempdir().unwrap();
    let one = Blobs::open_folder(home.path(), &BlobOptions::default()).unwrap();
    one.put_bytes(&key("a"), Bytes::from("a")).await.unwrap();
    let two = Blobs::open(home.path().to_str().unwrap(), &BlobOptions::default()).unwrap();
    assert_eq!(
        two.head(&key("a")).await.unwrap(),
        one.head(&key("a")).await.unwrap()
    );
    assert_eq!(
        two.local_root(),
        Some(fs::canonicalize(home.path()).unwrap().as_path())
    );
}

#[tokio::test]
async fn what_a_killed_process_left_is_invisible_and_swept() {
    let home = tempfile::tempdir().unwrap();
    let blobs = Blobs::open_folder(home.path(), &BlobOptions::default()).unwrap();
    blobs
        .put_bytes(&key("a/b"), Bytes::from("b"))
        .await
        .unwrap();
    fs::write(home.path().join("a/b#1"), "half").unwrap();
    assert_eq!(
        blobs
            .list_folder(Some(&key("a")))
            .await
            .unwrap()
            .files
            .len(),
        1
    );
    assert_eq!(blobs.sweep_unfinished(Timestamp(0)).await.unwrap(), 0);
    assert_eq!(
        blobs.sweep_unfinished(Timestamp(i64::MAX)).await.unwrap(),
        1
    );
    assert_eq!(files(home.path()).len(), 1);
}

#[tokio::test]
async fn damaged_content_is_not_given_out() {
    let home = tempfile::tempdir().unwrap();
    let blobs = Blobs::open_folder(home.path(), &BlobOptions::default()).unwrap();
    for size in [1, 70_000, 3_000_000] {
        let bytes = pattern(size);
        let sha256 = ContentHash::of(&bytes);
        blobs
            .put_content_bytes(Bytes::from(bytes.clone()))
            .await
            .unwrap();
        let read = blobs.get_content(&sha256).await.unwrap();
        assert_eq!(read.bytes(4 << 20).await.unwrap(), bytes, "{size}");

        let file = home.path().join(BlobKey::content(&sha256).as_str());
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        for damaged in [&changed[..], &bytes[..size / 2]] {
            fs::write(&file, damaged).unwrap();
            let (mut given, mut failed) = (0, false);
            match blobs.get_content(&sha256).await {
                Err(error) => failed = matches!(error, BlobError::Corrupt { .. }),
                Ok(mut read) => {
                    while let Some(piece) = read.stream.next().await {
                        match piece {
                            Ok(piece) => given += piece.len(),
                            Err(error) => failed = matches!(error, BlobError::Corrupt { .. }),
                        }
                    }
                }
            }
            assert!(failed, "{size}");
            assert!(given < damaged.len().max(1), "the last piece is held back");
        }
    }
}
