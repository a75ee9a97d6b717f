//! What a connection is doing: answering, receiving headers, or nothing; so that slow and idle ones can be closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What a connection is doing, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Requests are being answered.
    Busy,
    /// A request has begun to arrive.
    Headers(Duration),
    /// Nothing.
    Idle(Duration),
}

/// Shared by the connection's socket, its requests and its watchdog.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Inner>);

struct Inner {
    /// Milliseconds since the connection began; a parameter so that tests need not wait.
    elapsed: Box<dyn Fn() -> u64 + Send + Sync>,
    requests: AtomicUsize,
    idle_since: AtomicU64,
    /// Plus one; zero when no request is arriving.
    headers_since: AtomicU64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Activity")
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

impl Default for Activity {
    fn default() -> Self {
        let start = Instant::now();
        Self::timed_by(move || start.elapsed().as_millis() as u64)
    }
}

impl Activity {
    fn timed_by(elapsed: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            elapsed: Box::new(elapsed),
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            headers_since: AtomicU64::new(0),
        }))
    }

    fn now(&self) -> u64 {
        (self.0.elapsed)()
    }

    /// The present state.
    pub(super) fn state(&self) -> State {
        let since = |moment: u64| Duration::from_millis(self.now().saturating_sub(moment));
        if self.0.requests.load(Ordering::Acquire) > 0 {
            return State::Busy;
        }
        match self.0.headers_since.load(Ordering::Acquire) {
            0 => State::Idle(since(self.0.idle_since.load(Ordering::Acquire))),
            moment => State::Headers(since(moment - 1)),
        }
    }

    /// A request's headers are complete.
    pub(super) fn begin(&self) -> InFlight {
        self.0.requests.fetch_add(1, Ordering::AcqRel);
        self.0.headers_since.store(0, Ordering::Release);
        InFlight(self.clone())
    }

    /// Bytes arrived; while nothing is being answered they are the next request's headers.
    fn received(&self) {
        if self.0.requests.load(Ordering::Acquire) == 0 {
            let _ = self.0.headers_since.compare_exchange(
                0,
                self.now() + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
        }
    }

    /// Wraps the socket of an HTTP/1.1 connection so that arriving bytes are seen.
    pub(super) fn watch<S>(&self, stream: S) -> Watched<S> {
        Watched {
            stream,
            activity: self.clone(),
        }
    }
}

/// Counts as a request in flight until dropped.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

impl InFlight {
    /// Lives until the answer's body is sent or given up.
    pub(super) fn until_sent(self, body: Body) -> Sent {
        Sent {
            body,
            _in_flight: self,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.idle_since.store(self.0.now(), Ordering::Release);
        self.0.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An answer's body that keeps its request in flight.
#[derive(Debug)]
pub(super) struct Sent {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket whose arriving bytes are seen.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn headers_idleness_and_answers_are_told_apart() {
        let clock = Arc::new(AtomicU64::new(0));
        let advance = |seconds: u64| clock.fetch_add(seconds * 1000, Ordering::Relaxed);
        let shared = Arc::clone(&clock);
        let activity = Activity::timed_by(move || shared.load(Ordering::Relaxed));
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = activity.watch(server);
        advance(3);
        assert_eq!(activity.state(), State::Idle(Duration::from_secs(3)));
        client.write_all(b"GET").await.unwrap();
        server.read_exact(&mut [0; 3]).await.unwrap();
        advance(2);
        assert_eq!(activity.state(), State::Headers(Duration::from_secs(2)));
        let request = activity.begin();
        assert_eq!(activity.state(), State::Busy);
        let body = request.until_sent(Body::from("done"));
        assert_eq!(activity.state(), State::Busy);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "done");
        advance(1);
        assert_eq!(activity.state(), State::Idle(Duration::from_secs(1)));
    }
}
