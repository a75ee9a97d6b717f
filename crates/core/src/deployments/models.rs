//! Registered models and environments, as deployments use them.

use lazuli_spec::deployments::{Binding, MLFLOW_MODEL};
use lazuli_spec::references::{Reference, Version};
use lazuli_spec::trees::Tree;
use lazuli_spec::{Action, ErrorCode};

use super::sources::folder_of;
use crate::environments::find_environment;
use crate::models::Which;
use crate::{Access, Caller, Core, Error, Result};

const ENVIRONMENT: &str = "environment";

/// A registered model's version, pinned to its files.
pub(super) async fn bind(
    core: &Core,
    caller: &Caller,
    access: &Access,
    name: &str,
    version: &Version,
) -> Result<Binding> {
    let which = match version {
        Version::Exact(version) => Which::Version(version.clone()),
        Version::Label(label) => Which::Label(label.clone()),
    };
    let content = core
        .model_content(caller, access.workspace(), name, which)
        .await;
    let (found, id, tree) = content.map_err(|error| error.in_field("model"))?;
    if tree.count() == 0 {
        return Err(Error::invalid(
            "model",
            format!("the model `{name}:{}` has no files", found.version),
        ));
    }
    // what MLflow's clients register need not say its type; its files do
    let is_mlflow = tree.get("MLmodel").is_some();
    Ok(Binding {
        model_name: Some(found.name.clone()),
        model_version: Some(found.version.clone()),
        model_type: if is_mlflow {
            MLFLOW_MODEL.to_owned()
        } else {
            found.model_type.as_str().to_owned()
        },
        model_folder: folder(&found.source, &tree),
        model_tree: Some(id.to_string()),
        run_id: found.run_id.or(found.job),
        ..Binding::default()
    })
}

fn folder(source: &str, tree: &Tree) -> String {
    Reference::parse(source)
        .map(|reference| folder_of(&reference, tree))
        .unwrap_or_default()
}

/// A registered or curated environment's definition. A curated name goes to the resolver as it is.
pub(super) async fn environment(
    core: &Core,
    caller: &Caller,
    access: &Access,
    text: &str,
    binding: &mut Binding,
) -> Result<()> {
    let text = text.trim();
    let reference =
        Reference::parse(text).map_err(|error| Error::invalid(ENVIRONMENT, error.to_string()))?;
    let (name, version) = match &reference {
        Reference::Asset {
            name,
            version: Version::Exact(version),
        } => (name.as_str(), version.as_str()),
        Reference::Asset {
            name,
            version: Version::Label(label),
        } => (name.as_str(), label.as_str()),
        // a bare word is the newest of that name here, or a curated name
        Reference::Local(name) => (name.as_str(), "latest"),
        Reference::Registry { collection, .. } if collection == "environments" => {
            binding.image = Some(text.to_owned());
            return Ok(());
        }
        _ => {
            return Err(Error::invalid(
                ENVIRONMENT,
                format!("`{text}` does not name an environment"),
            ));
        }
    };
    let readable = core
        .access(caller, access.workspace(), Action::EnvironmentsRead)
        .await?;
    match find_environment(&readable, name, version).await {
        Ok((_, definition)) => {
            binding.image = definition.image;
            binding.conda_file = definition.conda_file;
            binding.requirements = definition.requirements;
            Ok(())
        }
        // whether there is a curated one of that name is the resolver's to say
        Err(error) if error.code == ErrorCode::NotFound && version == "latest" => {
            binding.image = Some(name.to_owned());
            Ok(())
        }
        Err(error) => Err(error.in_field(ENVIRONMENT)),
    }
}
