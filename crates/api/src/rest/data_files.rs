//! The files of data assets: listed, and downloaded one by one.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use lazuli_spec::Action;
use utoipa_axum::routes;

use super::assets::FileQuery;
use super::content::{FileBytes, TreeView};
use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path, Query};
use super::streams::{self, Wanted};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::DataRead);
    routes.rest(read, routes!(list_data_files));
    routes.rest(read, routes!(download_data));
}

/// The files of a version.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/data/{name}/versions/{version}/files", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = TreeView), (status = "4XX", body = ProblemDetails)))]
async fn list_data_files(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Json<TreeView>> {
    Ok(Json(
        app.core
            .data_tree(&caller, &workspace, &name, &version)
            .await?
            .into(),
    ))
}

/// Downloads one file of a version; `Range` is honoured.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/data/{name}/versions/{version}/content", tag = "data",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path), FileQuery),
    responses((status = 200, body = FileBytes, content_type = "application/octet-stream"),
        (status = 206, body = FileBytes, content_type = "application/octet-stream"), (status = "4XX", body = ProblemDetails)))]
async fn download_data(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
) -> RestResult<Response> {
    let named = (name.as_str(), version.as_str());
    let entry = app
        .core
        .data_file(&caller, &workspace, named, query.path.as_deref())
        .await?;
    let wanted = Wanted::read(&headers, entry.sha256.as_str());
    if wanted.not_modified {
        return Ok(streams::not_modified(entry.sha256.as_str()));
    }
    let read = app
        .core
        .open_data_file(&caller, &workspace, &entry, wanted.range)
        .await?;
    let file_name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
    Ok(streams::respond(
        read,
        entry.sha256.as_str(),
        file_name,
        wanted.range.is_some(),
    ))
}
