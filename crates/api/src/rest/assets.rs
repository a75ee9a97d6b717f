//! What the native interface of data, environments and code has in common.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use lazuli_core::Error;
use lazuli_core::assets::{AssetFilter, AssetOrder, Labels, Made};
use lazuli_spec::PageRequest;
use lazuli_spec::assets::{Asset, ListView};
use lazuli_spec::lists::SortKey;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Tagged, put_status};
use super::list_queries::{order, tag, view};

/// Which names to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AssetQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// `active` (the default), `archived` or `all`.
    #[serde(alias = "list_view_type")]
    view: Option<String>,
    /// Only names that begin so.
    prefix: Option<String>,
    /// Only with this tag: `key` or `key=value`.
    tag: Option<String>,
    /// `name` (the default) or `created_at`, with ` desc` for backwards.
    order_by: Option<String>,
}

/// Which versions to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct VersionQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// `active` (the default), `archived` or `all`.
    #[serde(alias = "list_view_type")]
    view: Option<String>,
}

/// Which file of a data asset.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FileQuery {
    /// Its path in the folder; not needed when there is only one file.
    pub(crate) path: Option<String>,
}

/// What of a version is to change. Absent fields stay; a map replaces the one there is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAsset {
    #[schema(example = "Measurements of three kinds of iris")]
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<BTreeMap<String, String>>,
}

/// A name, and whether it is hidden from lists.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssetNameView {
    #[schema(example = "iris")]
    name: String,
    archived: bool,
}

impl AssetNameView {
    pub(crate) fn new(name: String, archived: bool) -> Self {
        Self { name, archived }
    }
}

impl From<UpdateAsset> for Labels {
    fn from(update: UpdateAsset) -> Self {
        Self {
            description: update.description,
            tags: update.tags,
            properties: update.properties,
        }
    }
}

impl AssetQuery {
    /// The filter and the page asked for.
    pub(crate) fn read(self) -> Result<(AssetFilter, PageRequest), Error> {
        let order = order(
            self.order_by.as_deref(),
            &[SortKey::Name, SortKey::CreatedAt],
        )?;
        let filter = AssetFilter {
            view: view(self.view.as_deref())?,
            prefix: self.prefix,
            tag: self.tag.map(tag),
            order: match order.key {
                SortKey::CreatedAt => AssetOrder::CreatedAt,
                _ => AssetOrder::Name,
            },
            descending: order.descending,
        };
        let page = PageRequest {
            limit: self.limit,
            page_token: self.page_token,
        };
        Ok((filter, page))
    }
}

impl VersionQuery {
    /// The view and the page asked for.
    pub(crate) fn read(self) -> Result<(ListView, PageRequest), Error> {
        let page = PageRequest {
            limit: self.limit,
            page_token: self.page_token,
        };
        Ok((view(self.view.as_deref())?, page))
    }
}

/// 201 for a new version, 200 for one that was there with the same content.
pub(crate) fn made<V: From<Asset>>(made: Made) -> (StatusCode, Tagged<V>) {
    let status = put_status(made.created);
    (status, tagged(made.asset))
}

/// A version with its etag.
pub(crate) fn tagged<V: From<Asset>>(asset: Asset) -> Tagged<V> {
    Tagged(asset.updated_at, asset.into())
}

/// What the path says; a body that names something else is refused.
pub(crate) fn agreed(
    field: &str,
    in_body: Option<String>,
    in_path: String,
) -> Result<String, Error> {
    match in_body {
        Some(other) if other != in_path => {
            let message = format!("the body's {field} is `{other}`, the path's is `{in_path}`");
            Err(Error::invalid(field, message))
        }
        _ => Ok(in_path),
    }
}
