//! What is tidied up beside the requests: uploads that nobody completed, and files that a killed process left half-written.

use std::time::Duration;

use lazuli_core::Core;
use lazuli_spec::Timestamp;
use tokio::task::JoinHandle;

/// How often abandoned uploads are looked for.
const PERIOD: Duration = Duration::from_hours(1);
/// Half-written files older than this, when the server starts, are nobody's: another server may share the folder.
const LEFT_BEHIND: i64 = 24 * 3_600 * 1_000_000;

/// The work, until it is stopped.
pub(super) struct Housekeeping(JoinHandle<()>);

impl Housekeeping {
    /// Begins.
    pub(super) fn start(core: Core) -> Self {
        Self(tokio::spawn(run(core)))
    }

    /// Ends it; what is not done is done after the next start.
    pub(super) async fn stop(self) {
        self.0.abort();
        // it was told to end: that it did not end by itself is no news
        let _ = self.0.await;
    }
}

async fn run(core: Core) {
    let before = Timestamp(core.now().0.saturating_sub(LEFT_BEHIND));
    match core.blobs().sweep_unfinished(before).await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "removed what a killed server left half-written"),
        Err(error) => tracing::warn!(%error, "cannot look for half-written files"),
    }
    let mut period = tokio::time::interval(PERIOD);
    loop {
        period.tick().await;
        match core.sweep_uploads().await {
            Ok(0) => {}
            Ok(objects) => tracing::info!(objects, "removed uploads that nobody completed"),
            Err(error) => tracing::warn!(%error, "cannot look for abandoned uploads"),
        }
    }
}
