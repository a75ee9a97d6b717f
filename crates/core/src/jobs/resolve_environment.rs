//! What a job's environment means: an inline definition, a registered one, or a curated name for the resolver.

use lazuli_spec::assets::{Asset, AssetContent, AssetKind};
use lazuli_spec::environments::EnvironmentDefinition;
use lazuli_spec::jobs::{CommandJob, JobEnvironment};
use lazuli_spec::references::{Reference, Version};
use lazuli_spec::runner::PlanEnvironment;
use lazuli_store::Tx;
use lazuli_store::jobs::InputRow;

use super::resolve::asset;
use crate::{Error, Result};

/// The environment for the runner, and what lineage says of it.
pub(super) fn environment(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &CommandJob,
) -> Result<(PlanEnvironment, InputRow)> {
    let row = |reference: &str, asset: Option<&Asset>, tree: Option<String>| InputRow {
        name: ".environment".to_owned(),
        kind: "environment".to_owned(),
        reference: reference.to_owned(),
        asset: asset.map(|asset| asset.name.clone()),
        version: asset.map(|asset| asset.version.clone()),
        tree,
    };
    let text = match &job.environment {
        None => return Err(Error::invalid("environment", "this field is required")),
        Some(JobEnvironment::Inline(inline)) => {
            let definition = EnvironmentDefinition {
                image: inline.image.clone(),
                conda_file: inline.conda_text(),
                requirements: inline.requirements_text(),
            };
            let definition = definition.checked().map_err(|error| {
                Error::invalid(&format!("environment.{}", error.field), error.message)
            })?;
            let label = inline.name.clone().unwrap_or_else(|| "inline".to_owned());
            let hash = definition.hash().as_str().to_owned();
            return Ok((plan(label, definition), row("inline", None, Some(hash))));
        }
        Some(JobEnvironment::Reference(text)) => text.trim(),
    };
    let reference =
        Reference::parse(text).map_err(|error| Error::invalid("environment", error.to_string()))?;
    let (name, version) = match &reference {
        Reference::Asset { name, version } => (name.as_str(), version.clone()),
        // a bare word is the newest of that name here, or a curated name
        Reference::Local(name) => (name.as_str(), Version::Label("latest".to_owned())),
        Reference::Registry { collection, .. } if collection == "environments" => {
            return Ok((named(text, text), row(text, None, None)));
        }
        _ => {
            return Err(Error::invalid(
                "environment",
                format!("`{text}` does not name an environment"),
            ));
        }
    };
    match asset(
        tx,
        workspace_id,
        AssetKind::Environment,
        name,
        &version,
        "environment",
    ) {
        Ok(found) => {
            let AssetContent::Environment(definition) = found.content.clone() else {
                return Err(Error::internal(format!(
                    "the environment `{name}` holds something else"
                )));
            };
            let hash = Some(found.content_hash.as_str().to_owned());
            let known = row(text, Some(&found), hash);
            Ok((
                plan(format!("{}:{}", found.name, found.version), definition),
                known,
            ))
        }
        Err(error) if error.code == lazuli_spec::ErrorCode::NotFound => {
            let curated = matches!(reference, Reference::Local(_))
                || name.to_ascii_lowercase().starts_with("azureml-");
            if curated {
                Ok((named(name, name), row(text, None, None)))
            } else {
                Err(error)
            }
        }
        Err(error) => Err(error),
    }
}

/// A curated environment: its name goes to the resolver as it is.
fn named(label: &str, image: &str) -> PlanEnvironment {
    PlanEnvironment {
        label: label.to_owned(),
        image: Some(image.to_owned()),
        conda_file: None,
        requirements: None,
    }
}

fn plan(label: String, definition: EnvironmentDefinition) -> PlanEnvironment {
    PlanEnvironment {
        label,
        image: definition.image,
        conda_file: definition.conda_file,
        requirements: definition.requirements,
    }
}
