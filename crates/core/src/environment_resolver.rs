//! The port through which jobs and deployments get a Python environment; `exec` implements it with uv.
//!
//! Callers: the runner (a job's environment), `serve` (a deployment's), and the service that prebuilds environments when they are
//! registered. A resolver may be asked for the same definition by many processes at once; one of them builds, the others wait.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// What an environment is made of. At least one part is given; an empty request is a plain Python.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentRequest {
    /// An image name, or the name of a curated environment in any of its spellings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The text of a conda file, YAML or JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda_file: Option<String>,
    /// The text of a pip requirements file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<String>,
}

/// An environment that is ready to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedEnvironment {
    /// Its content key: equal definitions on equal interpreters have equal keys.
    pub key: String,
    /// Its directory. Shared and not to be written to.
    pub path: PathBuf,
    /// Its interpreter, `<path>/bin/python`.
    pub python: PathBuf,
    /// The interpreter's version, `3.11.7`.
    pub python_version: String,
    /// What differs from the definition, in words: another interpreter, pins that gave way, parts left out.
    pub relaxations: Vec<String>,
    /// Variables that the definition sets.
    pub variables: BTreeMap<String, String>,
    /// Whether it was already there.
    pub cached: bool,
    /// How long the call took.
    pub took: Duration,
}

/// Why there is no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentErrorKind {
    /// The definition cannot be read or asks for what cannot be had here.
    Invalid,
    /// A package is missing or packages contradict one another.
    Unresolvable,
    /// A package was found and could not be installed.
    Install,
    /// uv or Python is missing or broken on this machine, or the disk is.
    Tool,
}

/// Why there is no environment, with the last words of the tool that said so.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct EnvironmentError {
    /// The kind of failure.
    pub kind: EnvironmentErrorKind,
    /// What went wrong, for the user.
    pub message: String,
    /// The last lines of the resolver's output.
    pub log: Vec<String>,
}

impl EnvironmentError {
    /// The definition is at fault.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            kind: EnvironmentErrorKind::Invalid,
            message: message.into(),
            log: Vec::new(),
        }
    }

    /// The machine is at fault.
    pub fn tool(message: impl Into<String>) -> Self {
        Self {
            kind: EnvironmentErrorKind::Tool,
            message: message.into(),
            log: Vec::new(),
        }
    }
}

/// Hears, line by line, what is being done. Called from the task that resolves; must not block.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Turns definitions into ready environments.
#[async_trait]
pub trait EnvironmentResolver: Send + Sync {
    /// The environment for a definition: found in a few hundred microseconds, or built.
    ///
    /// Dropping the future abandons a build and leaves nothing behind that a later call would take for an environment.
    async fn resolve(
        &self,
        request: &EnvironmentRequest,
        progress: Progress<'_>,
    ) -> Result<ResolvedEnvironment, EnvironmentError>;

    /// The request that a curated environment's name stands for, in any of its spellings; `None` if the name is not one.
    fn curated(&self, name: &str) -> Option<EnvironmentRequest>;

    /// The short names of all curated environments.
    fn curated_names(&self) -> Vec<String>;
}
