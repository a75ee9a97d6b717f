//! Frames between the server and a scoring worker: two big-endian 32-bit lengths, a JSON header and a raw body.
//!
//! The other side is `python/lazuli_worker/frames.py`; both change together, as one binary ships both.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The largest header and body a worker may send: beyond it the worker is broken or the answer is no prediction.
const MAX_HEADER: u32 = 1 << 20;
const MAX_BODY: u32 = 256 << 20;

/// One scoring request as the worker reads it.
#[derive(Debug, Serialize)]
pub(crate) struct RequestHeader<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a BTreeMap<String, String>,
}

/// What a worker may say.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum WorkerHeader {
    /// The model is loaded.
    Ready {
        schema: serde_json::Value,
        seconds: f64,
    },
    /// The model could not be loaded; the process ends.
    Failed { message: String, traceback: String },
    /// The answer to a request.
    Reply {
        status: u16,
        headers: BTreeMap<String, String>,
        failed: bool,
    },
}

/// Writes one frame.
pub(crate) async fn write(
    stream: &mut UnixStream,
    header: &RequestHeader<'_>,
    body: &[u8],
) -> io::Result<()> {
    let head = serde_json::to_vec(header)?;
    let mut frame =
        Vec::with_capacity(8 + head.len() + if body.len() < 65_536 { body.len() } else { 0 });
    frame.extend_from_slice(&length(head.len())?.to_be_bytes());
    frame.extend_from_slice(&length(body.len())?.to_be_bytes());
    frame.extend_from_slice(&head);
    // small requests go out in one system call; big ones are not copied
    if body.len() < 65_536 {
        frame.extend_from_slice(body);
        stream.write_all(&frame).await
    } else {
        stream.write_all(&frame).await?;
        stream.write_all(body).await
    }
}

/// Reads one frame; a worker that went away is `UnexpectedEof`.
pub(crate) async fn read(stream: &mut UnixStream) -> io::Result<(WorkerHeader, Bytes)> {
    let head_length = stream.read_u32().await?;
    let body_length = stream.read_u32().await?;
    if head_length > MAX_HEADER || body_length > MAX_BODY {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the worker sent a frame of {head_length} + {body_length} bytes"),
        ));
    }
    let mut head = vec![0; head_length as usize];
    stream.read_exact(&mut head).await?;
    let mut body = vec![0; body_length as usize];
    stream.read_exact(&mut body).await?;
    Ok((serde_json::from_slice(&head)?, Bytes::from(body)))
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a frame holds at most 4 GiB"))
}
