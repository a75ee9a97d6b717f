//! `/api/v1/workspaces/{workspace}/code`: snapshots of source folders.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::Error;
use lazuli_core::assets::Labels;
use lazuli_core::code::NewCode;
use lazuli_spec::Page;
use lazuli_spec::assets::{Asset, AssetContent, AssetKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::assets::{AssetNameView, AssetQuery, UpdateAsset, VersionQuery, agree, made, tagged};
use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

const KIND: AssetKind = AssetKind::Code;

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

/// A page of code assets.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeList {
    items: Vec<CodeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl From<Page<Asset>> for CodeList {
    fn from(page: Page<Asset>) -> Self {
        let page = page.map(CodeView::from);
        Self {
            items: page.items,
            next_page_token: page.next_page_token,
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
    /// The name and version of the path; those of the body, if any, must be the same.
    fn named(mut self, name: String, version: String) -> Result<Self, Error> {
        agree("name", self.name.as_deref(), &name)?;
        agree("version", self.version.as_deref(), &version)?;
        (self.name, self.version) = (Some(name), Some(version));
        Ok(self)
    }

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

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let (read, write) = (
        Permission::Workspace(KIND.read_action()),
        Permission::Workspace(KIND.write_action()),
    );
    routes.rest(read, routes!(list_code));
    routes.rest(write, routes!(create_code));
    routes.rest(read, routes!(list_code_versions));
    routes.rest(write, routes!(put_code));
    routes.rest(read, routes!(get_code));
    routes.rest(read, routes!(get_labelled_code));
    routes.rest(write, routes!(update_code));
    routes.rest(write, routes!(archive_code_version));
    routes.rest(write, routes!(restore_code_version));
    routes.rest(write, routes!(archive_code));
    routes.rest(write, routes!(restore_code));
}

/// Makes a version of a code asset; without a name it is anonymous and named by its content. The same version with the same content is answered with 200, with other content with 409.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/code", tag = "code",
    params(("workspace" = String, Path)), request_body = CreateCode,
    responses((status = 201, body = CodeView), (status = 200, body = CodeView), (status = "4XX", body = ProblemDetails)))]
async fn create_code(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Json(body): Json<CreateCode>,
) -> RestResult<(StatusCode, Tagged<CodeView>)> {
    Ok(made(
        app.core
            .create_code(&caller, &workspace, body.read()?)
            .await?,
    ))
}

/// Makes the version that the path names.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/code/{name}/versions/{version}", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)), request_body = CreateCode,
    responses((status = 201, body = CodeView), (status = 200, body = CodeView), (status = "4XX", body = ProblemDetails)))]
async fn put_code(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    Json(body): Json<CreateCode>,
) -> RestResult<(StatusCode, Tagged<CodeView>)> {
    let new = body.named(name, version)?.read()?;
    Ok(made(app.core.create_code(&caller, &workspace, new).await?))
}

/// Code assets by name, each with its newest version.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/code", tag = "code",
    params(("workspace" = String, Path), AssetQuery),
    responses((status = 200, body = CodeList), (status = "4XX", body = ProblemDetails)))]
async fn list_code(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Query(query): Query<AssetQuery>,
) -> RestResult<Json<CodeList>> {
    let (filter, page) = query.read()?;
    let page = app
        .core
        .list_assets(&caller, &workspace, KIND, filter, page)
        .await?;
    Ok(Json(page.into()))
}

/// The versions of a code asset, the newest first.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/code/{name}/versions", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path), VersionQuery),
    responses((status = 200, body = CodeList), (status = "4XX", body = ProblemDetails)))]
async fn list_code_versions(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    Query(query): Query<VersionQuery>,
) -> RestResult<Json<CodeList>> {
    let (view, page) = query.read()?;
    let page = app
        .core
        .list_asset_versions(&caller, &workspace, KIND, &name, view, page)
        .await?;
    Ok(Json(page.into()))
}

/// One version; `latest` stands for the one made last that is not archived.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/code/{name}/versions/{version}", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = CodeView), (status = "4XX", body = ProblemDetails)))]
async fn get_code(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<CodeView>> {
    let found = app
        .core
        .get_asset(&caller, &workspace, KIND, &name, &version)
        .await?;
    Ok(tagged(found))
}

/// The version that a label stands for; the one label there is is `latest`.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/code/{name}/labels/{label}", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path), ("label" = String, Path)),
    responses((status = 200, body = CodeView), (status = "4XX", body = ProblemDetails)))]
async fn get_labelled_code(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, label)): Path<(String, String, String)>,
) -> RestResult<Tagged<CodeView>> {
    let found = app
        .core
        .get_labelled_asset(&caller, &workspace, KIND, &name, &label)
        .await?;
    Ok(tagged(found))
}

/// Changes a version's description, tags or properties. Its content never changes.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/code/{name}/versions/{version}", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = UpdateAsset, responses((status = 200, body = CodeView), (status = "4XX", body = ProblemDetails)))]
async fn update_code(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    IfMatch(etag): IfMatch,
    Json(body): Json<UpdateAsset>,
) -> RestResult<Tagged<CodeView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .update_asset(&caller, &workspace, KIND, named, body.into(), etag)
        .await?;
    Ok(tagged(changed))
}

/// Archives one version. It goes on working for whoever names it.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/code/{name}/versions/{version}/archive", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = CodeView), (status = "4XX", body = ProblemDetails)))]
async fn archive_code_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<CodeView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .archive_asset(&caller, &workspace, KIND, named, true)
        .await?;
    Ok(tagged(changed))
}

/// Archives a whole name, with all its versions.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/code/{name}/archive", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = AssetNameView), (status = "4XX", body = ProblemDetails)))]
async fn archive_code(
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
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/code/{name}/versions/{version}/restore", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = CodeView), (status = "4XX", body = ProblemDetails)))]
async fn restore_code_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<CodeView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .archive_asset(&caller, &workspace, KIND, named, false)
        .await?;
    Ok(tagged(changed))
}

/// Restores a whole name, with all its versions.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/code/{name}/restore", tag = "code",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = AssetNameView), (status = "4XX", body = ProblemDetails)))]
async fn restore_code(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Json<AssetNameView>> {
    app.core
        .archive_asset_name(&caller, &workspace, KIND, &name, false)
        .await?;
    Ok(Json(AssetNameView::new(name, false)))
}
