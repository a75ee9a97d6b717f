//! `/mlflow/workspaces…`: Lazuli's workspaces in MLflow's words.

use axum::Json;
use axum::http::{Method, StatusCode};
use lazuli_core::Error;
use lazuli_core::workspaces::WorkspaceChange;
use lazuli_spec::lists::ListFilter;
use lazuli_spec::workspaces::{DEFAULT, Workspace};
use lazuli_spec::{Action, ErrorCode, PageRequest};
use serde_json::{Value, json};

use super::errors::{MlflowResult, Path};
use super::json::{Message, invalid};
use super::registered_models::any_text;
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

/// Most workspaces in the list, which has no pages in MLflow's interface.
const MOST: usize = 10_000;

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let of = Permission::Workspace;
    let mut paths = Paths::below(routes, "3.0/mlflow/workspaces");
    paths.add(Method::GET, "", Permission::Authenticated, list);
    let make = Permission::Server(Action::WorkspacesWrite);
    paths.add(Method::POST, "", make, create);
    paths.add(Method::GET, "/{workspace}", of(Action::WorkspacesRead), get);
    paths.add(
        Method::PATCH,
        "/{workspace}",
        of(Action::WorkspacesWrite),
        update,
    );
}

async fn list(call: Call) -> Answer {
    let mut seen = Vec::new();
    let mut page_token = None;
    loop {
        let page = PageRequest {
            limit: Some(1_000),
            page_token,
        };
        let page = call
            .core
            .list_workspaces(&call.caller, ListFilter::default(), page)
            .await?;
        seen.extend(page.items.iter().map(shown));
        page_token = page.next_page_token;
        if page_token.is_none() || seen.len() >= MOST {
            return Ok(Json(json!({ "workspaces": seen })));
        }
    }
}

async fn create(call: Call) -> MlflowResult<(StatusCode, Json<Value>)> {
    let name = call.fields.required("name")?;
    if name == DEFAULT {
        return Err(invalid(format!(
            "The '{DEFAULT}' workspace is reserved and cannot be created"
        )));
    }
    let change = change(&call.fields)?;
    let made = call
        .core
        .create_workspace(&call.caller, name, change)
        .await
        .map_err(|error| match error.code {
            ErrorCode::AlreadyExists => Error::new(
                ErrorCode::AlreadyExists,
                format!("Workspace '{name}' already exists."),
            ),
            _ => error,
        })?;
    Ok((
        StatusCode::CREATED,
        Json(json!({ "workspace": shown(&made) })),
    ))
}

async fn get(Path(name): Path<String>, call: Call) -> Answer {
    let found = call.core.get_workspace(&call.caller, &name).await?;
    Ok(Json(json!({ "workspace": shown(&found) })))
}

async fn update(Path(name): Path<String>, call: Call) -> Answer {
    let change = change(&call.fields)?;
    if change.description.is_none() {
        return Err(invalid("Workspace update must have at least one key"));
    }
    let changed = call
        .core
        .update_workspace(&call.caller, &name, change, None)
        .await?;
    Ok(Json(json!({ "workspace": shown(&changed) })))
}

/// What a request says of a workspace.
fn change(fields: &Message) -> MlflowResult<WorkspaceChange> {
    let archival = fields.message("trace_archival_config")?;
    let placed = ["location", "retention"];
    let archived = archival.is_some_and(|of| placed.iter().any(|name| of.get(name).is_some()));
    let rooted = any_text(fields, "default_artifact_root")?.is_some_and(|text| !text.is_empty());
    if archived || rooted {
        let message = "a workspace has no place of its own for artifacts or traces on this server: all are kept in the server's storage";
        return Err(Error::new(ErrorCode::Unsupported, message)
            .hint("leave `default_artifact_root` and `trace_archival_config` out")
            .into());
    }
    Ok(WorkspaceChange {
        description: any_text(fields, "description")?,
        ..WorkspaceChange::default()
    })
}

/// A workspace as clients read it.
fn shown(workspace: &Workspace) -> Value {
    let mut answer = json!({ "name": workspace.name });
    if !workspace.description.is_empty() {
        answer["description"] = workspace.description.as_str().into();
    }
    answer
}
