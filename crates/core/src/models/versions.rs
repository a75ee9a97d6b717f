//! Versions of registered models, as MLflow's dialect makes and changes them.

use lazuli_spec::models::{self as rules, ModelType, ModelVersion, Stage, TAG_MODEL_VERSIONS};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::{Action, python_json};
use lazuli_store::model_versions::{self, VersionRow};
use lazuli_store::{Tx, logged_models, models};

use super::{find_model, find_version, refused, sources, tellings, whole_model, whole_version};
use crate::{Caller, Change, Core, Error, Result};

/// A version to be registered from where an MLflow client put its files.
#[derive(Clone, Debug, Default)]
pub struct NewVersion {
    /// The model's name; it must exist.
    pub name: String,
    /// The files' address: `runs:/…`, `models:/…`, `mlflow-artifacts:/…`, or elsewhere.
    pub source: String,
    /// The run that made them.
    pub run_id: Option<String>,
    /// A link to that run on another server.
    pub run_link: Option<String>,
    /// The logged model that is registered.
    pub model_id: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Vec<KeyValue>,
}

impl Core {
    /// Registers the next version of a model.
    pub async fn create_model_version(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewVersion,
    ) -> Result<ModelVersion> {
        rules::name(&new.name).map_err(refused)?;
        let is_prompt = rules::is_prompt(&new.tags);
        let tags = rules::tags(new.tags.clone()).map_err(refused)?;
        sources::check(&new.source, is_prompt)?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let (id, user) = (access.workspace_id().to_owned(), caller.name().to_owned());
        access
            .write(format!("models/{}", new.name), move |tx, change| {
                let model = find_model(tx, &id, &new.name)?;
                let from = sources::resolve(tx, &id, &new, is_prompt)?;
                models::touch(tx, model.model_no, change.now())?;
                let version = ModelVersion {
                    name: new.name,
                    version: model_versions::next_number(tx, model.model_no)?.to_string(),
                    model_type: ModelType::MlflowModel,
                    source: from.source,
                    location: from.location,
                    tree: from.tree,
                    job: from.job,
                    run_id: from.run_id,
                    run_link: new.run_link,
                    model_id: from.model_id,
                    description: new.description,
                    user_id: user,
                    stage: Stage::None,
                    archived: false,
                    created_at: change.now(),
                    updated_at: change.now(),
                    tags,
                    properties: Vec::new(),
                    aliases: Vec::new(),
                };
                change.target(format!("models/{}:{}", version.name, version.version));
                tellings::version(change, &version, is_prompt);
                model_versions::insert(tx, &id, model.model_no, &version)?;
                note_registration(tx, &id, &version)?;
                Ok(version)
            })
            .await
    }

