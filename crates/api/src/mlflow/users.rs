//! `/mlflow/users/…`: users and their permissions, as the client of MLflow's basic-auth app asks for them.

use axum::Json;
use axum::http::Method;
use lazuli_core::Error;
use lazuli_core::users::WorkspaceRole;
use lazuli_spec::users::{Level, User};
use lazuli_spec::{Action, ErrorCode};
use serde_json::{Value, json};

use super::errors::{MlflowError, MlflowResult};
use super::json::{invalid, missing};
use super::registered_models::flag;
use super::roles::{role_id, shown as role_shown};
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

/// What of a workspace MLflow gives permissions on, one by one.
const RESOURCES: &[&str] = &[
    "experiment",
    "registered_model",
    "prompt",
    "scorer",
    "gateway_secret",
    "gateway_endpoint",
    "gateway_model_definition",
    "mcp_server",
    "run",
    "trace",
    "assessment",
    "logged_model",
    "review_queue",
    "registered_model_version",
    "prompt_version",
    "scorer_version",
    "mcp_server_version",
];

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let (read, write) = (
        Permission::Server(Action::PrincipalsRead),
        Permission::Server(Action::PrincipalsWrite),
    );
    let anyone = Permission::Authenticated;
    let mut paths = Paths::below(routes, "2.0/mlflow/users/");
    paths.add(Method::POST, "create", write, create);
    paths.add(Method::GET, "get", anyone, get);
    paths.add(Method::GET, "current", anyone, current);
    paths.add(Method::GET, "list", read, list);
    paths.add(Method::PATCH, "update-password", anyone, update_password);
    let admin = Permission::Server(Action::RoleAssignmentsWrite);
    paths.add(Method::PATCH, "update-admin", admin, update_admin);
    let delete_right = Permission::Server(Action::PrincipalsDelete);
    paths.add(Method::DELETE, "delete", delete_right, delete);
    let mut paths = Paths::below(routes, "3.0/mlflow/users/");
    paths.add(Method::GET, "current/permissions", anyone, own_permissions);
    paths.add(Method::GET, "permissions/list", anyone, permissions);
    paths.add(Method::POST, "permissions/grant", anyone, grant);
    paths.add(Method::POST, "permissions/revoke", anyone, revoke);
    paths.add(Method::GET, "permissions/get", anyone, permission);
    paths.add(Method::GET, "roles/list", anyone, roles);
}

async fn create(call: Call) -> Answer {
    let (name, password) = (
        call.fields.required("username")?,
        call.fields.required("password")?,
    );
    let user = call
        .core
        .create_user(&call.caller, name, password.to_owned())
        .await?;
    Ok(Json(json!({ "user": shown(&user) })))
}

async fn get(call: Call) -> Answer {
    let name = call.fields.required("username")?;
    let user = call.core.get_user(&call.caller, name).await?;
    Ok(Json(json!({ "user": shown(&user) })))
}

async fn current(call: Call) -> Answer {
    let user = call.core.get_user(&call.caller, call.caller.name()).await?;
    let by_password = call.caller.token_id().is_none();
    Ok(Json(
        json!({ "user": shown(&user), "is_basic_auth": by_password }),
    ))
}

async fn list(call: Call) -> Answer {
    let users = call.core.list_users(&call.caller).await?;
    let users: Vec<Value> = users.iter().map(shown).collect();
    Ok(Json(json!({ "users": users })))
}

async fn update_password(call: Call) -> Answer {
    let (name, password) = (
        call.fields.required("username")?,
        call.fields.required("password")?,
    );
    let present = call.fields.text("current_password")?;
    call.core
        .change_password(&call.caller, name, password.to_owned(), present)
        .await?;
    Ok(Json(json!({})))
}

async fn update_admin(call: Call) -> Answer {
    let name = call.fields.required("username")?;
    if call.fields.get("is_admin").is_none() {
        return Err(missing("is_admin"));
    }
    let is_admin = flag(&call.fields, "is_admin")?;
    call.core
        .set_user_admin(&call.caller, name, is_admin)
        .await?;
    Ok(Json(json!({})))
}

