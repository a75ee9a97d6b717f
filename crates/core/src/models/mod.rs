//! Models: registered models, their versions and aliases. One noun for the native, Azure and MLflow dialects; messages are
//! the ones that MLflow's clients know.

mod aliases;
#[cfg(test)]
mod content_tests;
mod files;
mod native;
mod registered;
mod registration;
mod search;
mod sources;
mod tellings;
#[cfg(test)]
mod tests;
mod versions;

use lazuli_spec::ErrorCode;
use lazuli_spec::invalid::Invalid;
use lazuli_store::model_versions::{self, VersionRow};
use lazuli_store::models::{self, ModelRow};
use lazuli_store::{StoreError, Tx};

use crate::{Error, Result};

pub(crate) use files::TreePlace;
pub use native::{ModelChange, ModelSummary, Which};
pub use registration::NewModel;
pub use search::SearchRequest;
pub(crate) use search::{key_from_token, token_of};
pub(crate) use sources::proxied_path;
pub use versions::NewVersion;

/// A broken rule of the protocol, in its own words.
pub(crate) fn refused(error: Invalid) -> Error {
    Error::new(ErrorCode::InvalidArgument, error.0)
}

/// The registered model of that name.
pub(crate) fn find_model(tx: &mut Tx<'_>, workspace_id: &str, name: &str) -> Result<ModelRow> {
    models::find(tx, workspace_id, name)?.ok_or_else(|| {
        Error::new(
            ErrorCode::NotFound,
            format!("Registered Model with name={name} not found"),
        )
    })
}

/// The version of that name. A number may be written with zeros in front.
pub(crate) fn find_version(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    version: &str,
) -> Result<VersionRow> {
    if let Some(found) = model_versions::find(tx, workspace_id, name, version)? {
        return Ok(found);
    }
    let number = lazuli_spec::models::version_number(version).map_err(refused)?;
    model_versions::find(tx, workspace_id, name, &number.to_string())?
        .ok_or_else(|| no_version(name, version))
}

fn no_version(name: &str, version: &str) -> Error {
    Error::new(
        ErrorCode::NotFound,
        format!("Model Version (name={name}, version={version}) not found"),
    )
}

/// One row with what belongs to it.
fn whole_model(
    tx: &mut Tx<'_>,
    row: ModelRow,
) -> Result<lazuli_spec::models::RegisteredModel, StoreError> {
    let mut rows = [row];
    models::complete(tx, &mut rows)?;
    let [row] = rows;
    Ok(row.model)
}

/// One row with what belongs to it.
fn whole_version(
    tx: &mut Tx<'_>,
    row: VersionRow,
) -> Result<lazuli_spec::models::ModelVersion, StoreError> {
    let mut rows = [row];
    model_versions::complete(tx, &mut rows)?;
    let [row] = rows;
    Ok(row.version)
}
