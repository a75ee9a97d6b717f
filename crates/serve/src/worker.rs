//! A worker that is ready: one socket to one process that answers one request at a time.

use crate::frames::{self, RequestHeader, WorkerHeader};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// A scoring request, already authenticated and routed.
#[derive(Debug, Clone)]
pub struct ScoreRequest {
    /// The HTTP method.
    pub method: String,
    /// Path and query as the model shall see them.
    pub path: String,
    /// Header fields by lower-case name, without credentials.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: Bytes,
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreReply {
    /// The status the model's code chose.
    pub status: u16,
    /// Its header fields.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Bytes,
    /// Whether the user's run() failed.
    pub failed: bool,
}

/// The shared knowledge of one process: whether it lives, and the wish that it should not.
#[derive(Debug, Default)]
pub(crate) struct Life {
    dead: AtomicBool,
    doomed: Notify,
}

impl Life {
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    pub(crate) fn mark_dead(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// Asks the slot to kill the process.
    pub(crate) fn doom(&self) {
        self.mark_dead();
        self.doomed.notify_one();
    }

    pub(crate) async fn doomed(&self) {
        self.doomed.notified().await;
    }
}

/// The sending side of a ready process; whoever holds it may ask one question.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) stream: UnixStream,
    pub(crate) life: Arc<Life>,
}

impl Worker {
    /// Sends a request and waits for its answer. After an error the worker must not be used again.
    pub(crate) async fn ask(&mut self, request: &ScoreRequest) -> std::io::Result<ScoreReply> {
        let header = RequestHeader {
            method: &request.method,
            path: &request.path,
            headers: &request.headers,
        };
        frames::write(&mut self.stream, &header, &request.body).await?;
        match frames::read(&mut self.stream).await? {
            (
                WorkerHeader::Reply {
                    status,
                    headers,
                    failed,
                },
                body,
            ) => Ok(ScoreReply {
                status,
                headers,
                body,
                failed,
            }),
            _ => Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the worker spoke out of turn",
            )),
        }
    }
}
