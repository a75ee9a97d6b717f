//! The product itself: one module for each noun, with its rules. Knows no HTTP, no SQL text and no processes.
//!
//! Every method takes a [`Caller`] and reaches data only through an [`Access`], which is proof of permission and
//! writes the audit record in the same transaction as the change. The three dialects (native REST, MLflow, Azure)
//! are thin layers over these methods, so a rule stands once.

pub mod access;
pub mod artifacts;
pub mod assessments;
mod asset_creation;
pub mod assets;
pub mod audit;
pub mod authentication;
pub mod caller;
pub mod code;
pub mod computes;
pub mod content;
pub mod data;
pub mod deployments;
pub mod endpoints;
pub mod environment_resolver;
pub mod environments;
pub mod error;
pub mod evaluation_datasets;
pub mod evaluation_records;
pub mod events;
pub mod executor;
pub mod experiments;
pub mod gateway;
pub mod issues;
pub mod jobs;
pub mod lineage;
pub mod links;
pub(crate) mod lists;
pub mod logged_models;
mod memo;
pub mod metrics;
pub mod mlflow_moves;
pub mod models;
pub mod principals;
pub mod purges;
pub mod roles;
mod run_rows;
pub mod run_search;
pub mod runs;
pub mod scheduler;
pub mod scorers;
pub mod sealing;
pub mod spans;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tokens;
pub mod traces;
mod tracking_pages;
pub mod uploads;
pub mod users;
pub mod webhooks;
pub mod workspaces;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use lazuli_blob::{Blobs, Signer};
use lazuli_spec::{Clock, IdSource, Timestamp};
use lazuli_store::Store;
use tokio::sync::watch;

pub use access::{Access, Change};
pub use caller::{Caller, RequestContext};
pub use error::{Error, Result};

/// What the core is put together from.
#[derive(Debug)]
pub struct Parts {
    /// Where rows live.
    pub store: Store,
    /// Where bytes live.
    pub blobs: Blobs,
    /// Signs links.
    pub signer: Signer,
    /// Seals what others gave us to keep secret.
    pub sealer: sealing::Sealer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids and secrets.
    pub ids: Arc<dyn IdSource>,
    /// The folder for what is neither: materialised models, environments, job folders.
    pub home: PathBuf,
}

/// The whole product behind one handle; clones share it.
#[derive(Clone)]
pub struct Core(Arc<Inner>);

struct Inner {
    store: Store,
    blobs: Blobs,
    signer: Signer,
    sealer: sealing::Sealer,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    home: PathBuf,
    authority: authentication::Authority,
    changes: watch::Sender<i64>,
    jobs: jobs::live::Live,
    located: artifacts::Located,
    webhooks: webhooks::Live,
    model_runtime: std::sync::OnceLock<Arc<dyn deployments::ModelRuntime>>,
}

impl Core {
    /// Puts the parts together. Nothing runs yet.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            store: parts.store,
            blobs: parts.blobs,
            signer: parts.signer,
            sealer: parts.sealer,
            clock: parts.clock,
            ids: parts.ids,
            home: parts.home,
            authority: authentication::Authority::default(),
            changes: watch::Sender::new(0),
            jobs: jobs::live::Live::default(),
            located: artifacts::Located::default(),
            webhooks: webhooks::Live::default(),
            model_runtime: std::sync::OnceLock::new(),
        }))
    }

    /// The stored bytes.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// Where new ids come from.
    pub fn ids(&self) -> &dyn IdSource {
        self.0.ids.as_ref()
    }

    /// The clock, for parts that live beside the core.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The server's own folder.
    pub fn home(&self) -> &PathBuf {
        &self.0.home
    }

    /// Only an [`Access`] and this crate's own housekeeping get at the rows.
    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.0.signer
    }

    pub(crate) fn sealer(&self) -> &sealing::Sealer {
        &self.0.sealer
    }

    pub(crate) fn webhooks(&self) -> &webhooks::Live {
        &self.0.webhooks
    }

    pub(crate) fn model_runtime(&self) -> &std::sync::OnceLock<Arc<dyn deployments::ModelRuntime>> {
        &self.0.model_runtime
    }

    /// Runs whose folders were looked for a moment ago.
    pub(crate) fn located(&self) -> &artifacts::Located {
        &self.0.located
    }

    pub(crate) fn jobs(&self) -> &jobs::live::Live {
        &self.0.jobs
    }

    pub(crate) fn authority(&self) -> &authentication::Authority {
        &self.0.authority
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("home", &self.0.home)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod clock_tests;
