//! `/api/v1/workspaces`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::workspaces::WorkspaceChange;
use lazuli_spec::Action;
use lazuli_spec::workspaces::Workspace;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged};
use super::list_queries::WorkspaceQuery;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// A workspace as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspaceView {
    #[schema(example = "default")]
    name: String,
    id: String,
    display_name: String,
    description: String,
    tags: BTreeMap<String, String>,
    /// RFC 3339.
    #[schema(example = "2026-01-31T12:00:00Z")]
    created_at: String,
    created_by: String,
    /// RFC 3339.
    updated_at: String,
}

impl From<Workspace> for WorkspaceView {
    fn from(workspace: Workspace) -> Self {
        Self {
            name: workspace.name,
            id: workspace.id,
            display_name: workspace.display_name,
            description: workspace.description,
            tags: workspace.tags,
            created_at: workspace.created_at.to_string(),
            created_by: workspace.created_by,
            updated_at: workspace.updated_at.to_string(),
        }
    }
}

/// A page of workspaces.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspaceList {
    items: Vec<WorkspaceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// What a new workspace is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWorkspace {
    #[schema(example = "oncology")]
    name: String,
    display_name: Option<String>,
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

/// What is to change. Absent fields stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWorkspace {
    display_name: Option<String>,
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(Permission::Authenticated, routes!(list_workspaces));
    routes.rest(
        Permission::Server(Action::WorkspacesWrite),
        routes!(create_workspace),
    );
    routes.rest(
        Permission::Workspace(Action::WorkspacesRead),
        routes!(get_workspace),
    );
    routes.rest(
        Permission::Workspace(Action::WorkspacesWrite),
        routes!(update_workspace),
    );
}

/// The workspaces the caller can see.
#[utoipa::path(get, path = "/api/v1/workspaces", tag = "workspaces", params(WorkspaceQuery),
    responses((status = 200, body = WorkspaceList), (status = "4XX", body = ProblemDetails)))]
async fn list_workspaces(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Query(query): Query<WorkspaceQuery>,
) -> RestResult<Json<WorkspaceList>> {
    let (filter, page) = query.read()?;
    let page = app
        .core
        .list_workspaces(&caller, filter, page)
        .await?
        .map(WorkspaceView::from);
    Ok(Json(WorkspaceList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// Makes a workspace.
#[utoipa::path(post, path = "/api/v1/workspaces", tag = "workspaces", request_body = CreateWorkspace,
    responses((status = 201, body = WorkspaceView), (status = "4XX", body = ProblemDetails)))]
async fn create_workspace(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateWorkspace>,
) -> RestResult<(StatusCode, Tagged<WorkspaceView>)> {
    let change = WorkspaceChange {
        display_name: body.display_name,
        description: body.description,
        tags: body.tags,
    };
    let made = app
        .core
        .create_workspace(&caller, &body.name, change)
        .await?;
    Ok((StatusCode::CREATED, Tagged(made.updated_at, made.into())))
}

/// One workspace.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}", tag = "workspaces", params(("workspace" = String, Path)),
    responses((status = 200, body = WorkspaceView), (status = "4XX", body = ProblemDetails)))]
async fn get_workspace(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
) -> RestResult<Tagged<WorkspaceView>> {
    let found = app.core.get_workspace(&caller, &workspace).await?;
    Ok(Tagged(found.updated_at, found.into()))
}

/// Changes a workspace's description or tags.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}", tag = "workspaces", params(("workspace" = String, Path)),
    request_body = UpdateWorkspace, responses((status = 200, body = WorkspaceView), (status = "4XX", body = ProblemDetails)))]
async fn update_workspace(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    IfMatch(etag): IfMatch,
    Json(body): Json<UpdateWorkspace>,
) -> RestResult<Tagged<WorkspaceView>> {
    let change = WorkspaceChange {
        display_name: body.display_name,
        description: body.description,
        tags: body.tags,
    };
    let changed = app
        .core
        .update_workspace(&caller, &workspace, change, etag)
        .await?;
    Ok(Tagged(changed.updated_at, changed.into()))
}
