//! Accepting connections: one port for TLS and, between loopback addresses only, plain HTTP; told apart by the first byte.
//!
//! Each accepted socket holds a permit of `limits.connections` until it ends; when none is left the kernel's queue fills instead of this
//! process's memory. Slow and idle clients are closed by [`super::connection`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{Config, Limits};
use super::connection;
use super::metrics::Metrics;
use crate::error::CliError;

/// What every connection needs.
pub(crate) struct Context {
    pub router: Router,
    pub tls: TlsAcceptor,
    pub limits: Limits,
    pub metrics: Arc<Metrics>,
    /// Cancelled when the server stops: connections finish the request in hand and close.
    pub closing: CancellationToken,
}

impl Context {
    /// Puts together what connections need.
    pub(crate) fn new(
        router: Router,
        tls: Arc<ServerConfig>,
        limits: Limits,
        metrics: Arc<Metrics>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            router,
            tls: TlsAcceptor::from(tls),
            limits,
            metrics,
            closing,
        }
    }
}

/// Opens a listener on every configured address, all on the same port.
pub(crate) fn bind(config: &Config) -> Result<Vec<TcpListener>, CliError> {
    let mut port = config.port;
    let mut listeners = Vec::new();
    for address in &config.addresses {
        let listener = listen(SocketAddr::new(*address, port))
            .map_err(|error| cannot_listen(*address, port, &error))?;
        if port == 0 {
            port = listener
                .local_addr()
                .map_err(|error| cannot_listen(*address, port, &error))?
                .port();
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // a restart must not wait for the last connections of the server before it
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

fn cannot_listen(address: IpAddr, port: u16, error: &std::io::Error) -> CliError {
    let said = CliError::new(format!(
        "cannot listen on {}: {error}",
        SocketAddr::new(address, port)
    ));
    match error.kind() {
        std::io::ErrorKind::AddrInUse => said.hint(format!("another program has port {port}; stop it, or choose another with --port (0 takes a free one)")),
        std::io::ErrorKind::PermissionDenied => said.hint("ports below 1024 need privileges; choose one above with --port"),
        std::io::ErrorKind::AddrNotAvailable => said.hint("this machine has no such address; see `ip address`, and choose with --host"),
        _ => said,
    }
}

/// Accepts until the server stops.
pub(crate) async fn accept(
    listener: TcpListener,
    context: Arc<Context>,
    permits: Arc<Semaphore>,
    tracker: TaskTracker,
) {
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = context.closing.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let context = Arc::clone(&context);
                tracker.spawn(async move {
                    context.metrics.connection_opened();
                    serve(stream, peer, &context).await;
                    context.metrics.connection_closed();
                    drop(permit);
                });
            }
            Err(error) => wait_after(&error).await,
        }
    }
}

/// Out of file descriptors or memory: give running requests time to free some instead of spinning.
async fn wait_after(error: &std::io::Error) {
    if !matches!(
        error.kind(),
        std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::ConnectionReset
    ) {
        tracing::warn!(%error, "cannot accept connections just now");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// The first byte of a TLS record that carries a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

async fn serve(stream: TcpStream, peer: SocketAddr, context: &Arc<Context>) {
    let _ = stream.set_nodelay(true);
    let mut first = [0_u8; 1];
    let peeked = tokio::select! {
        peeked = tokio::time::timeout(context.limits.header_timeout, stream.peek(&mut first)) => peeked,
        () = context.closing.cancelled() => return,
    };
    match peeked {
        Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => serve_tls(stream, peer, context).await,
        Ok(Ok(1)) if is_loopback(&stream, peer) => {
            connection::serve_http1(stream, peer, false, context).await;
        }
        Ok(Ok(1)) => {
            context.metrics.connection_refused("plain_http");
            connection::refuse_plain(stream).await;
        }
        Ok(_) => {}
        Err(_) => context.metrics.connection_refused("silent"),
    }
}

async fn serve_tls(stream: TcpStream, peer: SocketAddr, context: &Arc<Context>) {
    match tokio::time::timeout(context.limits.header_timeout, context.tls.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            connection::serve_http2(stream, peer, context).await;
        }
        Ok(Ok(stream)) => connection::serve_http1(stream, peer, true, context).await,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "TLS handshake failed");
            context.metrics.connection_refused("tls_handshake");
        }
        Err(_) => context.metrics.connection_refused("slow_tls_handshake"),
    }
}

/// Whether the bytes never left this machine: both ends are loopback addresses.
fn is_loopback(stream: &TcpStream, peer: SocketAddr) -> bool {
    let local = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    local(peer) && stream.local_addr().is_ok_and(local)
}
