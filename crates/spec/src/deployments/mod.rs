//! Online deployments: one model behind an endpoint, with the code and environment it runs in.
//!
//! [`DeploymentSpec`] is what a user wants (Azure ML's `managedOnlineDeployment` YAML); [`Deployment`] adds what became of it.

mod states;
mod written;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::jobs::JobEnvironment;

pub use self::states::{DeploymentState, Outcome};

/// The name of the no-code model type.
pub const MLFLOW_MODEL: &str = "mlflow_model";

/// What a deployment is to be, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentSpec {
    /// Its name in the endpoint.
    pub name: String,
    /// The endpoint.
    pub endpoint_name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// For people and searches.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// For programs.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// The model; a scoring script may do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSource>,
    /// The scoring script; an MLflow model needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_configuration: Option<CodeConfiguration>,
    /// What it runs in; an MLflow model brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<JobEnvironment>,
    /// Variables of the worker processes.
    #[serde(default)]
    pub environment_variables: BTreeMap<String, String>,
    /// The size, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// How many instances.
    pub instance_count: u32,
    /// Kept and shown; metrics are always collected.
    #[serde(default)]
    pub app_insights_enabled: bool,
    /// Kept and shown; `AZUREML_MODEL_DIR` says where the model is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_mount_path: Option<String>,
    /// Limits of a request.
    #[serde(default)]
    pub request_settings: RequestSettings,
    /// How long a living worker may be silent.
    #[serde(default)]
    pub liveness_probe: Probe,
    /// How long a worker may take to load the model.
    #[serde(default)]
    pub readiness_probe: Probe,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ModelSource {
    /// A registered model: `azureml:<name>:<version>` or `…@latest`.
    Reference(String),
    /// One written in the deployment.
    Inline(InlineModel),
}

/// A model written in a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InlineModel {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `custom_model` or `mlflow_model`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `tree:<id>` (a client uploads a local path and puts this in its place), `runs:/…` or `azureml://jobs/…`.
    pub path: String,
}

/// The scoring script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeConfiguration {
    /// The folder, uploaded: `tree:<id>`.
    pub code: String,
    /// The script inside it.
    pub scoring_script: String,
}

/// Limits of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestSettings {
    /// How long a request may take.
    pub request_timeout_ms: u64,
    /// Requests an instance works on at once.
    pub max_concurrent_requests_per_instance: u32,
    /// Of no effect, as in Azure ML.
    pub max_queue_wait_ms: u64,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            request_timeout_ms: 5_000,
            max_concurrent_requests_per_instance: 1,
            max_queue_wait_ms: 500,
        }
    }
}

/// A probe's patience, in seconds and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// Seconds before the first look.
    pub initial_delay: u32,
    /// Seconds between looks.
    pub period: u32,
    /// Seconds a look may take.
    pub timeout: u32,
    /// Good looks that make it good.
    pub success_threshold: u32,
    /// Bad looks that make it bad.
    pub failure_threshold: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            initial_delay: 10,
            period: 10,
            timeout: 2,
            success_threshold: 1,
            failure_threshold: 30,
        }
    }
}

impl Probe {
    /// How long in all until it is found bad.
    pub const fn patience_seconds(&self) -> u64 {
        self.initial_delay as u64 + self.period as u64 * self.failure_threshold as u64
    }
}

/// What a reference was found to mean when the deployment was accepted. A later version of the model changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The registered model, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
    /// `custom_model` or `mlflow_model`.
    #[serde(default)]
    pub model_type: String,
    /// The model's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_tree: Option<String>,
    /// The folder its files lie in below `AZUREML_MODEL_DIR`; empty for a single file.
    #[serde(default)]
    pub model_folder: String,
    /// The run or job that made the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The scoring code's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_tree: Option<String>,
    /// The environment's definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The environment's definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda_file: Option<String>,
    /// The environment's definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<String>,
}

/// A deployment as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The workspace's id.
    pub workspace_id: String,
    /// What it is to be.
    pub spec: DeploymentSpec,
    /// What its references mean.
    pub binding: Binding,
    /// Counts wishes that need new processes; what runs says which it serves.
    pub generation: i64,
    /// What became of it.
    pub state: DeploymentState,
    /// Why it failed, in one line.
    pub message: String,
    /// Python's traceback, when there is one.
    pub traceback: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it: a principal id.
    pub created_by: String,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// Counts changes; the ETag.
    pub revision: i64,
}

#[cfg(test)]
mod tests;
