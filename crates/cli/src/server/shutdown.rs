//! Stopping: SIGTERM or Ctrl-C stops accepting and lets requests finish within `shutdown.grace`; a second signal stops at once.
//!
//! Jobs are not the server's children in any sense that matters here: they run on and report to the next server.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::CliError;

/// The two signals that stop a server.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts listening; from here on the signals no longer kill the process.
    pub(crate) fn listen() -> Result<Self, CliError> {
        let failed = |error| CliError::new(format!("cannot listen for signals: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// Waits for either signal and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Closes connections and waits for requests in flight, at most for `grace`.
pub(crate) async fn drain(
    closing: &CancellationToken,
    tracker: &TaskTracker,
    grace: Duration,
    signals: &mut Signals,
) {
    closing.cancel();
    tracker.close();
    tokio::select! {
        () = tracker.wait() => tracing::info!("all requests are finished"),
        () = tokio::time::sleep(grace) => {
            tracing::warn!(connections = tracker.len(), "requests were cut off after the grace period");
        }
        name = signals.next() => tracing::warn!(signal = name, "stopping at once"),
    }
}
