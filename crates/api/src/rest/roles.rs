//! `/api/v1/roles` and role assignments, on the server and in a workspace.

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::roles::NewRole;
use lazuli_spec::Action;
use lazuli_spec::roles::{RoleAssignment, RoleDefinition};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path, Query};
use super::list_queries::{AssignmentQuery, RoleQuery};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// A role as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleView {
    id: String,
    #[schema(example = "AzureML Data Scientist")]
    name: String,
    description: String,
    built_in: bool,
    actions: Vec<String>,
    not_actions: Vec<String>,
}

impl From<RoleDefinition> for RoleView {
    fn from(role: RoleDefinition) -> Self {
        Self {
            id: role.id,
            name: role.name,
            description: role.description,
            built_in: role.built_in,
            actions: role.actions,
            not_actions: role.not_actions,
        }
    }
}

/// Every role.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleList {
    items: Vec<RoleView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// A custom role to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRole {
    #[schema(example = "Model Reviewer")]
    name: String,
    #[serde(default)]
    description: String,
    /// Action patterns allowed.
    #[schema(example = json!(["*/read"]))]
    actions: Vec<String>,
    /// Action patterns taken away again.
    #[serde(default)]
    not_actions: Vec<String>,
}

/// Who has which role where.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleAssignmentView {
    id: String,
    principal_id: String,
    role_id: String,
    /// `/` or `/workspaces/<name>`.
    scope: String,
}

impl From<RoleAssignment> for RoleAssignmentView {
    fn from(given: RoleAssignment) -> Self {
        Self {
            id: given.id,
            principal_id: given.principal_id,
            role_id: given.role_id,
            scope: given.scope,
        }
    }
}

/// A page of assignments.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleAssignmentList {
    items: Vec<RoleAssignmentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// A role to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignRole {
    /// The principal's name.
    #[schema(example = "ci-pipeline")]
    principal: String,
    /// The role's name or id.
    #[schema(example = "AzureML Data Scientist")]
    role: String,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(Permission::Authenticated, routes!(list_roles));
    routes.rest(
        Permission::Server(Action::RoleAssignmentsWrite),
        routes!(create_role),
    );
    routes.rest(
        Permission::Server(Action::RoleAssignmentsRead),
        routes!(list_server_assignments),
    );
    routes.rest(
        Permission::Server(Action::RoleAssignmentsWrite),
        routes!(assign_on_server),
    );
    routes.rest(
        Permission::Server(Action::RoleAssignmentsDelete),
        routes!(unassign_on_server),
    );
    routes.rest(
        Permission::Workspace(Action::RoleAssignmentsRead),
        routes!(list_workspace_assignments),
    );
    routes.rest(
        Permission::Workspace(Action::RoleAssignmentsWrite),
        routes!(assign_in_workspace),
    );
    routes.rest(
        Permission::Workspace(Action::RoleAssignmentsDelete),
        routes!(unassign_in_workspace),
    );
}

/// Every role, built-in and custom, by name.
#[utoipa::path(get, path = "/api/v1/roles", tag = "roles", params(RoleQuery),
    responses((status = 200, body = RoleList), (status = "4XX", body = ProblemDetails)))]
async fn list_roles(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Query(query): Query<RoleQuery>,
) -> RestResult<Json<RoleList>> {
    let (are_built_in, filter, page) = query.read()?;
    let page = app
        .core
        .list_roles(&caller, are_built_in, filter, page)
        .await?
        .map(RoleView::from);
    Ok(Json(RoleList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// Makes a custom role.
#[utoipa::path(post, path = "/api/v1/roles", tag = "roles", request_body = CreateRole,
    responses((status = 201, body = RoleView), (status = "4XX", body = ProblemDetails)))]
async fn create_role(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateRole>,
) -> RestResult<(StatusCode, Json<RoleView>)> {
    let new = NewRole {
        name: body.name,
        description: body.description,
        actions: body.actions,
        not_actions: body.not_actions,
    };
    let made = app.core.create_role(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Who has which role on the whole server.
#[utoipa::path(get, path = "/api/v1/role-assignments", tag = "roles", params(AssignmentQuery),
    responses((status = 200, body = RoleAssignmentList), (status = "4XX", body = ProblemDetails)))]
async fn list_server_assignments(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Query(query): Query<AssignmentQuery>,
) -> RestResult<Json<RoleAssignmentList>> {
    list(&app, &caller, None, query).await
}

/// Gives a role on the whole server.
#[utoipa::path(post, path = "/api/v1/role-assignments", tag = "roles", request_body = AssignRole,
    responses((status = 201, body = RoleAssignmentView), (status = "4XX", body = ProblemDetails)))]
async fn assign_on_server(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Json(body): Json<AssignRole>,
) -> RestResult<(StatusCode, Json<RoleAssignmentView>)> {
    let given = app
        .core
        .assign_role(&caller, None, &body.principal, &body.role)
        .await?;
    Ok((StatusCode::CREATED, Json(given.into())))
}

/// Takes a role on the whole server away.
#[utoipa::path(delete, path = "/api/v1/role-assignments/{id}", tag = "roles", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn unassign_on_server(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> RestResult<StatusCode> {
    app.core.unassign_role(&caller, None, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who has which role in a workspace.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/role-assignments", tag = "roles",
    params(("workspace" = String, Path), AssignmentQuery),
    responses((status = 200, body = RoleAssignmentList), (status = "4XX", body = ProblemDetails)))]
async fn list_workspace_assignments(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Query(query): Query<AssignmentQuery>,
) -> RestResult<Json<RoleAssignmentList>> {
    list(&app, &caller, Some(&workspace), query).await
}

/// Gives a role in a workspace.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/role-assignments", tag = "roles",
    params(("workspace" = String, Path)), request_body = AssignRole,
    responses((status = 201, body = RoleAssignmentView), (status = "4XX", body = ProblemDetails)))]
async fn assign_in_workspace(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Json(body): Json<AssignRole>,
) -> RestResult<(StatusCode, Json<RoleAssignmentView>)> {
    let given = app
        .core
        .assign_role(&caller, Some(&workspace), &body.principal, &body.role)
        .await?;
    Ok((StatusCode::CREATED, Json(given.into())))
}

/// Takes a role in a workspace away.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/role-assignments/{id}", tag = "roles",
    params(("workspace" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn unassign_in_workspace(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, id)): Path<(String, String)>,
) -> RestResult<StatusCode> {
    app.core
        .unassign_role(&caller, Some(&workspace), &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list(
    app: &AppState,
    caller: &lazuli_core::Caller,
    workspace: Option<&str>,
    query: AssignmentQuery,
) -> RestResult<Json<RoleAssignmentList>> {
    let (holder, filter, page) = query.read()?;
    let page = app
        .core
        .list_role_assignments(caller, workspace, holder, filter, page)
        .await?;
    let page = page.map(RoleAssignmentView::from);
    Ok(Json(RoleAssignmentList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}
