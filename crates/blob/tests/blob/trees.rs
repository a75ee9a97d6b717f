//! Trees in the storage.

use bytes::Bytes;
use lazuli_blob::{BlobError, BlobKey, Blobs};
use lazuli_spec::trees::{ContentHash, Tree, TreeEntry};

use super::{each_backend, key};

fn tree(files: &[(&str, &str)]) -> Tree {
    let entry = |(path, content): &(&str, &str)| TreeEntry {
        path: (*path).into(),
        size: content.len() as u64,
        sha256: ContentHash::of(content.as_bytes()),
    };
    Tree::new(files.iter().map(entry).collect()).unwrap()
}

async fn put_all(blobs: &Blobs, contents: &[&'static str]) {
    for content in contents {
        blobs
            .put_content_bytes(Bytes::from_static(content.as_bytes()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_tree_needs_its_content_and_comes_back() {
    each_backend(|blobs| async move {
        let tree = tree(&[("a/one", "1"), ("two", "22"), ("three", "1")]);
        put_all(&blobs, &["1"]).await;
        match blobs.put_tree(&tree).await {
            Err(BlobError::MissingContent(missing)) => {
                assert_eq!(missing, [ContentHash::of(b"22")]);
            }
            other => panic!("{other:?}"),
        }
        assert!(blobs.get_tree(&tree.id()).await.unwrap_err().is_not_found());
        put_all(&blobs, &["22"]).await;
        let id = blobs.put_tree(&tree).await.unwrap();
        assert_eq!(blobs.put_tree(&tree).await.unwrap(), id);
        assert_eq!(blobs.get_tree(&id).await.unwrap(), tree);
    })
    .await;
}

#[tokio::test]
async fn a_damaged_tree_is_noticed() {
    each_backend(|blobs| async move {
        let id = blobs.put_tree(&Tree::default()).await.unwrap();
        blobs
            .put_bytes(&BlobKey::tree(&id), Bytes::from("lazuli-tree 1\nx"))
            .await
            .unwrap();
        assert!(matches!(
            blobs.get_tree(&id).await,
            Err(BlobError::Corrupt { .. })
        ));
    })
    .await;
}

#[tokio::test]
async fn a_folder_of_objects_becomes_a_tree_and_a_folder_on_disk() {
    each_backend(|blobs| async move {
        for (name, content) in [
            ("runs/0/r/artifacts/model/MLmodel", "m"),
            ("runs/0/r/artifacts/model/data/w", "ww"),
            ("runs/0/r/artifacts/x", "x"),
        ] {
            blobs
                .put_bytes(&key(name), Bytes::from(content))
                .await
                .unwrap();
        }
        let snapshot = blobs
            .snapshot_prefix(&key("runs/0/r/artifacts/model"))
            .await
            .unwrap();
        assert_eq!(snapshot, tree(&[("MLmodel", "m"), ("data/w", "ww")]));
        blobs.put_tree(&snapshot).await.unwrap();
        blobs.delete_prefix(&key("runs")).await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        blobs
            .checkout(&snapshot, &folder.path().join("model"))
            .await
            .unwrap();
        assert_eq!(
            std::fs::read(folder.path().join("model/data/w")).unwrap(),
            b"ww"
        );
        let again = blobs
            .checkout(&snapshot, &folder.path().join("model"))
            .await;
        assert!(
            matches!(again, Err(BlobError::File { .. })),
            "nothing is overwritten"
        );
    })
    .await;
}
