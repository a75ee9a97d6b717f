//! The administration of an AI gateway: keys of model providers, sealed before they are stored; definitions of their models;
//! endpoints over those; and what uses them. Called by the MLflow dialect.
//!
//! Nothing here opens a secret or calls a provider. A job's token sees none of it.

pub mod bindings;
pub mod endpoints;
pub mod model_definitions;
pub mod secrets;
#[cfg(test)]
mod tests;

use lazuli_spec::gateway as rules;
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::{StoreError, Tx};

use crate::{Access, Caller, Core, Error, Result};

impl Core {
    /// Access to the gateway's administration, which no job has.
    async fn gateway(&self, caller: &Caller, workspace: &str, action: Action) -> Result<Access> {
        let access = self.access(caller, workspace, action).await?;
        match access.caller().job() {
            None => Ok(access),
            Some(job) => {
                let message = format!("the job `{}` may not use the gateway's settings", job.job);
                Err(Error::new(ErrorCode::PermissionDenied, message))
            }
        }
    }
}

/// Who is noted beside a change: whom the client names, or else the caller. The audit trail has the caller in any case.
fn noted(caller: &Caller, told: Option<String>) -> Result<String> {
    match told {
        Some(name) if !name.is_empty() => {
            rules::user(&name)?;
            Ok(name)
        }
        _ => Ok(caller.name().to_owned()),
    }
}

/// Changes of one workspace's settings that depend on counts wait for each other.
fn alone(tx: &mut Tx<'_>, workspace_id: &str) -> Result<()> {
    Ok(tx.serialize(&format!("gateway {workspace_id}"))?)
}

fn missing(kind: &str, keys: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("{kind} not found ({keys})"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, message.into())
}

fn full(what: &str, limit: i64) -> Error {
    invalid(format!(
        "a workspace has at most {limit} {what}: delete one first"
    ))
}

/// A unique violation as "is there already", with these words.
fn taken(error: StoreError, words: impl FnOnce() -> String) -> Error {
    if error.is_unique_violation() {
        Error::new(ErrorCode::AlreadyExists, words())
    } else {
        error.into()
    }
}
