//! Why a job is to end before its command does, and how everyone hears of it.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Says that the job is to be canceled.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    asked: watch::Sender<bool>,
}

impl Stop {
    pub(super) fn new() -> Self {
        Self {
            asked: watch::Sender::new(false),
        }
    }

    /// Asks for the end; asking again changes nothing.
    pub(super) fn ask(&self) {
        self.asked.send_replace(true);
    }

    /// Waits until it is asked for.
    pub(super) async fn asked(&self) {
        let mut changes = self.asked.subscribe();
        // the sender lives in `self`, so waiting ends only with the wish
        let _ = changes.wait_for(|asked| *asked).await;
    }

    /// Takes SIGTERM and SIGINT as the wish to cancel.
    pub(super) fn listen_to_signals(&self) -> std::io::Result<()> {
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let mut signals = signal(kind)?;
            let stop = self.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    stop.ask();
                }
            });
        }
        Ok(())
    }
}
