//! `/mlflow/roles/…`: MLflow has roles by workspace; the same roles are known in each of ours, so a role's id there is the
//! workspace's name and ours.

use axum::Json;
use axum::http::Method;
use lazuli_core::Error;
use lazuli_core::users::WorkspaceRole;
use lazuli_spec::lists::ListFilter;
use lazuli_spec::users::Level;
use lazuli_spec::{ErrorCode, PageRequest};
use serde_json::{Value, json};

use super::errors::MlflowResult;
use super::json::invalid;
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

/// Most workspaces in one request.
const WORKSPACES: usize = 100;

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun. The core decides: a role belongs to the workspace that its id names.
pub(crate) fn add_routes(routes: &mut Routes) {
    let anyone = Permission::Authenticated;
    let mut paths = Paths::below(routes, "3.0/mlflow/roles/");
    paths.add(Method::GET, "list", anyone, list);
    paths.add(Method::GET, "get", anyone, get);
    paths.add(Method::GET, "permissions/list", anyone, permissions);
    paths.add(Method::GET, "users/list", anyone, holders);
    paths.add(Method::POST, "assign", anyone, assign);
    paths.add(Method::DELETE, "unassign", anyone, unassign);
}

async fn list(call: Call) -> Answer {
    let mut workspaces = call.fields.query_texts("workspace")?;
    if workspaces.len() > WORKSPACES {
        return Err(invalid(format!(
            "at most {WORKSPACES} workspaces in one request"
        )));
    }
    if workspaces.is_empty() {
        let page = PageRequest {
            limit: Some(WORKSPACES as u32),
            page_token: None,
        };
        let seen = call
            .core
            .list_workspaces(&call.caller, ListFilter::default(), page)
            .await?;
        workspaces = seen.items.into_iter().map(|found| found.name).collect();
    }
    let mut roles = Vec::new();
    for workspace in &workspaces {
        let known = call.core.workspace_roles(&call.caller, workspace).await?;
        roles.extend(known.iter().map(shown));
    }
    Ok(Json(json!({ "roles": roles })))
}

async fn get(call: Call) -> Answer {
    let found = named(&call).await?;
    Ok(Json(json!({ "role": shown(&found) })))
}

async fn permissions(call: Call) -> Answer {
    let found = named(&call).await?;
    Ok(Json(json!({ "role_permissions": granted(&found) })))
}

async fn holders(call: Call) -> Answer {
    let found = named(&call).await?;
    let wanted = (None, Some(found.role.id.clone()));
    let page = PageRequest {
        limit: Some(1_000),
        page_token: None,
    };
    let workspace = Some(found.workspace.as_str());
    let given = call
        .core
        .list_role_assignments(&call.caller, workspace, wanted, ListFilter::default(), page)
        .await?;
    let given: Vec<Value> = given
        .items
        .into_iter()
        .map(|a| json!({ "id": a.id, "user_id": a.principal_id, "role_id": role_id(&found) }))
        .collect();
    Ok(Json(json!({ "assignments": given })))
}

async fn assign(call: Call) -> Answer {
    let name = call.fields.required("username")?;
    let found = named(&call).await?;
    let given = call
        .core
        .assign_role(&call.caller, Some(&found.workspace), name, &found.role.id)
        .await?;
    Ok(Json(json!({ "assignment": {
        "id": given.id, "user_id": given.principal_id, "role_id": role_id(&found),
    } })))
}

async fn unassign(call: Call) -> Answer {
    let name = call.fields.required("username")?;
    let found = named(&call).await?;
    call.core
        .take_role(&call.caller, &found.workspace, name, &found.role.id)
        .await?;
    Ok(Json(json!({})))
}

/// The role that a request names.
async fn named(call: &Call) -> MlflowResult<WorkspaceRole> {
    let id = call.fields.required("role_id")?;
    let missing = || Error::new(ErrorCode::NotFound, format!("Role with id={id} not found"));
    let (workspace, role) = id.split_once(':').ok_or_else(missing)?;
    let known = call.core.workspace_roles(&call.caller, workspace).await?;
    let found = known.into_iter().find(|known| known.role.id == role);
    Ok(found.ok_or_else(missing)?)
}

/// A role's id in MLflow's interface.
pub(super) fn role_id(held: &WorkspaceRole) -> String {
    format!("{}:{}", held.workspace, held.role.id)
}

/// A role as clients read it.
pub(super) fn shown(held: &WorkspaceRole) -> Value {
    json!({
        "id": role_id(held),
        "name": held.role.name,
        "workspace": held.workspace,
        "description": held.role.description,
        "permissions": granted(held),
    })
}

/// What a role comes to in MLflow's words.
fn granted(held: &WorkspaceRole) -> Vec<Value> {
    let level = Level::of(held.role.compile());
    let row = |level: Level| {
        json!({
            "id": role_id(held),
            "role_id": role_id(held),
            "resource_type": "workspace",
            "resource_pattern": "*",
            "permission": level.as_str(),
        })
    };
    level.map(row).into_iter().collect()
}
