//! Registering a version in the native dialect: from an upload, a run's artifacts or a job's output. Content is a tree and
//! never changes.

use lazuli_spec::models::{self as rules, ModelType, ModelVersion, Stage};
use lazuli_spec::references::Reference;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::trees::{Tree, TreeId};
use lazuli_spec::{Action, ErrorCode, names};
use lazuli_store::{Tx, model_versions, models, runs};

use super::{refused, tellings, whole_version};
use crate::deployments::sources::tree_of;
use crate::{Caller, Core, Error, Result};

/// A model version to be registered.
#[derive(Clone, Debug, Default)]
pub struct NewModel {
    /// The model's name; made when there is none of it.
    pub name: String,
    /// Its version; the next number when absent.
    pub version: Option<String>,
    /// Where the files are: a tree, `runs:/…`, `azureml://jobs/…`.
    pub path: String,
    /// What they are; found out when absent.
    pub model_type: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// MLflow's stage.
    pub stage: Option<String>,
    /// The job that made it, when the path does not say.
    pub job_name: Option<String>,
    /// Its tags.
    pub tags: Vec<KeyValue>,
    /// Free properties.
    pub properties: Vec<KeyValue>,
}

impl Core {
    /// Registers a version, and says whether it is new: the same content under the same version again is no error and
    /// changes nothing.
    pub async fn register_model(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewModel,
    ) -> Result<(ModelVersion, bool)> {
        rules::name(&new.name).map_err(|error| refused(error).in_field("name"))?;
        let chosen = new.version.as_deref().map(names::version).transpose();
        chosen.map_err(|error| Error::from(error).in_field("version"))?;
        let stage = new
            .stage
            .as_deref()
            .map(Stage::parse)
            .transpose()
            .map_err(|error| refused(error).in_field("stage"))?;
        let tags =
            rules::tags(new.tags.clone()).map_err(|error| refused(error).in_field("tags"))?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let reference = Reference::parse(&new.path)
            .map_err(|error| Error::invalid("path", error.to_string()))?;
        let (tree_id, tree) = tree_of(&access, &reference, "path").await?;
        let model_type = type_of(new.model_type.as_deref(), &tree)?;
        let (id, user) = (access.workspace_id().to_owned(), caller.name().to_owned());
        access
            .write(format!("models/{}", new.name), move |tx, change| {
                let now = change.now();
                let number = if let Some(model) = models::find(tx, &id, &new.name)? {
                    model.model_no
                } else {
                    tellings::registered(change, &new.name, &[], None, false);
                    models::insert(tx, &id, &new.name, None, false, now)?
                };
                models::touch(tx, number, now)?;
                if let Some(version) = &new.version
                    && model_versions::is_taken(tx, number, version)?
                {
                    change.nothing();
                    return Ok((
                        registered_already(tx, &id, &new.name, version, &tree_id)?,
                        false,
                    ));
                }
                let version = match &new.version {
                    Some(version) => version.clone(),
                    None => model_versions::next_number(tx, number)?.to_string(),
                };
                let origin = origin(tx, &id, &reference, new.job_name.as_deref(), &tree_id)?;
                let version = ModelVersion {
                    name: new.name,
                    version,
                    model_type,
                    source: new.path,
                    location: origin.location,
                    tree: Some(tree_id.to_string()),
                    run_id: origin.run_id,
                    run_link: None,
                    model_id: None,
                    job: origin.job,
                    description: new.description,
                    user_id: user,
                    stage: stage.unwrap_or_default(),
                    archived: false,
                    created_at: now,
                    updated_at: now,
                    tags,
                    properties: new.properties,
                    aliases: Vec::new(),
                };
                change.target(format!("models/{}:{}", version.name, version.version));
                tellings::version(change, &version, false);
                model_versions::insert(tx, &id, number, &version)?;
                Ok((version, true))
            })
            .await
    }
}

fn type_of(wanted: Option<&str>, tree: &Tree) -> Result<ModelType> {
    if tree.count() == 0 {
        return Err(Error::invalid("path", "there are no files at this path"));
    }
    let is_mlflow = tree.get("MLmodel").is_some();
    let Some(word) = wanted else {
        return Ok(if is_mlflow {
            ModelType::MlflowModel
        } else {
            ModelType::CustomModel
        });
    };
    let found = ModelType::parse(word).ok_or_else(|| {
        Error::invalid(
            "type",
            format!("`{word}` is no type of model; `custom_model` and `mlflow_model` are"),
        )
    })?;
    if found == ModelType::MlflowModel && !is_mlflow {
        return Err(Error::invalid(
            "path",
            "an mlflow_model has a file `MLmodel` at its top; this one has none",
        ));
    }
    Ok(found)
}

fn registered_already(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    version: &str,
    tree: &TreeId,
) -> Result<ModelVersion> {
    let row = model_versions::find(tx, workspace_id, name, version)?;
    match row {
        Some(row) if row.version.tree.as_deref() == Some(tree.as_str()) => {
            Ok(whole_version(tx, row)?)
        }
        Some(_) => {
            let message = format!(
                "the model `{name}:{version}` exists with other content, and content never changes"
            );
            Err(Error::new(ErrorCode::ImmutableContent, message)
                .hint("leave the version out to get the next number"))
        }
        None => Err(Error::conflict(format!(
            "the version `{version}` of `{name}` was deleted; its number is not given out again"
        ))),
    }
}

struct Origin {
    location: String,
    run_id: Option<String>,
    job: Option<String>,
}

/// Where an MLflow client finds the files, and who made them.
fn origin(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    reference: &Reference,
    job: Option<&str>,
    tree: &TreeId,
) -> Result<Origin> {
    let stored = format!("mlflow-artifacts:/trees/{tree}");
    let (maker, location) = match reference {
        Reference::Run { run, path } => (
            Some(run.as_str()),
            artifact_location(tx, workspace_id, run, path)?,
        ),
        Reference::JobOutput { job, output, path }
            if matches!(output.as_str(), "artifacts" | "default") =>
        {
            (
                Some(job.as_str()),
                artifact_location(tx, workspace_id, job, path)?,
            )
        }
        Reference::JobOutput { job, .. } => (Some(job.as_str()), None),
        _ => (job, None),
    };
    let Some(maker) = maker else {
        return Ok(Origin {
            location: stored,
            run_id: None,
            job: None,
        });
    };
    if runs::find(tx, workspace_id, maker, false)?.is_none() {
        return Err(Error::not_found("job", maker).in_field("job_name"));
    }
    let read_something = !lazuli_store::lineage::inputs(tx, workspace_id, maker)?.is_empty();
    let is_job = read_something || !matches!(reference, Reference::Run { .. });
    Ok(Origin {
        location: location.unwrap_or(stored),
        run_id: Some(maker.to_owned()),
        job: is_job.then(|| maker.to_owned()),
    })
}

fn artifact_location(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run: &str,
    path: &str,
) -> Result<Option<String>> {
    let info = runs::info(tx, workspace_id, run)?;
    Ok(info.map(|info| format!("{}/{path}", info.artifact_uri.trim_end_matches('/'))))
}
