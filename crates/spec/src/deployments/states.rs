//! What becomes of a deployment.

use serde::{Deserialize, Serialize};

/// Azure ML's provisioning states, as far as they occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentState {
    /// Its first processes are being started.
    Creating,
    /// New processes are being started; the old ones still answer.
    Updating,
    /// It answers.
    Succeeded,
    /// Its newest wish could not be fulfilled.
    Failed,
}

impl DeploymentState {
    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Updating => "Updating",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Creating,
            Self::Updating,
            Self::Succeeded,
            Self::Failed,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// The end of one attempt to fulfil a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// `Succeeded` or `Failed`.
    pub state: DeploymentState,
    /// Why it failed.
    pub message: String,
    /// Python's traceback, when there is one.
    pub traceback: String,
}

impl Outcome {
    /// It answers.
    pub const fn succeeded() -> Self {
        Self {
            state: DeploymentState::Succeeded,
            message: String::new(),
            traceback: String::new(),
        }
    }

    /// It cannot be.
    pub fn failed(message: impl Into<String>, traceback: Option<String>) -> Self {
        Self {
            state: DeploymentState::Failed,
            message: message.into(),
            traceback: traceback.unwrap_or_default(),
        }
    }
}
