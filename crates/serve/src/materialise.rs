//! A generation's files on disk: model, code and worker, in a folder that is complete or not there.

use std::path::{Path, PathBuf};

use lazuli_blob::Blobs;
use lazuli_spec::deployments::{Deployment, MLFLOW_MODEL};
use lazuli_spec::trees::TreeId;

use crate::pool::{LoadFailure, ModelKind, prepare_worker};

/// Where the parts of one generation lie.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// `AZUREML_MODEL_DIR`.
    pub(crate) model_dir: PathBuf,
    /// Where the model's own files begin.
    pub(crate) model_root: PathBuf,
    /// The code folder; the generation's own where there is no code.
    pub(crate) code: PathBuf,
    /// What a worker serves.
    pub(crate) kind: ModelKind,
    /// The worker's package.
    pub(crate) worker: PathBuf,
}

/// The folder of one generation.
pub(crate) fn folder(root: &Path, deployment: &Deployment) -> PathBuf {
    root.join(deployment.generation.to_string())
}

/// Brings the files of a generation to disk, unless they are there.
pub(crate) async fn files(
    blobs: &Blobs,
    root: &Path,
    deployment: &Deployment,
) -> Result<Files, LoadFailure> {
    let folder = folder(root, deployment);
    let complete = folder.join("complete");
    let files = places(&folder, deployment);
    if !complete.exists() {
        remove(&folder).map_err(|error| failed(&folder, &error))?;
        std::fs::create_dir_all(&files.model_dir).map_err(|error| failed(&folder, &error))?;
        std::fs::create_dir_all(&files.code).map_err(|error| failed(&folder, &error))?;
        checkout(
            blobs,
            deployment.binding.model_tree.as_deref(),
            &files.model_root,
        )
        .await?;
        checkout(blobs, deployment.binding.code_tree.as_deref(), &files.code).await?;
        std::fs::write(&complete, "").map_err(|error| failed(&complete, &error))?;
    }
    // written every time: a newer server brings a newer worker
    prepare_worker(&files.worker).map_err(|error| failed(&files.worker, &error))?;
    Ok(files)
}

/// Removes the folders of generations other than the present one.
pub(crate) fn remove_others(root: &Path, deployment: &Deployment) {
    let keep = folder(root, deployment);
    let Ok(entries) = std::fs::read_dir(root) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_generation = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.parse::<i64>().is_ok());
        if is_generation
            && path != keep
            && let Err(error) = remove(&path)
        {
            tracing::warn!(%error, path = %path.display(), "an old generation of a deployment could not be removed");
        }
    }
}

/// Removes a folder, which need not be there.
pub(crate) fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn places(folder: &Path, deployment: &Deployment) -> Files {
    let model_dir = folder.join("model");
    let model_root = if deployment.binding.model_folder.is_empty() {
        model_dir.clone()
    } else {
        model_dir.join(&deployment.binding.model_folder)
    };
    let code = folder.join("code");
    let kind = match &deployment.spec.code_configuration {
        Some(configuration) => ModelKind::Script(code.join(&configuration.scoring_script)),
        None => ModelKind::Mlflow(model_root.clone()),
    };
    Files {
        model_dir,
        model_root,
        code,
        kind,
        worker: folder.join("worker"),
    }
}

/// The definition of an MLflow model's own environment: its conda file, else its requirements.
pub(crate) fn own_environment(
    deployment: &Deployment,
    files: &Files,
) -> (Option<String>, Option<String>) {
    if deployment.binding.model_type != MLFLOW_MODEL {
        return (None, None);
    }
    let text = |name: &str| std::fs::read_to_string(files.model_root.join(name)).ok();
    match text("conda.yaml") {
        Some(conda) => (Some(conda), None),
        None => (None, text("requirements.txt")),
    }
}

async fn checkout(blobs: &Blobs, tree: Option<&str>, folder: &Path) -> Result<(), LoadFailure> {
    let Some(id) = tree else { return Ok(()) };
    let lost = |error: String| LoadFailure {
        message: format!("the files {id} cannot be brought to disk: {error}"),
        traceback: None,
    };
    let id = TreeId::parse(id).map_err(|error| lost(error.to_string()))?;
    let tree = blobs
        .get_tree(&id)
        .await
        .map_err(|error| lost(error.to_string()))?;
    blobs
        .checkout(&tree, folder)
        .await
        .map_err(|error| lost(error.to_string()))
}

fn failed(path: &Path, error: &std::io::Error) -> LoadFailure {
    LoadFailure {
        message: format!("{} cannot be prepared: {error}", path.display()),
        traceback: None,
    }
}
