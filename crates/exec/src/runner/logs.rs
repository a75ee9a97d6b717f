//! Logs: written to a file as they come, sent to the server from that file.
//!
//! The file is the buffer: while the server is away nothing piles up in memory, and each piece carries its offset, so repeating one
//! does no harm. The first piece goes out at once; under load, pieces are gathered for a moment so that chatter costs few requests.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lazuli_spec::runner::{LogReply, MAX_LOG_CHUNK};
use reqwest::Method;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::client::{Body, Client};

/// How long pieces are gathered after one was sent.
const GATHER: Duration = Duration::from_millis(40);
/// How long to wait when the server's log did not grow.
const NOTHING_TAKEN: Duration = Duration::from_secs(1);

/// A log that is being written.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    shared: Arc<Shared>,
    sender: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    closed: AtomicBool,
    news: Notify,
    closing: Notify,
}

impl Log {
    /// Starts a log of this name.
    pub(super) fn start(path: &Path, name: &'static str, client: Client) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(path)?;
        let shared = Arc::new(Shared::default());
        let sender = tokio::spawn(send_all(path.to_owned(), name, client, Arc::clone(&shared)));
        Ok(Self {
            file,
            shared,
            sender,
        })
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.shared
            .written
            .fetch_add(bytes.len() as u64, Ordering::Release);
        self.shared.news.notify_one();
        Ok(())
    }

    /// Adds a line.
    pub(super) fn line(&mut self, text: &str) {
        if let Err(error) = self.write(format!("{text}\n").as_bytes()) {
            tracing::warn!(%error, "a line of the log was lost");
        }
    }

    /// Waits until the server has all of it.
    pub(super) async fn finish(self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.news.notify_one();
        self.shared.closing.notify_one();
        let _ = self.sender.await;
    }
}

async fn send_all(path: PathBuf, name: &'static str, client: Client, shared: Arc<Shared>) {
    let Ok(file) = File::open(&path) else { return };
    let mut sent = 0_u64;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let closed = shared.closed.load(Ordering::Acquire);
        let written = shared.written.load(Ordering::Acquire);
        if sent >= written {
            if closed {
                return;
            }
            shared.news.notified().await;
            continue;
        }
        let pending = usize::try_from(written - sent)
            .unwrap_or(MAX_LOG_CHUNK)
            .min(MAX_LOG_CHUNK);
        if buffer.len() < pending {
            buffer.resize(pending, 0);
        }
        let Ok(count) = file.read_at(&mut buffer[..pending], sent) else {
            return;
        };
        match send(&client, name, sent, &buffer[..count]).await {
            // behind: some of it was lost there; ahead: an earlier try had arrived after all
            Some(next) => {
                if next <= sent {
                    // it took nothing: asking again at once would be a loop without a pause
                    tokio::time::sleep(NOTHING_TAKEN).await;
                }
                sent = next.min(written);
            }
            None => return,
        }
        if !closed && sent >= shared.written.load(Ordering::Acquire) {
            let _ = tokio::time::timeout(GATHER, shared.closing.notified()).await;
        }
    }
}

/// Sends one piece; `None` when the server will not have it.
async fn send(client: &Client, name: &str, offset: u64, bytes: &[u8]) -> Option<u64> {
    let path = format!("/api/v1/runner/logs?name={name}&offset={offset}");
    let bytes = Bytes::copy_from_slice(bytes);
    let length = bytes.len() as u64;
    let sent = client.call(Method::POST, &path, Body::Bytes(bytes)).await;
    match sent {
        Ok(response) => Some(
            response
                .json::<LogReply>()
                .await
                .map_or(offset + length, |reply| reply.next_offset),
        ),
        Err(refused) => {
            tracing::warn!(%refused, name, "the server takes no more of this log");
            None
        }
    }
}

/// The last lines of a log, for a message.
pub(super) fn tail(path: &Path, lines: usize, most_bytes: u64) -> Vec<String> {
    let Ok(file) = File::open(path) else {
        return Vec::new();
    };
    let length = file.metadata().map_or(0, |meta| meta.len());
    let from = length.saturating_sub(most_bytes);
    let mut bytes = vec![0; usize::try_from(length - from).unwrap_or(0)];
    if file.read_exact_at(&mut bytes, from).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().skip(usize::from(from > 0)).collect();
    all[all.len().saturating_sub(lines)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
