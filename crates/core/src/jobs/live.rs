//! What of jobs lives in memory, for speed only: who waits for what. All of it may be lost at any moment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, watch};

/// Wakes the scheduler and those who follow a job.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Something may be scheduled.
    pub(crate) wake: Notify,
    feeds: Mutex<HashMap<(String, String), watch::Sender<u64>>>,
    workspaces: Mutex<HashMap<String, String>>,
}

impl Live {
    /// Follows a job's logs and state: the value changes when there may be news.
    pub(crate) fn follow(&self, workspace_id: &str, job: &str) -> watch::Receiver<u64> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        // feeds that nobody follows any more are swept here, where new ones come
        feeds.retain(|_, feed| feed.receiver_count() > 0);
        let key = (workspace_id.to_owned(), job.to_owned());
        feeds
            .entry(key)
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe()
    }

    /// There is news about a job.
    pub(crate) fn news(&self, workspace_id: &str, job: &str) {
        let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(&(workspace_id.to_owned(), job.to_owned())) {
            feed.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// The name of a workspace, if it was asked for before.
    pub(crate) fn workspace(&self, id: &str) -> Option<String> {
        self.workspaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Remembers the name of a workspace, which never changes.
    pub(crate) fn remember_workspace(&self, id: &str, name: &str) {
        self.workspaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), name.to_owned());
    }
}
