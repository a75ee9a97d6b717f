//! Models in the native dialect: found by version or label, listed, changed, archived and restored.

use lazuli_blob::BlobKey;
use lazuli_spec::lists::ListFilter;
use lazuli_spec::models::{self as rules, ModelVersion, RegisteredModel, Stage};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::trees::{Tree, TreeId};
use lazuli_spec::{Action, ErrorCode, Page, PageRequest, Timestamp};
use lazuli_store::{model_lists, model_versions};

use super::{find_model, find_version, refused, sources};
use crate::lists::Listing;
use crate::{Access, Caller, Core, Error, Result};

/// What of a version is to change. Absent fields stay.
#[derive(Clone, Debug, Default)]
pub struct ModelChange {
    /// What it is.
    pub description: Option<String>,
    /// MLflow's stage.
    pub stage: Option<String>,
    /// They replace the ones there are.
    pub tags: Option<Vec<KeyValue>>,
    /// They replace the ones there are.
    pub properties: Option<Vec<KeyValue>>,
}

/// A model in a list: the name and its newest version.
#[derive(Clone, Debug)]
pub struct ModelSummary {
    /// The model.
    pub model: RegisteredModel,
    /// Its newest version.
    pub latest: Option<ModelVersion>,
}

/// Which version of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// That one.
    Version(String),
    /// The one with this alias; `latest` is the newest that is not archived.
    Label(String),
}

impl From<RegisteredModel> for ModelSummary {
    fn from(model: RegisteredModel) -> Self {
        Self {
            latest: newest(&model),
            model,
        }
    }
}

impl Core {
    /// One version, by version or label.
    pub async fn find_model_version(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        which: Which,
    ) -> Result<ModelVersion> {
        match which {
            Which::Version(version) => {
                self.get_model_version(caller, workspace, name, &version)
                    .await
            }
            Which::Label(label) => {
                let found = self
                    .get_model_version_by_alias(caller, workspace, name, &label)
                    .await;
                let named = format!("{name}@{label}");
                found.map_err(|error| {
                    if error.message.contains("not found") {
                        Error::not_found("model", named)
                    } else {
                        error
                    }
                })
            }
        }
    }

    /// A version and its files. Those of a run's or logged model's artifacts become a tree when they are first asked for.
    pub async fn model_content(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        which: Which,
    ) -> Result<(ModelVersion, TreeId, Tree)> {
        let mut version = self
            .find_model_version(caller, workspace, name, which)
            .await?;
        if let Some(tree) = &version.tree {
            let id = TreeId::parse(tree).map_err(|error| {
                Error::internal("a model's tree has no valid id").caused_by(error)
            })?;
            let tree = self.blobs().get_tree(&id).await?;
            return Ok((version, id, tree));
        }
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let tree = artifacts_of(&access, &version).await?;
        let id = crate::content::adopt_tree(&access, &tree).await?;
        let (workspace_id, name, number, text) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            version.version.clone(),
            id.to_string(),
        );
        version.tree = Some(text.clone());
        access
            .log(move |tx| {
                let row = find_version(tx, &workspace_id, &name, &number)?;
                Ok(model_versions::set_tree(tx, row.version_no, &text)?)
            })
            .await?;
        Ok((version, id, tree))
    }

    /// A page of models, each with its newest version.
    pub async fn list_models(
        &self,
        caller: &Caller,
        workspace: &str,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<ModelSummary>> {
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let listing = Listing::read(&"models", filter, &page)?;
        let (search, id) = (listing.search.clone(), access.workspace_id().to_owned());
        let rows = access
            .read(move |tx| Ok(model_lists::models(tx, &id, &search)?))
            .await?;
        Ok(listing.page(rows).map(|row| row.model.into()))
    }

    /// A page of a model's versions.
    pub async fn list_model_versions(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<ModelVersion>> {
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let listing = Listing::read(&("versions", name), filter, &page)?;
        let (search, id) = (listing.search.clone(), access.workspace_id().to_owned());
        let wanted = name.to_owned();
        let rows = access
            .read(move |tx| {
                let model = find_model(tx, &id, &wanted)?;
                Ok(model_lists::versions(tx, model.model_no, &search)?)
            })
            .await?;
        Ok(listing.page(rows).map(|row| row.version))
    }

    /// Changes what may be changed of a version. `if_match` is the etag the caller read.
    pub async fn update_model(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
        change: ModelChange,
        if_match: Option<Timestamp>,
    ) -> Result<ModelVersion> {
        let stage = change
            .stage
            .as_deref()
            .map(Stage::parse)
            .transpose()
            .map_err(|error| refused(error).in_field("stage"))?;
        let tags = change
            .tags
            .map(rules::tags)
            .transpose()
            .map_err(|error| refused(error).in_field("tags"))?;
        self.change_version(caller, workspace, name, version, move |tx, row, _| {
            if if_match.is_some_and(|etag| etag != row.version.updated_at) {
                let message = "the model has changed since it was read; read it again";
                return Err(Error::new(ErrorCode::PreconditionFailed, message));
            }
            if let Some(tags) = tags {
                let mut before = [row.clone()];
                model_versions::complete(tx, &mut before)?;
                for old in before.iter().flat_map(|row| &row.version.tags) {
                    model_versions::delete_tag(tx, row.version_no, &old.key)?;
                }
                for tag in &tags {
                    model_versions::set_tag(tx, row.version_no, tag)?;
                }
            }
            row.version.stage = stage.unwrap_or(row.version.stage);
            row.version.description = change.description.or(row.version.description.take());
            row.version.properties = change
                .properties
                .unwrap_or(std::mem::take(&mut row.version.properties));
            Ok(())
        })
        .await
    }

    /// Hides a version from lists, or shows it again. It goes on working.
    pub async fn archive_model_version(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        version: &str,
        archived: bool,
    ) -> Result<ModelVersion> {
        self.change_version(caller, workspace, name, version, move |_, row, _| {
            row.version.archived = archived;
            Ok(())
        })
        .await
    }
}

/// The newest of the newest in each stage that is not archived.
fn newest(model: &RegisteredModel) -> Option<ModelVersion> {
    let rank = |version: &&ModelVersion| {
        (
            !version.archived,
            version.version.parse::<i64>().unwrap_or(-1),
            version.created_at,
        )
    };
    model.latest_versions.iter().max_by_key(rank).cloned()
}

/// The files behind a version that an MLflow client registered.
async fn artifacts_of(access: &Access, version: &ModelVersion) -> Result<Tree> {
    let elsewhere = || {
        let message = format!(
            "the files of `{}:{}` are not on this server but at `{}`",
            version.name, version.version, version.location
        );
        Error::new(ErrorCode::Unsupported, message)
            .hint("download them and register them from a local path")
    };
    let path = sources::proxied_path(&version.location).ok_or_else(elsewhere)?;
    let tree = access
        .blobs()
        .snapshot_prefix(&BlobKey::proxied(access.workspace_id(), &path)?)
        .await?;
    if tree.count() == 0 {
        return Err(Error::not_found(
            "files of the model",
            format!("{}:{}", version.name, version.version),
        ));
    }
    Ok(tree)
}