    /// One version.
    pub async fn get_model_version(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
    ) -> Result<ModelVersion> {
        rules::name(name).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let (id, name, version) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            version.to_owned(),
        );
        access
            .read(move |tx| {
                let row = find_version(tx, &id, &name, &version)?;
                Ok(whole_version(tx, row)?)
            })
            .await
    }

    /// Describes a version anew.
    pub async fn describe_model_version(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
        description: Option<String>,
    ) -> Result<ModelVersion> {
        self.change_version(caller, workspace, name, version, move |_, row, _| {
            row.version.description = description;
            Ok(())
        })
        .await
    }

    /// Moves a version to a stage, and on request the others of that stage to `Archived`.
    pub async fn transition_model_version(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
        stage: &str,
        archive_others: bool,
    ) -> Result<ModelVersion> {
        let stage_wanted = Stage::parse(stage).map_err(refused)?;
        if archive_others && !stage_wanted.is_active() {
            let message = format!(
                "Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. Valid stages are ['Staging', 'Production']"
            );
            return Err(Error::new(lazuli_spec::ErrorCode::InvalidArgument, message));
        }
        self.change_version(caller, workspace, name, version, move |tx, row, change| {
            let now = change.now();
            row.version.stage = stage_wanted;
            if archive_others {
                model_versions::archive_others(tx, row, stage_wanted, now)?;
            }
            models::touch(tx, row.model_no, now)?;
            Ok(())
        })
        .await
    }

    /// Deletes a version; its number is not given out again.
    pub async fn delete_model_version(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
    ) -> Result<()> {
        rules::name(name).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsDelete).await?;
        let (id, name, version) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            version.to_owned(),
        );
        access
            .write(format!("models/{name}:{version}"), move |tx, change| {
                let row = find_version(tx, &id, &name, &version)?;
                models::touch(tx, row.model_no, change.now())?;
                Ok(model_versions::delete(tx, &row, change.now())?)
            })
            .await
    }

    /// Sets a tag of a version.
    pub async fn set_model_version_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
        tag: KeyValue,
    ) -> Result<()> {
        rules::tag(&tag).map_err(refused)?;
        self.change_version(caller, workspace, name, version, move |tx, row, change| {
            model_versions::set_tag(tx, row.version_no, &tag)?;
            tell_of_tag(tx, row, change, &tag.key, Some(&tag.value))
        })
        .await
        .map(drop)
    }

    /// Removes a tag of a version; that there was none is no error.
    pub async fn delete_model_version_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
        key: &str,
    ) -> Result<()> {
        lazuli_spec::limits::key("key", "key", key).map_err(refused)?;
        let key = key.to_owned();
        self.change_version(caller, workspace, name, version, move |tx, row, change| {
            model_versions::delete_tag(tx, row.version_no, &key)?;
            tell_of_tag(tx, row, change, &key, None)
        })
        .await
        .map(drop)
    }

    /// The newest version in each of the stages; in every stage when none is named.
    pub async fn latest_model_versions(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        stages: &[String],
    ) -> Result<Vec<ModelVersion>> {
        rules::name(name).map_err(refused)?;
        let wanted: Vec<Stage> = stages
            .iter()
            .map(|stage| Stage::parse(stage))
            .collect::<Result<_, _>>()
            .map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .read(move |tx| {
                let row = find_model(tx, &id, &name)?;
                let mut versions = whole_model(tx, row)?.latest_versions;
                versions.retain(|version| wanted.is_empty() || wanted.contains(&version.stage));
                Ok(versions)
            })
            .await
    }

    pub(super) async fn change_version(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
        edit: impl FnOnce(&mut Tx<'_>, &mut VersionRow, &mut Change) -> Result<()> + Send + 'static,
    ) -> Result<ModelVersion> {
        rules::name(name).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let (id, name, version) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            version.to_owned(),
        );
        access
            .write(format!("models/{name}:{version}"), move |tx, change| {
                let mut row = find_version(tx, &id, &name, &version)?;
                edit(tx, &mut row, change)?;
                row.version.updated_at = change.now();
                model_versions::update(tx, &row)?;
                Ok(whole_version(tx, row)?)
            })
            .await
    }
}

/// Webhooks are told of a version's tag that was set or removed.
fn tell_of_tag(
    tx: &mut Tx<'_>,
    row: &VersionRow,
    change: &mut Change,
    key: &str,
    value: Option<&str>,
) -> Result<()> {
    let ModelVersion { name, version, .. } = &row.version;
    let is_prompt = models::is_prompt(tx, row.model_no)?;
    tellings::version_tag(change, (name, version), key, value, is_prompt);
    Ok(())
}

/// A logged model carries a tag that lists the versions registered from it.
fn note_registration(tx: &mut Tx<'_>, workspace_id: &str, version: &ModelVersion) -> Result<()> {
    let Some(model_id) = &version.model_id else {
        return Ok(());
    };
    let Some(model) = logged_models::find(tx, workspace_id, model_id)? else {
        return Ok(());
    };
    let before = model.tags.iter().find(|tag| tag.key == TAG_MODEL_VERSIONS);
    let mut listed: Vec<serde_json::Value> = before
        .and_then(|tag| serde_json::from_str(&tag.value).ok())
        .unwrap_or_default();
    let number: serde_json::Value = version
        .version
        .parse::<i64>()
        .map_or_else(|_| version.version.as_str().into(), Into::into);
    listed.push(serde_json::json!({ "name": version.name, "version": number }));
    let tag = KeyValue::new(TAG_MODEL_VERSIONS, python_json::text(&listed.into()));
    Ok(logged_models::set_tag(tx, model_id, &tag)?)
}
