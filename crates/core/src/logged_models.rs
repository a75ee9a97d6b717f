//! Logged models: what `log_model` makes in a run, searched and finished like runs. Part of the MLflow dialect.

mod search;

use lazuli_blob::BlobKey;
use lazuli_spec::experiments::{ExperimentId, Lifecycle};
use lazuli_spec::logged_models::{self as rules, LoggedModel, LoggedModelStatus};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::{Action, ErrorCode, limits, run_names};
use lazuli_store::{Tx, experiments, logged_models};

use crate::models::{proxied_path, refused};
use crate::runs::Writer;
use crate::{Caller, Core, Error, Result};

pub use lazuli_store::logged_model_search::Dataset;
pub use search::{LoggedModelSearch, OrderField};

/// A logged model to be made.
#[derive(Clone, Debug)]
pub struct NewLoggedModel {
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Its name; made up when absent.
    pub name: Option<String>,
    /// The kind of model.
    pub model_type: Option<String>,
    /// The run that makes it.
    pub source_run_id: Option<String>,
    /// Its parameters.
    pub params: Vec<KeyValue>,
    /// Its tags.
    pub tags: Vec<KeyValue>,
}

/// A file, or a folder, of a logged model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Relative to the model's files.
    pub path: String,
    /// A file's size; none for a folder.
    pub size: Option<u64>,
}

impl Core {
    /// Makes a logged model; its files follow.
    pub async fn create_logged_model(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewLoggedModel,
    ) -> Result<LoggedModel> {
        if let Some(name) = &new.name {
            rules::name(name).map_err(refused)?;
        }
        for param in &new.params {
            check_param(param)?;
        }
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let model_id = format!("m-{}", self.ids().uuid_hex());
        let name = new
            .name
            .unwrap_or_else(|| run_names::random_run_name(self.ids()));
        let (id, now) = (access.workspace_id().to_owned(), self.now());
        let writer = Writer::of(&access);
        // what a job makes is its own run's, unless it names one of the runs below it
        let source_run_id = new.source_run_id.filter(|text| !text.is_empty());
        let source_run_id = source_run_id.or_else(|| writer.job().map(str::to_owned));
        access
            .log(move |tx| {
                if let (Some(_), Some(run_id)) = (writer.job(), &source_run_id) {
                    writer.any(tx, run_id)?;
                }
                let experiment = experiments::find(tx, &id, new.experiment_id)?;
                let experiment = experiment.ok_or_else(|| {
                    Error::new(ErrorCode::NotFound, format!("No Experiment with id={} exists", new.experiment_id))
                })?;
                if experiment.experiment.lifecycle_stage != Lifecycle::Active {
                    let message = format!("The experiment {} must be in the 'active' state. Current state is deleted.", new.experiment_id);
                    return Err(Error::new(ErrorCode::InvalidArgument, message));
                }
                let root = experiment.experiment.artifact_location;
                let model = LoggedModel {
                    artifact_location: format!("{}/models/{model_id}/artifacts", root.trim_end_matches('/')),
                    model_id,
                    experiment_id: new.experiment_id,
                    name,
                    status: LoggedModelStatus::Pending,
                    model_type: new.model_type.filter(|text| !text.is_empty()),
                    source_run_id,
                    lifecycle_stage: Lifecycle::Active,
                    created_at: now,
                    updated_at: now,
                    tags: last_of_each(new.tags),
                    params: last_of_each(new.params),
                    metrics: Vec::new(),
                };
                logged_models::insert(tx, &id, &model)?;
                Ok(model)
            })
            .await
    }

