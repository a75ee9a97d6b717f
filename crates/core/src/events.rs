//! The stream of changes: one outbox, read by everyone who follows (live pages, the gateway, triggers).

use lazuli_store::events::{self, Event};
use tokio::sync::watch;

use crate::{Core, Result};

impl Core {
    /// Wakes followers: something with this place in the stream was committed.
    pub(crate) fn announce(&self, sequence: i64) {
        self.0
            .changes
            .send_modify(|last| *last = sequence.max(*last));
    }

    /// Tells when there is something new. The value is the newest place this server wrote.
    pub fn follow_changes(&self) -> watch::Receiver<i64> {
        self.0.changes.subscribe()
    }

    /// Events after a place, for parts of Lazuli that keep their own place (not for requests: nothing is authorized here).
    pub async fn events_after(&self, sequence: i64, limit: u32) -> Result<Vec<Event>> {
        self.store()
            .read(move |tx| Ok(events::after(tx, sequence, limit)?))
            .await
    }
}
