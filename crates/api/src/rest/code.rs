//! `/api/v1/workspaces/{workspace}/code`: snapshots of source folders.

use std::collections::BTreeMap;

use lazuli_core::Error;
use lazuli_core::assets::Labels;
use lazuli_core::code::NewCode;
use lazuli_spec::assets::{Asset, AssetContent, AssetKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asset_routes::asset_routes;

asset_routes! {
    kind: AssetKind::Code, collection: "code", id: "code", one: "a code asset", many: "Code assets",
    made_as: "a code asset; without a name it is anonymous and named by its content",
    view: CodeView,
    /// A page of code assets.
    list: CodeList,
    new: CreateCode => create_code,
}

/// A version of a code asset.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeView {
    #[schema(example = "train-src")]
    name: String,
    #[schema(example = "1")]
    version: String,
    /// `tree:<id>`.
    path: String,
    /// The tree with its files; also the content's hash.
    tree: String,
    /// Equal content has equal hashes.
    content_hash: String,
    /// The bytes of its files.
    size: u64,
    /// How many files.
    files: u64,
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

impl From<Asset> for CodeView {
    fn from(asset: Asset) -> Self {
        let tree = match &asset.content {
            AssetContent::Code(code) => code.tree.to_string(),
            // the store keeps kinds apart
            AssetContent::Data(_) | AssetContent::Environment(_) => String::new(),
        };
        Self {
            name: asset.name,
            version: asset.version,
            path: format!("tree:{tree}"),
            tree,
            content_hash: asset.content_hash.into(),
            size: asset.size,
            files: asset.files,
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

/// A code asset to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCode {
    /// The tree's id when absent.
    #[schema(example = "train-src")]
    name: Option<String>,
    /// The next number when absent.
    #[schema(example = "1")]
    version: Option<String>,
    /// `tree:<id>` or `tree:<id>/<path>` of an uploaded tree.
    path: String,
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<BTreeMap<String, String>>,
}

impl CreateCode {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the same shape as the other nouns"
    )]
    fn read(self) -> Result<NewCode, Error> {
        Ok(NewCode {
            name: self.name,
            version: self.version,
            path: self.path,
            labels: Labels {
                description: self.description,
                tags: self.tags,
                properties: self.properties,
            },
        })
    }
}
