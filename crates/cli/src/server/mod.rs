//! The server process behind `lazuli up`: configuration, home, certificates, listeners, limits, and the composition of all parts.
//!
//! [`run`] is the whole life of a server in reading order. Nothing here knows a noun: that is the business of the crates it puts together in
//! [`compose`].

mod activity;
pub(crate) mod announce;
pub(crate) mod compose;
pub(crate) mod config;
mod connection;
mod connections;
mod health;
pub(crate) mod home;
mod housekeeping;
pub(crate) mod lock;
mod metrics;
mod requests;
#[cfg(test)]
mod routes_tests;
mod shutdown;
mod signing;
mod telemetry;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use lazuli_spec::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::announce::Announcement;
use self::config::Config;
use self::connections::Context;
use self::home::Home;
use self::metrics::Metrics;
use self::shutdown::Signals;
use crate::error::CliError;

/// Runs a server until a signal stops it.
pub(crate) fn run(config: &Config) -> Result<(), CliError> {
    telemetry::start(config)?;
    let home = Home::at(&config.home);
    home.prepare()?;
    let _lock = lock::take(&home)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("lazuli")
        .build()
        .map_err(|error| CliError::new(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(serve(config, &home));
    // a blocking task that hangs must not hold the process after its grace
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}

async fn serve(config: &Config, home: &Home) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tls = tls::prepare(home, config, clock.as_ref())?;
    let listeners = connections::bind(config)?;
    let announcement = announcement(config, home, &listeners)?;
    let metrics = Arc::new(Metrics::default());
    let closing = CancellationToken::new();
    let app = compose::compose(config, home, &announcement, clock, &metrics).await?;
    let router = requests::around(app.router, &config.limits, Arc::clone(&metrics));
    let context = Arc::new(Context::new(
        router,
        tls,
        config.limits.clone(),
        metrics,
        closing.clone(),
    ));
    let tracker = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(config.limits.connections));
    for listener in listeners {
        tokio::spawn(connections::accept(
            listener,
            Arc::clone(&context),
            Arc::clone(&permits),
            tracker.clone(),
        ));
    }
    let announced = announce::write(home, &announcement)?;
    tracing::info!(url = announcement.url, home = %home.root().display(), pid = announcement.pid, "Lazuli is ready");
    let name = signals.next().await;
    tracing::info!(
        signal = name,
        grace_seconds = config.grace.as_secs(),
        "stopping"
    );
    drop(announced);
    shutdown::drain(&closing, &tracker, config.grace, &mut signals).await;
    app.background.stop().await;
    Ok(())
}

/// Where the listeners turned out to be.
fn announcement(
    config: &Config,
    home: &Home,
    listeners: &[TcpListener],
) -> Result<Announcement, CliError> {
    let mut addresses = Vec::new();
    for listener in listeners {
        addresses.push(listener.local_addr().map_err(|error| {
            CliError::new(format!("cannot read the listener's address: {error}"))
        })?);
    }
    let port = addresses.first().map_or(config.port, SocketAddr::port);
    let local = addresses
        .iter()
        .map(SocketAddr::ip)
        .map(reachable)
        .min_by_key(|address| !address.is_loopback());
    let url = |host: &str| format!("https://{host}:{port}");
    let mut urls: Vec<String> = config
        .names
        .iter()
        .map(|name| url(&bracketed(name)))
        .collect();
    let url = url(&local.map_or_else(
        || "127.0.0.1".to_owned(),
        |address| bracketed(&address.to_string()),
    ));
    if !urls.contains(&url) {
        urls.insert(0, url.clone());
    }
    let loopback = addresses.iter().any(|address| {
        [IpAddr::from([0, 0, 0, 0]), IpAddr::from([127, 0, 0, 1])].contains(&address.ip())
    });
    let ca = config
        .own_certificate
        .is_none()
        .then(|| home.ca().display().to_string());
    Ok(Announcement {
        pid: std::process::id(),
        port,
        url,
        urls,
        ca,
        loopback,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// The address by which this machine reaches a listener.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        other => other,
    }
}

/// IPv6 addresses stand in brackets in a URL.
fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}
