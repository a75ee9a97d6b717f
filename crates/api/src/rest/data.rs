//! `/api/v1/workspaces/{workspace}/data`: data assets.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::Error;
use lazuli_core::assets::Labels;
use lazuli_core::data::NewData;
use lazuli_spec::Page;
use lazuli_spec::assets::{Asset, AssetContent, AssetKind};
use lazuli_spec::data::{DataSource, DataType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::assets::{AssetNameView, AssetQuery, UpdateAsset, VersionQuery, agree, made, tagged};
use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

const KIND: AssetKind = AssetKind::Data;

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

/// A page of data assets.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataList {
    items: Vec<DataView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl From<Page<Asset>> for DataList {
    fn from(page: Page<Asset>) -> Self {
        let page = page.map(DataView::from);
        Self {
            items: page.items,
            next_page_token: page.next_page_token,
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
    /// The name and version of the path; those of the body, if any, must be the same.
    fn named(mut self, name: String, version: String) -> Result<Self, Error> {
        agree("name", self.name.as_deref(), &name)?;
        agree("version", self.version.as_deref(), &version)?;
        (self.name, self.version) = (Some(name), Some(version));
        Ok(self)
    }

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

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let (read, write) = (
        Permission::Workspace(KIND.read_action()),
        Permission::Workspace(KIND.write_action()),
    );
    routes.rest(read, routes!(list_data));
    routes.rest(write, routes!(create_data));
    routes.rest(read, routes!(list_data_versions));
    routes.rest(write, routes!(put_data));
    routes.rest(read, routes!(get_data));
    routes.rest(read, routes!(get_labelled_data));
    routes.rest(write, routes!(update_data));
    routes.rest(write, routes!(archive_data_version));
    routes.rest(write, routes!(restore_data_version));
    routes.rest(write, routes!(archive_data));
    routes.rest(write, routes!(restore_data));
}

/// Makes a version of a data asset. The same version with the same content is answered with 200, with other content with 409.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/data", tag = "data",
    params(("workspace" = String, Path)), request_body = CreateData,
    responses((status = 201, body = DataView), (status = 200, body = DataView), (status = "4XX", body = ProblemDetails)))]
async fn create_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Json(body): Json<CreateData>,
) -> RestResult<(StatusCode, Tagged<DataView>)> {
    Ok(made(
        app.core
            .create_data(&caller, &workspace, body.read()?)
            .await?,
    ))
}

/// Makes the version that the path names.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/data/{name}/versions/{version}", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)), request_body = CreateData,
    responses((status = 201, body = DataView), (status = 200, body = DataView), (status = "4XX", body = ProblemDetails)))]
async fn put_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    Json(body): Json<CreateData>,
) -> RestResult<(StatusCode, Tagged<DataView>)> {
    let new = body.named(name, version)?.read()?;
    Ok(made(app.core.create_data(&caller, &workspace, new).await?))
}

/// Data assets by name, each with its newest version.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/data", tag = "data",
    params(("workspace" = String, Path), AssetQuery),
    responses((status = 200, body = DataList), (status = "4XX", body = ProblemDetails)))]
async fn list_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Query(query): Query<AssetQuery>,
) -> RestResult<Json<DataList>> {
    let (filter, page) = query.read()?;
    let page = app
        .core
        .list_assets(&caller, &workspace, KIND, filter, page)
        .await?;
    Ok(Json(page.into()))
}

/// The versions of a data asset, the newest first.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/data/{name}/versions", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), VersionQuery),
    responses((status = 200, body = DataList), (status = "4XX", body = ProblemDetails)))]
async fn list_data_versions(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    Query(query): Query<VersionQuery>,
) -> RestResult<Json<DataList>> {
    let (view, page) = query.read()?;
    let page = app
        .core
        .list_asset_versions(&caller, &workspace, KIND, &name, view, page)
        .await?;
    Ok(Json(page.into()))
}

/// One version; `latest` stands for the one made last that is not archived.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/data/{name}/versions/{version}", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = DataView), (status = "4XX", body = ProblemDetails)))]
async fn get_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<DataView>> {
    let found = app
        .core
        .get_asset(&caller, &workspace, KIND, &name, &version)
        .await?;
    Ok(tagged(found))
}

/// The version that a label stands for; the one label there is is `latest`.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/data/{name}/labels/{label}", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), ("label" = String, Path)),
    responses((status = 200, body = DataView), (status = "4XX", body = ProblemDetails)))]
async fn get_labelled_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, label)): Path<(String, String, String)>,
) -> RestResult<Tagged<DataView>> {
    let found = app
        .core
        .get_labelled_asset(&caller, &workspace, KIND, &name, &label)
        .await?;
    Ok(tagged(found))
}

/// Changes a version's description, tags or properties. Its content never changes.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/data/{name}/versions/{version}", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = UpdateAsset, responses((status = 200, body = DataView), (status = "4XX", body = ProblemDetails)))]
async fn update_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    IfMatch(etag): IfMatch,
    Json(body): Json<UpdateAsset>,
) -> RestResult<Tagged<DataView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .update_asset(&caller, &workspace, KIND, named, body.into(), etag)
        .await?;
    Ok(tagged(changed))
}

/// Archives one version. It goes on working for whoever names it.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/data/{name}/versions/{version}/archive", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = DataView), (status = "4XX", body = ProblemDetails)))]
async fn archive_data_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<DataView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .archive_asset(&caller, &workspace, KIND, named, true)
        .await?;
    Ok(tagged(changed))
}

/// Archives a whole name, with all its versions.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/data/{name}/archive", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = AssetNameView), (status = "4XX", body = ProblemDetails)))]
async fn archive_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Json<AssetNameView>> {
    app.core
        .archive_asset_name(&caller, &workspace, KIND, &name, true)
        .await?;
    Ok(Json(AssetNameView::new(name, true)))
}

/// Restores one version. Lists show it again.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/data/{name}/versions/{version}/restore", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = DataView), (status = "4XX", body = ProblemDetails)))]
async fn restore_data_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<DataView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .archive_asset(&caller, &workspace, KIND, named, false)
        .await?;
    Ok(tagged(changed))
}

/// Restores a whole name, with all its versions.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/data/{name}/restore", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = AssetNameView), (status = "4XX", body = ProblemDetails)))]
async fn restore_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Json<AssetNameView>> {
    app.core
        .archive_asset_name(&caller, &workspace, KIND, &name, false)
        .await?;
    Ok(Json(AssetNameView::new(name, false)))
}
