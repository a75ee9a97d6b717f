//! A queue that several threads take from.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::work::Message;

/// The receiving end, shared. The thread that waits holds the lock; the others wait for the lock instead.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<mpsc::Receiver<Message>>>);

impl Shared {
    pub(crate) fn new(receiver: mpsc::Receiver<Message>) -> Self {
        Shared(Arc::new(Mutex::new(receiver)))
    }

    /// The next message; `None` when every sender is gone.
    pub(crate) fn next(&self) -> Option<Message> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv()
    }
}
