//! What the native interface shows of models, and what it takes.

use std::collections::BTreeMap;

use lazuli_core::Error;
use lazuli_core::models::{ModelChange, ModelSummary, NewModel};
use lazuli_spec::Page;
use lazuli_spec::models::ModelVersion;
use lazuli_spec::runs::KeyValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::assets::agreed;

/// A version of a model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelView {
    #[schema(example = "tumours")]
    name: String,
    #[schema(example = "1")]
    version: String,
    /// `custom_model` or `mlflow_model`.
    #[serde(rename = "type")]
    #[schema(example = "mlflow_model")]
    model_type: &'static str,
    /// Where it came from, as its maker said.
    path: String,
    /// The tree with its files; absent until someone asks for the files of what an MLflow client registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<String>,
    /// The run that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    /// The job that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// `None`, `Staging`, `Production` or `Archived`.
    stage: &'static str,
    aliases: Vec<String>,
    tags: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    /// Whether it is hidden from lists.
    archived: bool,
    /// RFC 3339.
    #[schema(example = "2026-01-31T12:00:00Z")]
    created_at: String,
    created_by: String,
    /// RFC 3339.
    updated_at: String,
}

impl From<ModelVersion> for ModelView {
    fn from(model: ModelVersion) -> Self {
        Self {
            name: model.name,
            version: model.version,
            model_type: model.model_type.as_str(),
            path: model.source,
            tree: model.tree,
            run_id: model.run_id,
            job_name: model.job,
            description: model.description,
            stage: model.stage.as_str(),
            aliases: model.aliases,
            tags: map(model.tags),
            properties: map(model.properties),
            archived: model.archived,
            created_at: model.created_at.to_string(),
            created_by: model.user_id,
            updated_at: model.updated_at.to_string(),
        }
    }
}

/// A registered model in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelNameView {
    #[schema(example = "tumours")]
    name: String,
    /// Its newest version, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_version: Option<String>,
    /// That version's type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    model_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Each alias and the version it points to.
    aliases: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    archived: bool,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    updated_at: String,
}

impl From<ModelSummary> for ModelNameView {
    fn from(ModelSummary { model, latest }: ModelSummary) -> Self {
        Self {
            name: model.name,
            model_type: latest.as_ref().map(|version| version.model_type.as_str()),
            latest_version: latest.map(|version| version.version),
            description: model.description,
            aliases: model
                .aliases
                .into_iter()
                .map(|alias| (alias.alias, alias.version))
                .collect(),
            tags: map(model.tags),
            archived: model.archived,
            created_at: model.created_at.to_string(),
            updated_at: model.updated_at.to_string(),
        }
    }
}

/// A page of models.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelNameList {
    items: Vec<ModelNameView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl From<Page<ModelSummary>> for ModelNameList {
    fn from(page: Page<ModelSummary>) -> Self {
        let page = page.map(ModelNameView::from);
        Self {
            items: page.items,
            next_page_token: page.next_page_token,
        }
    }
}

/// A page of versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    items: Vec<ModelView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl From<Page<ModelVersion>> for ModelList {
    fn from(page: Page<ModelVersion>) -> Self {
        let page = page.map(ModelView::from);
        Self {
            items: page.items,
            next_page_token: page.next_page_token,
        }
    }
}

/// A model version to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateModel {
    #[schema(example = "tumours")]
    name: Option<String>,
    /// The next number when absent.
    version: Option<String>,
    /// `custom_model` or `mlflow_model`; what the files are when absent.
    #[serde(rename = "type")]
    model_type: Option<String>,
    /// `tree:<id>[/<path>]` of an upload, `runs:/<run>/<path>`, or `azureml://jobs/<job>/outputs/<output>[/paths/<path>]`.
    #[schema(example = "runs:/0a1b2c/model")]
    path: String,
    description: Option<String>,
    stage: Option<String>,
    /// The job that made it, when the path does not say.
    job_name: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<BTreeMap<String, String>>,
    /// Which libraries read the model; kept as a property.
    #[schema(value_type = Option<Object>)]
    flavors: Option<serde_json::Value>,
}

impl CreateModel {
    /// The name and version of the path; those of the body, if any, must be the same.
    pub(crate) fn named(mut self, name: String, version: String) -> Result<Self, Error> {
        self.name = Some(agreed("name", self.name, name)?);
        self.version = Some(agreed("version", self.version, version)?);
        Ok(self)
    }

    pub(crate) fn read(self) -> Result<NewModel, Error> {
        let mut properties = pairs(self.properties.unwrap_or_default());
        if let Some(flavors) = self.flavors {
            properties.push(KeyValue::new("flavors", flavors.to_string()));
        }
        Ok(NewModel {
            name: self
                .name
                .ok_or_else(|| Error::invalid("name", "a model has a name"))?,
            version: self.version,
            path: self.path,
            model_type: self.model_type,
            description: self.description,
            stage: self.stage,
            job_name: self.job_name,
            tags: pairs(self.tags.unwrap_or_default()),
            properties,
        })
    }
}

/// What of a version is to change. Absent fields stay; a map replaces the one there is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateModel {
    description: Option<String>,
    stage: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<BTreeMap<String, String>>,
}

impl From<UpdateModel> for ModelChange {
    fn from(update: UpdateModel) -> Self {
        Self {
            description: update.description,
            stage: update.stage,
            tags: update.tags.map(pairs),
            properties: update.properties.map(pairs),
        }
    }
}

/// Where an alias is to point.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAlias {
    #[schema(example = "1")]
    version: String,
}

impl SetAlias {
    pub(crate) fn version(&self) -> &str {
        &self.version
    }
}

fn map(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect()
}

fn pairs(map: BTreeMap<String, String>) -> Vec<KeyValue> {
    map.into_iter()
        .map(|(key, value)| KeyValue { key, value })
        .collect()
}
