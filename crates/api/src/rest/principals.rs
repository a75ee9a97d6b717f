//! `/api/v1/principals` and `/api/v1/whoami`.

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::principals::NewPrincipal;
use lazuli_core::roles::HeldRole;
use lazuli_spec::Action;
use lazuli_spec::principals::{Principal, PrincipalKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path, Query};
use super::list_queries::PrincipalQuery;
use crate::AppState;
use crate::auth::{Authenticated, RequestWorkspace};
use crate::routing::{Permission, Routes};

/// A principal as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrincipalView {
    #[schema(example = "admin")]
    name: String,
    id: String,
    /// `user` or `service`.
    kind: &'static str,
    display_name: String,
    disabled: bool,
    /// RFC 3339.
    created_at: String,
    created_by: String,
}

impl From<Principal> for PrincipalView {
    fn from(principal: Principal) -> Self {
        Self {
            name: principal.name,
            id: principal.id,
            kind: principal.kind.as_str(),
            display_name: principal.display_name,
            disabled: principal.disabled,
            created_at: principal.created_at.to_string(),
            created_by: principal.created_by,
        }
    }
}

/// A page of principals.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrincipalList {
    items: Vec<PrincipalView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// What a new principal is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePrincipal {
    #[schema(example = "ci-pipeline")]
    name: String,
    /// `user` (the default) or `service`.
    kind: Option<String>,
    display_name: Option<String>,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    password: String,
}

/// A role and where it is held.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldRoleView {
    #[schema(example = "AzureML Data Scientist")]
    role: String,
    /// `/` is the server, `/workspaces/<name>` a workspace.
    #[schema(example = "/workspaces/default")]
    scope: String,
}

/// Who the credentials belong to, and what they allow.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhoAmI {
    name: String,
    id: String,
    kind: &'static str,
    /// The job a job's token speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// The roles held, wherever; a token may be limited to less.
    roles: Vec<HeldRoleView>,
    /// Actions allowed in the default workspace (or the one of the `workspace` header).
    allowed_in_workspace: Vec<&'static str>,
    /// Actions allowed on the server itself.
    allowed_on_server: Vec<&'static str>,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(Permission::Authenticated, routes!(whoami));
    routes.rest(
        Permission::Server(Action::PrincipalsRead),
        routes!(list_principals),
    );
    routes.rest(
        Permission::Server(Action::PrincipalsWrite),
        routes!(create_principal),
    );
    routes.rest(
        Permission::Server(Action::PrincipalsDelete),
        routes!(disable_principal),
    );
    routes.rest(
        Permission::Server(Action::PrincipalsDelete),
        routes!(enable_principal),
    );
    routes.rest(Permission::Authenticated, routes!(set_password));
}

/// Who am I?
#[utoipa::path(get, path = "/api/v1/whoami", tag = "identity",
    responses((status = 200, body = WhoAmI), (status = "4XX", body = ProblemDetails)))]
async fn whoami(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    RequestWorkspace(workspace): RequestWorkspace,
) -> RestResult<Json<WhoAmI>> {
    let roles = app.core.own_roles(&caller).await?;
    let names = |set: lazuli_spec::ActionSet| set.iter().map(Action::as_str).collect();
    Ok(Json(WhoAmI {
        name: caller.name().to_owned(),
        id: caller.principal_id().to_owned(),
        kind: caller.kind().as_str(),
        job: caller.job().map(|job| job.job.clone()),
        allowed_in_workspace: names(caller.allowed_in(&workspace)),
        allowed_on_server: names(caller.allowed_on_server()),
        roles: roles
            .into_iter()
            .map(|HeldRole { role, scope }| HeldRoleView { role, scope })
            .collect(),
    }))
}

/// Users and services.
#[utoipa::path(get, path = "/api/v1/principals", tag = "identity", params(PrincipalQuery),
    responses((status = 200, body = PrincipalList), (status = "4XX", body = ProblemDetails)))]
async fn list_principals(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Query(query): Query<PrincipalQuery>,
) -> RestResult<Json<PrincipalList>> {
    let (kind, filter, page) = query.read()?;
    let page = app
        .core
        .list_principals(&caller, kind, filter, page)
        .await?
        .map(PrincipalView::from);
    Ok(Json(PrincipalList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// Makes a user or a service.
#[utoipa::path(post, path = "/api/v1/principals", tag = "identity", request_body = CreatePrincipal,
    responses((status = 201, body = PrincipalView), (status = "4XX", body = ProblemDetails)))]
async fn create_principal(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreatePrincipal>,
) -> RestResult<(StatusCode, Json<PrincipalView>)> {
    let kind = match body.kind.as_deref() {
        None => PrincipalKind::User,
        Some(text) => PrincipalKind::parse(text).ok_or_else(|| {
            lazuli_core::Error::invalid("kind", format!("`{text}` is neither `user` nor `service`"))
        })?,
    };
    let new = NewPrincipal {
        name: body.name,
        kind,
        display_name: body.display_name,
    };
    let made = app.core.create_principal(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Ends every right of a principal at once, tokens included.
#[utoipa::path(post, path = "/api/v1/principals/{name}/disable", tag = "identity", params(("name" = String, Path)),
    responses((status = 200, body = PrincipalView), (status = "4XX", body = ProblemDetails)))]
async fn disable_principal(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
) -> RestResult<Json<PrincipalView>> {
    let changed = app
        .core
        .set_principal_disabled(&caller, &name, true)
        .await?;
    Ok(Json(changed.into()))
}

/// Gives a disabled principal its rights back; its tokens stay revoked.
#[utoipa::path(post, path = "/api/v1/principals/{name}/enable", tag = "identity", params(("name" = String, Path)),
    responses((status = 200, body = PrincipalView), (status = "4XX", body = ProblemDetails)))]
async fn enable_principal(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
) -> RestResult<Json<PrincipalView>> {
    let changed = app
        .core
        .set_principal_disabled(&caller, &name, false)
        .await?;
    Ok(Json(changed.into()))
}

/// Sets a password: one's own, or another's with the right to.
#[utoipa::path(put, path = "/api/v1/principals/{name}/password", tag = "identity", params(("name" = String, Path)),
    request_body = SetPassword, responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn set_password(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
    Json(body): Json<SetPassword>,
) -> RestResult<StatusCode> {
    app.core.set_password(&caller, &name, body.password).await?;
    Ok(StatusCode::NO_CONTENT)
}
