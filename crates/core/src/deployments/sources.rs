//! What a deployment's references mean: model files, code and environment are pinned when the deployment is accepted.

use lazuli_blob::BlobKey;
use lazuli_spec::deployments::{Binding, DeploymentSpec, InlineModel, MLFLOW_MODEL, ModelSource};
use lazuli_spec::jobs::JobEnvironment;
use lazuli_spec::references::Reference;
use lazuli_spec::trees::{Tree, TreeId};
use lazuli_store::runs;

use super::models;
use crate::{Access, Caller, Core, Error, Result, content};

const MODEL: &str = "model";
const MODEL_PATH: &str = "model.path";
const CODE: &str = "code_configuration.code";

/// Looks up everything that a deployment names. Nothing is written but trees of run artifacts, which are content.
pub(super) async fn bind(
    core: &Core,
    caller: &Caller,
    access: &Access,
    spec: &DeploymentSpec,
) -> Result<Binding> {
    let mut binding = match &spec.model {
        None => Binding::default(),
        Some(ModelSource::Reference(text)) => referenced(core, caller, access, text).await?,
        Some(ModelSource::Inline(model)) => inline(access, model).await?,
    };
    if spec.code_configuration.is_none() && binding.model_type != MLFLOW_MODEL {
        let message = format!(
            "the model is of type `{}` and has no scoring script",
            binding.model_type
        );
        return Err(Error::invalid("code_configuration", message).hint(
            "add code_configuration with a score.py, or register the model as an mlflow_model",
        ));
    }
    if let Some(code) = &spec.code_configuration {
        let (id, tree) = tree_of(access, &parsed(CODE, &code.code)?, CODE).await?;
        if tree.get(&code.scoring_script).is_none() {
            let message = format!("the code folder has no file `{}`", code.scoring_script);
            return Err(Error::invalid("code_configuration.scoring_script", message));
        }
        binding.code_tree = Some(id.to_string());
    }
    if let Some(environment) = &spec.environment {
        environment_of(core, caller, access, environment, &mut binding).await?;
    }
    Ok(binding)
}

async fn referenced(core: &Core, caller: &Caller, access: &Access, text: &str) -> Result<Binding> {
    match parsed(MODEL, text)? {
        Reference::Asset { name, version } => {
            models::bind(core, caller, access, &name, &version).await
        }
        other => {
            let path = InlineModel {
                name: None,
                version: None,
                kind: None,
                path: other.to_string(),
            };
            inline(access, &path)
                .await
                .map_err(|error| error.in_field(MODEL))
        }
    }
}

async fn inline(access: &Access, model: &InlineModel) -> Result<Binding> {
    let reference = parsed(MODEL_PATH, &model.path)?;
    let (id, tree) = tree_of(access, &reference, MODEL_PATH).await?;
    if tree.count() == 0 {
        return Err(Error::invalid(
            MODEL_PATH,
            format!("there are no files at `{}`", model.path),
        ));
    }
    let is_mlflow = tree.get("MLmodel").is_some();
    let found = if is_mlflow {
        MLFLOW_MODEL
    } else {
        "custom_model"
    };
    let model_type = model.kind.clone().unwrap_or_else(|| found.to_owned());
    if model_type == MLFLOW_MODEL && !is_mlflow {
        return Err(Error::invalid(
            MODEL_PATH,
            "an mlflow_model has a file `MLmodel` at its top; this one has none",
        ));
    }
    let run_id = match &reference {
        Reference::Run { run, .. } => Some(run.clone()),
        Reference::JobOutput { job, .. } => Some(job.clone()),
        _ => None,
    };
    Ok(Binding {
        model_name: model.name.clone(),
        model_version: model.version.clone(),
        model_type,
        model_folder: folder_of(&reference, &tree),
        model_tree: Some(id.to_string()),
        run_id,
        ..Binding::default()
    })
}

