//! What an AI gateway is administered by: sealed keys of model providers, definitions of their models, and endpoints that
//! spread calls over them. Names, limits and words are the ones that MLflow's clients know.
//!
//! Lists are given out whole, so a workspace has bounds on what it may hold.

pub mod endpoints;
pub mod model_definitions;
pub mod secrets;

use crate::clock::Timestamp;
use crate::invalid::Invalid;
use crate::limits;

/// Longest name of a secret, a model definition or an endpoint.
pub const NAME: usize = 255;
/// Longest name of a provider.
pub const PROVIDER: usize = 64;
/// Longest name of whoever made or changed something, as a client tells it.
pub const USER: usize = 255;

/// When something was made and last changed, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Who last changed it.
    pub updated_by: String,
}

impl Stamps {
    /// Those of something new.
    pub fn new(now: Timestamp, by: &str) -> Self {
        Self {
            created_at: now,
            updated_at: now,
            created_by: by.to_owned(),
            updated_by: by.to_owned(),
        }
    }

    /// It changed.
    pub fn touch(&mut self, now: Timestamp, by: &str) {
        self.updated_at = now;
        by.clone_into(&mut self.updated_by);
    }
}

/// The name of a secret or a model definition.
pub fn name(field: &str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::missing(field));
    }
    limits::length(field, NAME, text)
}

/// The name of a provider.
pub fn provider(text: &str) -> Result<(), Invalid> {
    limits::length("provider", PROVIDER, text)
}

/// Who a client says made or changed something.
pub fn user(text: &str) -> Result<(), Invalid> {
    limits::length("user", USER, text)
}
