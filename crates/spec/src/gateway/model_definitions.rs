//! Models of providers with the secret that opens them, named once and used by several endpoints.

use super::Stamps;
use crate::invalid::Invalid;
use crate::limits;

/// Most model definitions of one workspace.
pub const PER_WORKSPACE: i64 = 500;
/// Longest name of a provider's model.
pub const MODEL_NAME: usize = 256;

/// A model of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelDefinition {
    /// Its id.
    pub id: String,
    /// Its name, unique in the workspace.
    pub name: String,
    /// The secret that opens it; none when that was deleted.
    pub secret_id: Option<String>,
    /// The secret's name.
    pub secret_name: Option<String>,
    /// Whose model it is.
    pub provider: String,
    /// What the provider calls it.
    pub model_name: String,
    /// When and by whom.
    pub stamps: Stamps,
}

/// What a provider calls a model.
pub fn model_name(text: &str) -> Result<(), Invalid> {
    limits::length("model_name", MODEL_NAME, text)
}
