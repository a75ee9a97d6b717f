//! Streams a large object into a local storage and out again, and prints the times and the peak memory of this process.
//!
//! `cargo run -p lazuli-blob --example large_object -- [GIGABYTES] [FOLDER]`; the object is removed at the end.

use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use futures::{TryStreamExt, stream};
use lazuli_blob::{BlobError, BlobKey, BlobOptions, Blobs};
use sha2::{Digest, Sha256};

const CHUNK: usize = 256 * 1024;

#[expect(
    clippy::print_stdout,
    reason = "a program whose result is what it prints"
)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let gigabytes: u64 = arguments.next().map_or(Ok(5), |a| a.parse())?;
    let folder = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("lazuli-large-object");
    let blobs = Blobs::open_folder(&folder, &BlobOptions::default())?;
    let key = BlobKey::parse("large/object")?;
    println!("start: peak memory {}", peak_memory()?);

    let chunks = gigabytes * 1_000_000_000 / CHUNK as u64;
    let source = stream::iter((0..chunks).map(|at| {
        // every chunk differs, so that nothing can be shared or compressed away
        let mut chunk = vec![at as u8; CHUNK];
        chunk[..8].copy_from_slice(&at.to_le_bytes());
        Ok::<_, BlobError>(Bytes::from(chunk))
    }));
    let begun = Instant::now();
    let put = blobs.put_stream(&key, source).await?;
    println!(
        "in:  {} bytes in {:.1?}, peak memory {}",
        put.size,
        begun.elapsed(),
        peak_memory()?
    );

    let begun = Instant::now();
    let mut read = blobs.get(&key).await?;
    let mut hasher = Sha256::new();
    while let Some(chunk) = read.stream.try_next().await? {
        hasher.update(&chunk);
    }
    let same = hex::encode(hasher.finalize()) == put.sha256.as_str();
    println!(
        "out: same content {same}, in {:.1?}, peak memory {}",
        begun.elapsed(),
        peak_memory()?
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// `VmHWM` of this process: the most memory that was ever resident.
fn peak_memory() -> Result<String, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.unwrap_or("unknown").trim().to_owned())
}