/// Azure's `AZUREML_MODEL_DIR` is the parent of the folder that was given: scripts join the folder's own name to it. A single
/// file lies directly in it.
pub(super) fn folder_of(reference: &Reference, tree: &Tree) -> String {
    let path = match reference {
        Reference::Run { path, .. }
        | Reference::JobOutput { path, .. }
        | Reference::Tree { path, .. } => path.as_str(),
        Reference::Url(url) => url.split_once("://").map_or("", |(_, path)| path),
        _ => "",
    };
    let name = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let is_file = tree.count() == 1 && tree.get(name).is_some();
    if is_file {
        String::new()
    } else {
        name.to_owned()
    }
}

/// The files that a reference names, as a stored tree.
pub(crate) async fn tree_of(
    access: &Access,
    reference: &Reference,
    field: &'static str,
) -> Result<(TreeId, Tree)> {
    match reference {
        Reference::Tree { id, path } => {
            let id = TreeId::parse(id).map_err(|error| Error::invalid(field, error.to_string()))?;
            let tree = content::tree_of(access, &id)
                .await
                .map_err(|error| error.in_field(field))?;
            if path.is_empty() {
                return Ok((id, tree));
            }
            let part = tree
                .subtree(path)
                .ok_or_else(|| Error::invalid(field, format!("the upload has no `{path}`")))?;
            Ok((content::adopt_tree(access, &part).await?, part))
        }
        Reference::Run { run, path } => artifacts(access, run, path, field).await,
        Reference::JobOutput { job, output, path }
            if matches!(output.as_str(), "artifacts" | "default") =>
        {
            artifacts(access, job, path, field).await
        }
        Reference::JobOutput { job, output, path } => {
            job_output(access, job, output, path, field).await
        }
        other => Err(Error::invalid(
            field,
            format!("files cannot be taken from `{other}`"),
        )),
    }
}

async fn artifacts(
    access: &Access,
    run: &str,
    path: &str,
    field: &'static str,
) -> Result<(TreeId, Tree)> {
    let (workspace_id, wanted) = (access.workspace_id().to_owned(), run.to_owned());
    let found = access
        .read(move |tx| Ok(runs::find(tx, &workspace_id, &wanted, false)?))
        .await?;
    let found = found.ok_or_else(|| Error::not_found("run", run).in_field(field))?;
    let root = BlobKey::artifact_root(
        access.workspace_id(),
        &found.experiment_id.0.to_string(),
        run,
    )?;
    let key = if path.is_empty() {
        root
    } else {
        root.join(path)?
    };
    let mut tree = access.blobs().snapshot_prefix(&key).await?;
    if tree.count() == 0 {
        let entry = access
            .blobs()
            .snapshot_object(&key, key.file_name())
            .await
            .map_err(|error| Error::from(error).in_field(field))?;
        tree = Tree::new(vec![entry]).map_err(|error| Error::invalid(field, error.to_string()))?;
    }
    Ok((content::adopt_tree(access, &tree).await?, tree))
}

async fn job_output(
    access: &Access,
    job: &str,
    output: &str,
    path: &str,
    field: &'static str,
) -> Result<(TreeId, Tree)> {
    let (workspace_id, wanted, name) = (
        access.workspace_id().to_owned(),
        job.to_owned(),
        output.to_owned(),
    );
    let found = access
        .read(move |tx| {
            Ok(lazuli_store::lineage::output_tree(
                tx,
                &workspace_id,
                &wanted,
                &name,
            )?)
        })
        .await?;
    let id = found.ok_or_else(|| {
        Error::invalid(
            field,
            format!("the job `{job}` has no output `{output}`, or has not written it yet"),
        )
    })?;
    let whole = Reference::Tree {
        id,
        path: path.to_owned(),
    };
    Box::pin(tree_of(access, &whole, field)).await
}

async fn environment_of(
    core: &Core,
    caller: &Caller,
    access: &Access,
    environment: &JobEnvironment,
    binding: &mut Binding,
) -> Result<()> {
    match environment {
        JobEnvironment::Inline(inline) => {
            binding.image.clone_from(&inline.image);
            binding.conda_file = inline.conda_text();
            binding.requirements = inline.requirements_text();
        }
        JobEnvironment::Reference(text) => {
            models::environment(core, caller, access, text, binding).await?;
        }
    }
    Ok(())
}

fn parsed(field: &str, text: &str) -> Result<Reference> {
    Reference::parse(text).map_err(|error| Error::invalid(field, error.to_string()))
}
