//! The port to what reaches receivers; `exec` implements it and is plugged in when the server starts.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use lazuli_spec::invalid::Invalid;
use tokio::sync::{Notify, Semaphore};

use crate::{Core, Error, Result};

/// Examples that are sent at the same time.
const TRIALS: usize = 4;

/// One request to a receiver.
#[derive(Clone)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON text.
    pub body: String,
}

/// What a receiver answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its `Retry-After` header.
    pub retry_after: Option<String>,
    /// The beginning of its body.
    pub body: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub message: String,
    /// Whether trying again is of no use.
    pub for_good: bool,
}

/// Reaches receivers, and none but those that may be reached.
#[async_trait]
pub trait Outbound: Send + Sync + fmt::Debug {
    /// Says whether webhooks may have this address.
    async fn check(&self, url: &str) -> Result<(), Invalid>;

    /// Sends one request; the address is checked again, and only an address that passed is connected to.
    async fn post(&self, post: Post) -> Result<Answer, Failure>;
}

/// What of webhooks lives in memory.
pub(crate) struct Live {
    pub(super) outbound: OnceLock<Arc<dyn Outbound>>,
    /// Rings when a change is to be told.
    pub(super) wake: Notify,
    pub(super) trials: Semaphore,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            outbound: OnceLock::new(),
            wake: Notify::new(),
            trials: Semaphore::new(TRIALS),
        }
    }
}

impl Live {
    /// There is something to deliver.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Core {
    /// Plugs in what reaches receivers; the first one stays.
    pub fn set_webhook_outbound(&self, outbound: Arc<dyn Outbound>) {
        let _ = self.webhooks().outbound.set(outbound);
    }

    pub(super) fn outbound(&self) -> Result<Arc<dyn Outbound>> {
        self.webhooks().outbound.get().cloned().ok_or_else(|| {
            Error::new(
                lazuli_spec::ErrorCode::Unavailable,
                "this server sends no webhooks",
            )
        })
    }
}
