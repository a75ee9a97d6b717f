//! The port to what runs the models; `serve` implements it and is plugged in when the server starts.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use crate::{Core, Error, Result};

/// Which log of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogContainer {
    /// What the worker processes wrote.
    InferenceServer,
    /// What was done to prepare them: environment, model files.
    StorageInitializer,
}

impl LogContainer {
    /// Reads Azure ML's name of a container.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "inference-server" => Some(Self::InferenceServer),
            "storage-initializer" => Some(Self::StorageInitializer),
            _ => None,
        }
    }
}

/// The processes of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// Worker processes that hold the model.
    pub ready: usize,
    /// How often one had to be replaced.
    pub restarts: usize,
    /// Their process ids.
    pub pids: Vec<u32>,
}

/// What a deployment has done since its server started, and does now.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DeploymentMetrics {
    /// Requests by the status that was answered.
    pub requests: std::collections::BTreeMap<u16, u64>,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests mirrored to it.
    pub mirrored: u64,
    /// Milliseconds, mean and quantiles of answered requests; absent before the first.
    pub latency_ms: Option<Latency>,
    /// The processes.
    pub instances: InstanceStatus,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// The mean.
    pub mean: f64,
    /// Half took less.
    pub p50: f64,
    /// Nine of ten took less.
    pub p90: f64,
    /// All but one of twenty took less.
    pub p95: f64,
    /// All but one of a hundred took less.
    pub p99: f64,
}

/// What runs the models.
#[async_trait]
pub trait ModelRuntime: Send + Sync + fmt::Debug {
    /// The counters of a deployment; zeros where it is not running.
    fn metrics(&self, endpoint: &str, deployment: &str) -> DeploymentMetrics;

    /// The last lines of a log, oldest first.
    async fn logs(
        &self,
        endpoint: &str,
        deployment: &str,
        container: LogContainer,
        lines: usize,
    ) -> Result<String>;
}

impl Core {
    /// Plugs in what runs the models; the first one stays.
    pub fn set_model_runtime(&self, runtime: Arc<dyn ModelRuntime>) {
        // a second server in one process would be a mistake of the composition root, and harmless
        let _ = self.model_runtime().set(runtime);
    }

    pub(super) fn runtime(&self) -> Result<Arc<dyn ModelRuntime>> {
        let found = self.model_runtime().get().cloned();
        found.ok_or_else(|| {
            Error::new(
                lazuli_spec::ErrorCode::Unavailable,
                "this server runs no models now; try again",
            )
        })
    }
}
