//! The storage from outside: one contract on every back end, and what is particular to local disk.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod confined;
mod contract;
mod local;
mod multipart;
mod trees;

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures::{Stream, stream};
use lazuli_blob::{BlobError, BlobKey, BlobOptions, Blobs};

/// Runs a test on local disk, in memory, and on the object stores that `tests/support/object-stores` has started.
async fn each_backend<F: Future<Output = ()>>(test: impl Fn(Blobs) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let options = BlobOptions {
        durable: false,
        ..BlobOptions::default()
    };
    test(Blobs::open_folder(folder.path(), &options).unwrap()).await;
    test(Blobs::in_memory()).await;
    test(Blobs::open("memory:///some/prefix", &options).unwrap()).await;
    for (scheme, variable) in [("s3", "LAZULI_TEST_S3"), ("az", "LAZULI_TEST_AZURE")] {
        if let Ok(address) = std::env::var(variable) {
            let blobs = object_store(scheme, &address);
            test(blobs.clone()).await;
            for folder in blobs.list_folder(None).await.unwrap().folders {
                blobs.delete_prefix(&folder).await.unwrap();
            }
        }
    }
}

/// A place of its own in the store at `http://account:secret@host/container`.
fn object_store(scheme: &str, address: &str) -> Blobs {
    static PLACES: AtomicU32 = AtomicU32::new(0);
    let url = url::Url::parse(address).unwrap();
    let account = url.username();
    let container = url.path().trim_matches('/');
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let endpoint = match scheme {
        // Azure's emulator has the account in the path
        "az" => format!("http://{authority}/{account}"),
        _ => format!("http://{authority}"),
    };
    let options = BlobOptions {
        endpoint: Some(endpoint),
        region: (scheme == "s3").then(|| "us-east-1".to_owned()),
        account: Some(account.to_owned()),
        secret: url.password().map(ToOwned::to_owned),
        ..BlobOptions::default()
    };
    let place = PLACES.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    Blobs::open(
        &format!("{scheme}://{container}/test-{process}-{place}"),
        &options,
    )
    .unwrap()
}

fn key(name: &str) -> BlobKey {
    BlobKey::parse(name).unwrap()
}

/// Pieces of `size` bytes with a pattern that betrays any shift.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn in_pieces(
    content: impl AsRef<[u8]>,
    piece: usize,
) -> impl Stream<Item = Result<Bytes, BlobError>> + Send {
    let pieces: Vec<_> = content
        .as_ref()
        .chunks(piece)
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect();
    stream::iter(pieces)
}

/// A stream that breaks after its content, as a client that goes away does.
fn cut_off(content: Vec<u8>) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    let broken = std::io::Error::new(
        std::io::ErrorKind::UnexpectedEof,
        "the connection was closed",
    );
    stream::iter([Ok(Bytes::from(content)), Err(broken)])
}

async fn content(blobs: &Blobs, name: &str) -> Vec<u8> {
    blobs
        .get(&key(name))
        .await
        .unwrap()
        .bytes(u64::MAX)
        .await
        .unwrap()
        .to_vec()
}
