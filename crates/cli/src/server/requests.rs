//! What happens around every request: an id, limits on the body, a count, a log line.
//!
//! The id is the client's `x-request-id` when that is short and plain, else a new one; it stands on the request for the handlers, on the
//! answer, and on every log line written meanwhile.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use hyper::body::{Frame, SizeHint};
use lazuli_spec::{IdSource, SystemIds};
use tokio::time::Instant;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use tracing::Instrument as _;

use super::config::Limits;
use super::metrics::Metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the limits, the id, the counting and the logging around a router.
pub(crate) fn around(router: Router, limits: &Limits, metrics: Arc<Metrics>) -> Router {
    let largest = usize::try_from(limits.upload_bytes).unwrap_or(usize::MAX);
    router
        // handlers that read a body as a whole stop here; handlers that stream it stop at `largest`
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(RequestBodyLimitLayer::new(largest))
        .layer(RequestBodyTimeoutLayer::new(limits.body_timeout))
        .layer(from_fn_with_state(metrics, observe))
}

async fn observe(
    State(metrics): State<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(&request);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %method, path = request.uri().path());
    let mut seen = Seen {
        metrics,
        method,
        route,
        status: 0,
        start: Instant::now(),
        span: span.clone(),
    };
    seen.metrics.in_flight(1);
    let mut response = next.run(request).instrument(span).await;
    seen.status = response.status().as_u16();
    response.headers_mut().insert(REQUEST_ID, id);
    response.map(|body| Body::new(Counted { body, _seen: seen }))
}

/// The client's id if it is safe to repeat in logs and headers, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let usable = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
    };
    match request.headers().get(&REQUEST_ID).filter(usable) {
        Some(given) => given.clone(),
        None => HeaderValue::from_str(&SystemIds.uuid_hex())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
    }
}

/// Whether the request came from this machine, directly.
pub(crate) fn is_local(request: &Request) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for"]
        .iter()
        .any(|name| request.headers().contains_key(*name));
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip().to_canonical());
    !forwarded && peer.is_some_and(|address| address.is_loopback())
}

/// Counts and logs when dropped: after the last byte of the answer, or when the client went away.
#[derive(Debug)]
struct Seen {
    metrics: Arc<Metrics>,
    method: Method,
    route: String,
    /// Zero until there is an answer.
    status: u16,
    start: Instant,
    span: tracing::Span,
}

impl Drop for Seen {
    fn drop(&mut self) {
        let took = self.start.elapsed();
        // 499: the client closed the connection before there was an answer
        let status = if self.status == 0 { 499 } else { self.status };
        self.metrics.in_flight(-1);
        self.metrics
            .request(&self.method, &self.route, status, took);
        let millis = took.as_secs_f64() * 1e3;
        let _entered = self.span.enter();
        match status {
            500.. => tracing::error!(status, millis, "request failed"),
            400..=498 => tracing::info!(status, millis, "request refused"),
            _ => tracing::debug!(status, millis, "request answered"),
        }
    }
}

/// A body that keeps its count open until it is sent.
#[derive(Debug)]
struct Counted {
    body: Body,
    _seen: Seen,
}

impl HttpBody for Counted {
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
