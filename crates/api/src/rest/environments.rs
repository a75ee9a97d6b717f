//! `/api/v1/workspaces/{workspace}/environments`: environments, as definitions.

use std::collections::BTreeMap;

use lazuli_core::Error;
use lazuli_core::assets::Labels;
use lazuli_core::environments::NewEnvironment;
use lazuli_spec::assets::{Asset, AssetContent, AssetKind};
use lazuli_spec::environments::EnvironmentDefinition;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asset_routes::asset_routes;

asset_routes! {
    kind: AssetKind::Environment, collection: "environments", id: "environment", one: "an environment", many: "Environments",
    made_as: "an environment",
    view: EnvironmentView,
    /// A page of environments.
    list: EnvironmentList,
    new: CreateEnvironment => create_environment,
}

/// A version of an environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentView {
    #[schema(example = "train")]
    name: String,
    #[schema(example = "1")]
    version: String,
    /// An image's name, or a curated environment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The text of the conda file.
    #[serde(skip_serializing_if = "Option::is_none")]
    conda_file: Option<String>,
    /// The text of the requirements file.
    #[serde(skip_serializing_if = "Option::is_none")]
    requirements: Option<String>,
    /// Equal definitions have equal hashes.
    content_hash: String,
    #[schema(example = "Measurements of three kinds of iris")]
    description: String,
    tags: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    /// Whether it, or its whole name, is hidden from lists and `latest`.
    archived: bool,
    /// RFC 3339.
    #[schema(example = "2026-01-31T12:00:00Z")]
    created_at: String,
    /// The principal's id.
    created_by: String,
    /// RFC 3339.
    updated_at: String,
}

impl From<Asset> for EnvironmentView {
    fn from(asset: Asset) -> Self {
        let definition = match asset.content {
            AssetContent::Environment(definition) => definition,
            // the store keeps kinds apart
            AssetContent::Data(_) | AssetContent::Code(_) => EnvironmentDefinition::default(),
        };
        Self {
            name: asset.name,
            version: asset.version,
            image: definition.image,
            conda_file: definition.conda_file,
            requirements: definition.requirements,
            content_hash: asset.content_hash.into(),
            description: asset.description,
            tags: asset.tags,
            properties: asset.properties,
            archived: asset.archived,
            created_at: asset.created_at.to_string(),
            created_by: asset.created_by,
            updated_at: asset.updated_at.to_string(),
        }
    }
}

/// An environment to be made: `image`, `conda_file`, `requirements`, or several of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateEnvironment {
    #[schema(example = "train")]
    name: Option<String>,
    /// The next number when absent.
    #[schema(example = "1")]
    version: Option<String>,
    image: Option<String>,
    /// The conda file: its text, or the mapping itself.
    #[schema(value_type = Option<String>, example = "dependencies:\n- python=3.11\n- pip:\n  - scikit-learn\n")]
    conda_file: Option<serde_json::Value>,
    /// The requirements: their text.
    requirements: Option<String>,
    /// `linux`, the only one there is.
    os_type: Option<String>,
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<BTreeMap<String, String>>,
}

impl CreateEnvironment {
    fn read(self) -> Result<NewEnvironment, Error> {
        if let Some(system) = self
            .os_type
            .as_deref()
            .filter(|system| !system.eq_ignore_ascii_case("linux"))
        {
            return Err(Error::invalid(
                "os_type",
                format!("`{system}` is not supported; environments are for `linux`"),
            ));
        }
        let conda_file = self.conda_file.map(|conda| match conda {
            serde_json::Value::String(text) => text,
            // JSON is YAML
            mapping => mapping.to_string(),
        });
        Ok(NewEnvironment {
            name: self
                .name
                .ok_or_else(|| Error::invalid("name", "an environment has a name"))?,
            version: self.version,
            definition: EnvironmentDefinition {
                image: self.image,
                conda_file,
                requirements: self.requirements,
            },
            labels: Labels {
                description: self.description,
                tags: self.tags,
                properties: self.properties,
            },
        })
    }
}