    /// One logged model.
    pub async fn get_logged_model(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
        deleted_too: bool,
    ) -> Result<LoggedModel> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let (id, model_id) = (access.workspace_id().to_owned(), model_id.to_owned());
        access
            .read(move |tx| {
                let model = find(tx, &id, &model_id)?;
                if model.lifecycle_stage == Lifecycle::Deleted && !deleted_too {
                    return Err(missing(&model_id));
                }
                Ok(model)
            })
            .await
    }

    /// Says that the upload ended, well or not.
    pub async fn finalize_logged_model(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
        status: LoggedModelStatus,
    ) -> Result<LoggedModel> {
        self.change_logged_model(
            caller,
            workspace,
            model_id,
            Action::RunsWrite,
            move |_, model| {
                model.status = status;
                Ok(())
            },
        )
        .await
    }

    /// Deletes a logged model; its files stay until they are collected.
    pub async fn delete_logged_model(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
    ) -> Result<()> {
        self.change_logged_model(
            caller,
            workspace,
            model_id,
            Action::RunsDelete,
            |_, model| {
                model.lifecycle_stage = Lifecycle::Deleted;
                Ok(())
            },
        )
        .await
        .map(drop)
    }

    /// Sets tags.
    pub async fn set_logged_model_tags(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
        tags: Vec<KeyValue>,
    ) -> Result<LoggedModel> {
        let tags = last_of_each(tags);
        self.change_logged_model(
            caller,
            workspace,
            model_id,
            Action::RunsWrite,
            move |tx, model| {
                for tag in &tags {
                    logged_models::set_tag(tx, &model.model_id, tag)?;
                }
                Ok(())
            },
        )
        .await
    }

    /// Removes a tag.
    pub async fn delete_logged_model_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
        key: &str,
    ) -> Result<()> {
        let key = key.to_owned();
        self.change_logged_model(
            caller,
            workspace,
            model_id,
            Action::RunsWrite,
            move |tx, model| {
                if logged_models::delete_tag(tx, &model.model_id, &key)? {
                    return Ok(());
                }
                let message = format!(
                    "No tag with key '{key}' found for model with ID '{}'.",
                    model.model_id
                );
                Err(Error::new(ErrorCode::NotFound, message))
            },
        )
        .await
        .map(drop)
    }

    /// Adds parameters. The same value again is no error, another is.
    pub async fn log_logged_model_params(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
        params: Vec<KeyValue>,
    ) -> Result<()> {
        for param in &params {
            check_param(param)?;
        }
        self.change_logged_model(caller, workspace, model_id, Action::RunsWrite, move |tx, model| {
            for param in last_of_each(params) {
                match model.params.iter().find(|known| known.key == param.key) {
                    Some(known) if known.value == param.value => {}
                    Some(known) => {
                        let message = format!(
                            "Changing param values is not allowed. Param with key='{}' was already logged with value='{}' for model ID='{}'. Attempted logging new value '{}'.",
                            param.key, known.value, model.model_id, param.value
                        );
                        return Err(Error::new(ErrorCode::InvalidArgument, message));
                    }
                    None => logged_models::insert_param(tx, &model.model_id, &param)?,
                }
            }
            Ok(())
        })
        .await
        .map(drop)
    }

    /// What lies in a folder of a logged model's files, and where those files are.
    pub async fn list_logged_model_artifacts(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
        folder: Option<&str>,
    ) -> Result<(String, Vec<ModelFile>)> {
        let model = self
            .get_logged_model(caller, workspace, model_id, false)
            .await?;
        let root = proxied_path(&model.artifact_location).ok_or_else(|| {
            Error::new(
                ErrorCode::Unsupported,
                format!(
                    "the files at `{}` are not on this server",
                    model.artifact_location
                ),
            )
        })?;
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let root = BlobKey::proxied(access.workspace_id(), &root)?;
        let key = match folder
            .map(|folder| folder.trim_matches('/'))
            .filter(|folder| !folder.is_empty())
        {
            Some(folder) => root.join(folder)?,
            None => root.clone(),
        };
        let listing = self.blobs().list_folder(Some(&key)).await?;
        let path = |key: &BlobKey| key.relative_to(&root).unwrap_or(key.file_name()).to_owned();
        let folders = listing.folders.iter().map(|key| ModelFile {
            path: path(key),
            size: None,
        });
        let files = listing.files.iter().map(|file| ModelFile {
            path: path(&file.key),
            size: Some(file.size),
        });
        let mut found: Vec<ModelFile> = folders.chain(files).collect();
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok((model.artifact_location, found))
    }

    async fn change_logged_model(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
        action: Action,
        edit: impl FnOnce(&mut Tx<'_>, &mut LoggedModel) -> Result<()> + Send + 'static,
    ) -> Result<LoggedModel> {
        let access = self.access(caller, workspace, action).await?;
        let writer = Writer::of(&access);
        let (id, model_id, now) = (
            access.workspace_id().to_owned(),
            model_id.to_owned(),
            self.now(),
        );
        access
            .log(move |tx| {
                let mut model = find(tx, &id, &model_id)?;
                writer.logged_model(tx, &model)?;
                edit(tx, &mut model)?;
                model.updated_at = now;
                logged_models::update(tx, &model)?;
                find(tx, &id, &model_id)
            })
            .await
    }
}

fn find(tx: &mut Tx<'_>, workspace_id: &str, model_id: &str) -> Result<LoggedModel> {
    logged_models::find(tx, workspace_id, model_id)?.ok_or_else(|| missing(model_id))
}

fn missing(model_id: &str) -> Error {
    Error::new(
        ErrorCode::NotFound,
        format!("Logged model with ID '{model_id}' not found."),
    )
}

fn check_param(param: &KeyValue) -> Result<()> {
    limits::key("key", "key", &param.key).map_err(refused)?;
    limits::length("value", limits::PARAM_VALUE, &param.value).map_err(refused)
}

/// By key; of two with the same key the last one counts.
fn last_of_each(pairs: Vec<KeyValue>) -> Vec<KeyValue> {
    let by_key: std::collections::BTreeMap<_, _> = pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect();
    by_key
        .into_iter()
        .map(|(key, value)| KeyValue { key, value })
        .collect()
}
