//! Nothing leads out of a local storage folder: not a name, not a symbolic link planted in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt;
use lazuli_blob::{BlobError, BlobKey, BlobOptions, Blobs, ByteRange, FolderListing};
use proptest::prelude::*;

use super::{cut_off, in_pieces, key, pattern};

struct Planted {
    home: tempfile::TempDir,
    blobs: Blobs,
}

/// A storage with links in it to a folder and a file outside, to nowhere, to itself and to its own parent.
fn planted() -> Planted {
    let home = tempfile::tempdir().unwrap();
    let (root, outside) = (home.path().join("root"), home.path().join("outside"));
    fs::create_dir_all(root.join("inside")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    fs::write(root.join("inside/own"), "own").unwrap();
    symlink(&outside, root.join("folder")).unwrap();
    symlink(outside.join("secret"), root.join("file")).unwrap();
    symlink(outside.join("absent"), root.join("dangling")).unwrap();
    symlink("..", root.join("inside/up")).unwrap();
    symlink(".", root.join("loop")).unwrap();
    symlink(root.join("inside"), root.join("alias")).unwrap();
    let options = BlobOptions {
        durable: false,
        ..BlobOptions::default()
    };
    let blobs = Blobs::open_folder(&root, &options).unwrap();
    Planted { home, blobs }
}

/// Everything outside the root, to compare before and after.
fn outside(home: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in [home.join("outside"), home.to_path_buf()] {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = entry.path().display().to_string();
                found.push((name, fs::read(entry.path()).unwrap()));
            }
        }
    }
    found.sort();
    found
}

const THROUGH_LINKS: &[&str] = &[
    "folder/secret",
    "folder/new",
    "file",
    "dangling",
    "inside/up/outside/secret",
    "inside/up",
    "loop/inside/own",
    "alias/own",
    "loop",
    "folder",
];

fn refused<T: std::fmt::Debug>(what: &str, result: &Result<T, BlobError>) {
    assert!(
        matches!(result, Err(BlobError::Confined(_))),
        "{what}: {result:?}"
    );
}

#[tokio::test]
async fn no_operation_follows_a_link() {
    let Planted { home, blobs } = planted();
    let before = outside(home.path());
    for name in THROUGH_LINKS {
        let at = key(name);
        refused(name, &blobs.get(&at).await);
        refused(name, &blobs.get_range(&at, ByteRange::From(0)).await);
        refused(name, &blobs.head(&at).await);
        refused(name, &blobs.put_bytes(&at, Bytes::from("x")).await);
        refused(
            name,
            &blobs
                .put_stream(&at, in_pieces(pattern(3_000_000), 100_000))
                .await,
        );
        refused(name, &blobs.delete(&at).await);
        refused(name, &blobs.copy(&at, &key("taken")).await);
        refused(name, &blobs.copy(&key("inside/own"), &at).await);
        let broken = blobs.put_stream(&at, cut_off(pattern(10))).await;
        assert!(broken.is_err());
    }
    assert_eq!(outside(home.path()), before);
    assert!(!home.path().join("outside/new").exists());
    assert!(!home.path().join("outside/absent").exists());
}

#[tokio::test]
async fn listings_and_prefix_deletion_do_not_see_through_links() {
    let Planted { home, blobs } = planted();
    let listed: Vec<_> = blobs
        .list(None)
        .map_ok(|m| m.key.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(listed, ["inside/own"]);
    assert_eq!(
        blobs.list_folder(None).await.unwrap().folders,
        [key("inside")]
    );
    for name in ["folder", "loop", "alias", "inside/up"] {
        let through: Vec<_> = blobs.list(Some(&key(name))).try_collect().await.unwrap();
        assert_eq!(through, [], "{name}");
        assert_eq!(
            blobs.list_folder(Some(&key(name))).await.unwrap(),
            FolderListing::default(),
            "{name}"
        );
        assert_eq!(blobs.delete_prefix(&key(name)).await.unwrap(), 0, "{name}");
    }
    assert_eq!(
        fs::read(home.path().join("outside/secret")).unwrap(),
        b"secret"
    );
    assert_eq!(
        fs::read(home.path().join("root/inside/own")).unwrap(),
        b"own"
    );
}

#[tokio::test]
async fn the_root_itself_may_be_a_link() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("disk")).unwrap();
    symlink(home.path().join("disk"), home.path().join("blobs")).unwrap();
    let blobs = Blobs::open_folder(&home.path().join("blobs"), &BlobOptions::default()).unwrap();
    blobs.put_bytes(&key("a"), Bytes::from("a")).await.unwrap();
    assert_eq!(fs::read(home.path().join("disk/a")).unwrap(), b"a");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_the_name_nothing_outside_is_read_or_changed(
        parts in proptest::collection::vec(
            prop_oneof![
                Just(".."), Just("."), Just(""), Just("folder"), Just("file"), Just("dangling"), Just("inside"),
                Just("up"), Just("loop"), Just("secret"), Just("%2e%2e"), Just("..%2f"), Just("a\0"), Just("\\..\\"), Just("x"),
            ],
            1..6,
        ),
    ) {
        let name = parts.join("/");
        let Ok(at) = BlobKey::parse(&name) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let Planted { home, blobs } = planted();
            let before = outside(home.path());
            if let Ok(read) = blobs.get(&at).await {
                assert_ne!(read.bytes(1 << 20).await.unwrap(), "secret");
            }
            let _ = blobs.put_bytes(&at, Bytes::from("x")).await;
            let _ = blobs.delete(&at).await;
            let _ = blobs.delete_prefix(&at).await;
            assert_eq!(outside(home.path()), before, "{name}");
        });
    }
}
