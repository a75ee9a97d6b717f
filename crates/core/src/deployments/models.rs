//! Registered models and environments, as deployments use them.

use lazuli_blob::BlobKey;
use lazuli_spec::deployments::{Binding, MLFLOW_MODEL};
use lazuli_spec::models::ModelVersion;
use lazuli_spec::references::Version;
use lazuli_spec::trees::{Tree, TreeId};

use crate::{Access, Caller, Core, Error, Result};

const ARTIFACTS: &str = "mlflow-artifacts:";

/// A registered model's version, pinned to its files.
pub(super) async fn bind(
    core: &Core,
    caller: &Caller,
    access: &Access,
    name: &str,
    version: &Version,
) -> Result<Binding> {
    let found = match version {
        Version::Exact(version) => {
            core.get_model_version(caller, access.workspace(), name, version)
                .await
        }
        Version::Label(label) => {
            core.get_model_version_by_alias(caller, access.workspace(), name, label)
                .await
        }
    };
    let found = found.map_err(|error| error.in_field("model"))?;
    let (id, tree) = files(access, &found)
        .await
        .map_err(|error| error.in_field("model"))?;
    if tree.count() == 0 {
        return Err(Error::invalid(
            "model",
            format!("the model `{name}:{}` has no files", found.version),
        ));
    }
    let is_mlflow = tree.get("MLmodel").is_some();
    Ok(Binding {
        model_name: Some(found.name.clone()),
        model_version: Some(found.version.clone()),
        // what MLflow's clients register need not say its type; its files do
        model_type: if is_mlflow {
            MLFLOW_MODEL.to_owned()
        } else {
            found.model_type.as_str().to_owned()
        },
        model_folder: folder(&found, &tree),
        model_tree: Some(id.to_string()),
        run_id: found.run_id.clone().or_else(|| found.job.clone()),
        ..Binding::default()
    })
}

async fn files(access: &Access, version: &ModelVersion) -> Result<(TreeId, Tree)> {
    if let Some(id) = &version.tree {
        let id = TreeId::parse(id).map_err(|error| {
            Error::internal("a model's files have no valid id").caused_by(error)
        })?;
        let tree = access.blobs().get_tree(&id).await?;
        return Ok((id, tree));
    }
    let key = place(access, version).await?;
    let mut tree = access.blobs().snapshot_prefix(&key).await?;
    if tree.count() == 0 && access.blobs().exists(&key).await? {
        let entry = access
            .blobs()
            .snapshot_object(&key, key.file_name())
            .await?;
        tree =
            Tree::new(vec![entry]).map_err(|error| Error::invalid("model", error.to_string()))?;
    }
    Ok((access.blobs().put_tree(&tree).await?, tree))
}

async fn place(access: &Access, version: &ModelVersion) -> Result<BlobKey> {
    match version.location.strip_prefix(ARTIFACTS) {
        Some(path) => crate::artifacts::locate(access, path.trim_matches('/'), None).await,
        None => Err(Error::invalid(
            "model",
            format!(
                "the files of the model lie at `{}`, which this server does not keep",
                version.location
            ),
        )
        .hint("register the model from a run of this server or from local files")),
    }
}

/// Azure's `AZUREML_MODEL_DIR` is the parent of the folder that was registered: scripts join the folder's own name to it.
/// A single file lies directly in it.
fn folder(version: &ModelVersion, tree: &Tree) -> String {
    let name = version
        .source
        .trim_end_matches('/')
        .rsplit(['/', ':'])
        .next()
        .unwrap_or_default();
    let is_file = tree.count() == 1 && tree.get(name).is_some();
    let is_content = version.source.starts_with("tree:") || matches!(name, "" | "." | "..");
    if is_file || is_content {
        String::new()
    } else {
        name.to_owned()
    }
}

/// A registered or curated environment's definition.
pub(super) async fn environment(
    _core: &Core,
    _caller: &Caller,
    _access: &Access,
    text: &str,
    binding: &mut Binding,
) -> Result<()> {
    binding.image = Some(text.to_owned());
    Ok(())
}
