//! `/api/v1/workspaces/{workspace}/data`: data assets.

use std::collections::BTreeMap;

use lazuli_core::Error;
use lazuli_core::assets::Labels;
use lazuli_core::data::NewData;
use lazuli_spec::assets::{Asset, AssetContent, AssetKind};
use lazuli_spec::data::{DataSource, DataType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asset_routes::asset_routes;

asset_routes! {
    kind: AssetKind::Data, collection: "data", id: "data", one: "a data asset", many: "Data assets",
    made_as: "a data asset",
    view: DataView,
    /// A page of data assets.
    list: DataList,
    new: CreateData => create_data,
}

/// A version of a data asset.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataView {
    #[schema(example = "iris")]
    name: String,
    #[schema(example = "1")]
    version: String,
    /// `uri_file` or `uri_folder`.
    #[serde(rename = "type")]
    #[schema(example = "uri_file")]
    data_type: &'static str,
    /// `tree:<id>` for what is stored here, or the address given.
    path: String,
    /// The tree with its files, when they are stored here.
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<String>,
    /// Equal content has equal hashes.
    content_hash: String,
    /// The bytes of its files.
    size: u64,
    /// How many files.
    files: u64,
    /// The job whose output it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// Which output of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
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

impl From<Asset> for DataView {
    fn from(asset: Asset) -> Self {
        let (data_type, path, tree) = match asset.content {
            AssetContent::Data(data) => match data.source {
                DataSource::Tree(id) => (
                    data.data_type.as_str(),
                    format!("tree:{id}"),
                    Some(id.into()),
                ),
                DataSource::Uri(uri) => (data.data_type.as_str(), uri, None),
            },
            // the store keeps kinds apart
            AssetContent::Environment(_) | AssetContent::Code(_) => ("", String::new(), None),
        };
        Self {
            name: asset.name,
            version: asset.version,
            data_type,
            path,
            tree,
            content_hash: asset.content_hash.into(),
            size: asset.size,
            files: asset.files,
            job: asset.origin.job,
            output: asset.origin.output,
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

/// A data asset to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateData {
    #[schema(example = "iris")]
    name: Option<String>,
    /// The next number when absent.
    #[schema(example = "1")]
    version: Option<String>,
    /// `uri_file` or `uri_folder`; what the path is when absent.
    #[serde(rename = "type")]
    #[schema(example = "uri_folder")]
    data_type: Option<String>,
    /// `tree:<id>` or `tree:<id>/<path>` of an uploaded tree, or an address (`https://…`, `azureml://…`), which is stored and not fetched.
    #[schema(example = "https://example.org/iris.csv")]
    path: String,
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<BTreeMap<String, String>>,
}

impl CreateData {
    fn read(self) -> Result<NewData, Error> {
        Ok(NewData {
            name: self
                .name
                .ok_or_else(|| Error::invalid("name", "a data asset has a name"))?,
            version: self.version,
            data_type: self.data_type.as_deref().map(DataType::parse).transpose()?,
            path: self.path,
            labels: Labels {
                description: self.description,
                tags: self.tags,
                properties: self.properties,
            },
        })
    }
}
