//! The storage from outside: one contract on every back end that needs no network, and what is particular to local disk.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod confined;
mod contract;
mod local;
mod multipart;
mod trees;

use std::future::Future;

use bytes::Bytes;
use futures::{Stream, stream};
use lazuli_blob::{BlobError, BlobKey, BlobOptions, Blobs};

/// Runs a test on local disk and in memory.
async fn each_backend<F: Future<Output = ()>>(test: impl Fn(Blobs) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let options = BlobOptions {
        durable: false,
        ..BlobOptions::default()
    };
    test(Blobs::open_folder(folder.path(), &options).unwrap()).await;
    test(Blobs::in_memory()).await;
    test(Blobs::open("memory:///some/prefix", &options).unwrap()).await;
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
