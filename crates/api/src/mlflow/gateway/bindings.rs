//! `/mlflow/gateway/endpoints/bindings/…`: what uses an endpoint.

use axum::Json;
use axum::http::Method;
use lazuli_core::gateway::bindings::{Search, Use};
use lazuli_spec::gateway::endpoints::Binding;
use serde_json::{Value, json};

use super::super::errors::MlflowResult;
use super::super::json::Message;
use super::super::registered_models::{given, paged};
use super::super::{Call, Paths};
use super::{Answer, DELETE, READ, WRITE, stamped};
use crate::routing::Routes;

pub(super) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "3.0/mlflow/gateway/endpoints/bindings/");
    paths.add(Method::POST, "create", WRITE, create);
    paths.add(Method::DELETE, "delete", DELETE, delete);
    paths.add(Method::GET, "list", READ, list);
}

async fn create(call: Call) -> Answer {
    let by = given(&call.fields, "created_by")?;
    let made = call
        .core
        .create_gateway_binding(&call.caller, &call.workspace, wanted(&call.fields)?, by)
        .await?;
    Ok(Json(json!({ "binding": shown(&made) })))
}

async fn delete(call: Call) -> Answer {
    call.core
        .delete_gateway_binding(&call.caller, &call.workspace, wanted(&call.fields)?)
        .await?;
    Ok(Json(json!({})))
}

async fn list(call: Call) -> Answer {
    let search = Search {
        endpoint_id: given(&call.fields, "endpoint_id")?,
        resource_type: given(&call.fields, "resource_type")?,
        resource_id: given(&call.fields, "resource_id")?,
    };
    let found = call
        .core
        .list_gateway_bindings(&call.caller, &call.workspace, search)
        .await?;
    let found = found.iter().map(shown).collect();
    Ok(Json(paged("bindings", found, None)))
}

fn wanted(fields: &Message) -> MlflowResult<Use> {
    Ok(Use {
        endpoint_id: fields.required("endpoint_id")?.to_owned(),
        resource_type: fields.required("resource_type")?.to_owned(),
        resource_id: fields.required("resource_id")?.to_owned(),
    })
}

/// A use as clients read it.
fn shown(binding: &Binding) -> Value {
    let answer = json!({
        "endpoint_id": binding.endpoint_id,
        "resource_type": binding.resource_type,
        "resource_id": binding.resource_id,
    });
    stamped(answer, &binding.stamps)
}