async fn delete(call: Call) -> Answer {
    let name = call.fields.required("username")?;
    call.core.delete_user(&call.caller, name).await?;
    Ok(Json(json!({})))
}

async fn own_permissions(call: Call) -> Answer {
    held(&call, call.caller.name()).await
}

async fn permissions(call: Call) -> Answer {
    held(&call, call.fields.required("username")?).await
}

async fn held(call: &Call, name: &str) -> Answer {
    let held = call.core.user_roles(&call.caller, name).await?;
    let rows: Vec<Value> = held.roles.iter().filter_map(row).collect();
    Ok(Json(
        json!({ "is_admin": held.is_admin, "permissions": rows }),
    ))
}

/// A role as a permission; one that gives no access to runs is none in MLflow's words.
fn row(held: &WorkspaceRole) -> Option<Value> {
    let level = Level::of(held.role.compile())?;
    Some(json!({
        "role_id": role_id(held),
        "role_name": held.role.name,
        "workspace": held.workspace,
        "resource_type": "workspace",
        "resource_pattern": "*",
        "permission": level.as_str(),
    }))
}

async fn grant(call: Call) -> Answer {
    let (name, workspace) = workspace_of(&call)?;
    let level = match call.fields.required("permission")? {
        "NO_PERMISSIONS" => None,
        "DENY" => {
            return Err(unsupported(
                "roles here allow and never deny: revoke the permission instead",
            ));
        }
        word => Some(Level::parse(word).ok_or_else(|| {
            invalid(format!(
                "Invalid permission '{word}'. Valid permissions are: READ, USE, EDIT, MANAGE, NO_PERMISSIONS"
            ))
        })?),
    };
    call.core
        .set_user_level(&call.caller, &workspace, name, level)
        .await?;
    Ok(Json(json!({})))
}

async fn revoke(call: Call) -> Answer {
    let (name, workspace) = workspace_of(&call)?;
    call.core
        .set_user_level(&call.caller, &workspace, name, None)
        .await?;
    Ok(Json(json!({})))
}

/// What somebody may do with a thing is what it may do in the workspace.
async fn permission(call: Call) -> Answer {
    let name = call.fields.required("username")?;
    let kind = call.fields.required("resource_type")?;
    let id = call.fields.required("resource_id")?;
    let workspace = match kind {
        "workspace" if id != "*" => id,
        "workspace" => &call.workspace,
        kind if RESOURCES.contains(&kind) => &call.workspace,
        kind => return Err(unknown_kind(kind)),
    };
    let level = call.core.user_level(&call.caller, workspace, name).await?;
    Ok(Json(json!({
        "allowed": level >= Some(Level::Edit),
        "permission": level.map_or("NO_PERMISSIONS", Level::as_str),
    })))
}

async fn roles(call: Call) -> Answer {
    let name = call.fields.required("username")?;
    let held = call.core.user_roles(&call.caller, name).await?;
    let roles: Vec<Value> = held.roles.iter().map(role_shown).collect();
    Ok(Json(json!({ "roles": roles })))
}

/// The user and the workspace of a request about a permission.
fn workspace_of(call: &Call) -> MlflowResult<(&str, String)> {
    let name = call.fields.required("username")?;
    let kind = call.fields.required("resource_type")?;
    let id = call.fields.required("resource_id")?;
    match kind {
        "workspace" if id == "*" => Ok((name, call.workspace.clone())),
        "workspace" => Ok((name, id.to_owned())),
        kind if RESOURCES.contains(&kind) => Err(unsupported(
            "rights are given by workspace here, not for one experiment or model: use resource_type `workspace` with the workspace's name, and a workspace of its own for what others must not see",
        )),
        kind => Err(unknown_kind(kind)),
    }
}

fn unknown_kind(kind: &str) -> MlflowError {
    invalid(format!(
        "Invalid resource_type '{kind}'. Valid types are: workspace, {}",
        RESOURCES.join(", ")
    ))
}

fn unsupported(message: &'static str) -> MlflowError {
    Error::new(ErrorCode::Unsupported, message).into()
}

fn shown(user: &User) -> Value {
    json!({ "id": user.id, "username": user.username, "is_admin": user.is_admin })
}
