//! One connection: HTTP/1.1 or HTTP/2 over whatever the listener accepted, with limits on headers, silence and idleness.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lazuli_api::address::OverTls;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::activity::{Activity, State};
use super::connections::Context;

/// Serves HTTP/1.1, over TLS or plain.
pub(super) async fn serve_http1<S>(stream: S, peer: SocketAddr, tls: bool, context: &Arc<Context>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::default();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // idleness and slow headers are told apart in `drive`; hyper's own timer does not tell them apart
        .header_read_timeout(None)
        .max_headers(context.limits.headers)
        .max_header_size(context.limits.header_bytes)
        .max_buf_size(context.limits.header_bytes.max(64 * 1024));
    let service =
        service_fn(|request| answer(request, (peer, tls), Arc::clone(context), activity.clone()));
    let stream = TokioIo::new(activity.watch(stream));
    let connection = builder.serve_connection(stream, service).with_upgrades();
    drive(
        connection,
        http1::UpgradeableConnection::graceful_shutdown,
        context,
        &activity,
    )
    .await;
}

/// Serves HTTP/2, which only TLS clients ask for.
pub(super) async fn serve_http2<S>(stream: S, peer: SocketAddr, context: &Arc<Context>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::default();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(context.limits.streams)
        .max_header_list_size(u32::try_from(context.limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let service =
        service_fn(|request| answer(request, (peer, true), Arc::clone(context), activity.clone()));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    drive(
        connection,
        http2::Connection::graceful_shutdown,
        context,
        &activity,
    )
    .await;
}

/// Passes one request to the router; the connection counts as busy until the last byte of the answer.
async fn answer(
    request: Request<Incoming>,
    (peer, tls): (SocketAddr, bool),
    context: Arc<Context>,
    activity: Activity,
) -> Result<Response<Body>, std::convert::Infallible> {
    let busy = activity.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    if tls {
        request.extensions_mut().insert(OverTls);
    }
    let response = context.router.clone().oneshot(request).await?;
    Ok(response.map(|body| Body::new(busy.until_sent(body))))
}

/// Runs the connection until it ends, the client is too slow or idle too long, or the server stops.
async fn drive<C, E>(
    connection: C,
    close: impl Fn(Pin<&mut C>),
    context: &Context,
    activity: &Activity,
) where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let mut closing = false;
    let limits = &context.limits;
    let look = (limits.header_timeout.min(limits.idle_timeout) / 4)
        .clamp(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended early");
                }
                return;
            }
            () = context.closing.cancelled(), if !closing => {
                closing = true;
                close(connection.as_mut());
            }
            () = tokio::time::sleep(look) => match activity.state() {
                State::Headers(since) if since >= limits.header_timeout => {
                    context.metrics.connection_refused("slow_headers");
                    return;
                }
                State::Idle(since) if since >= limits.idle_timeout && !closing => {
                    closing = true;
                    close(connection.as_mut());
                }
                _ => {}
            }
        }
    }
}

const PLAIN_REFUSED: &str = "This server speaks plain HTTP only to programs on its own machine. Use https:// here, and trust its CA \
(`<home>/tls/ca.pem` on the server).\n";

/// Tells a client elsewhere, in its own protocol, that it must use TLS. Nothing it sent is acted on.
pub(super) async fn refuse_plain(mut stream: TcpStream) {
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PLAIN_REFUSED}",
        PLAIN_REFUSED.len()
    );
    let exchange = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // closing with unread bytes would reset the connection before the answer is read
        let mut unread = [0_u8; 4096];
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(1), exchange).await {
        tracing::debug!(%error, "a refused connection ended early");
    }
}
