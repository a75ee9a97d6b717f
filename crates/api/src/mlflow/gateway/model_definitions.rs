//! `/mlflow/gateway/model-definitions/…`

use axum::Json;
use axum::http::Method;
use lazuli_core::gateway::model_definitions::{DefinitionChange, NewDefinition, Search};
use lazuli_spec::gateway::model_definitions::ModelDefinition;
use serde_json::{Value, json};

use super::super::registered_models::{given, paged};
use super::super::{Call, Paths};
use super::{Answer, DELETE, READ, WRITE, stamped};
use crate::routing::Routes;

pub(super) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "3.0/mlflow/gateway/model-definitions/");
    paths.add(Method::POST, "create", WRITE, create);
    paths.add(Method::GET, "get", READ, get);
    paths.add(Method::GET, "list", READ, list);
    paths.add(Method::POST, "update", WRITE, update);
    paths.add(Method::DELETE, "delete", DELETE, delete);
}

async fn create(call: Call) -> Answer {
    let fields = &call.fields;
    let new = NewDefinition {
        name: fields.required("name")?.to_owned(),
        secret_id: fields.required("secret_id")?.to_owned(),
        provider: fields.required("provider")?.to_owned(),
        model_name: fields.required("model_name")?.to_owned(),
        by: given(fields, "created_by")?,
    };
    let made = call
        .core
        .create_gateway_model_definition(&call.caller, &call.workspace, new)
        .await?;
    Ok(one(&made))
}

async fn get(call: Call) -> Answer {
    let id = call.fields.required("model_definition_id")?;
    let found = call
        .core
        .get_gateway_model_definition(&call.caller, &call.workspace, id)
        .await?;
    Ok(one(&found))
}

async fn list(call: Call) -> Answer {
    let search = Search {
        provider: given(&call.fields, "provider")?,
        secret_id: given(&call.fields, "secret_id")?,
    };
    let found = call
        .core
        .list_gateway_model_definitions(&call.caller, &call.workspace, search)
        .await?;
    let found = found.iter().map(shown).collect();
    Ok(Json(paged("model_definitions", found, None)))
}

async fn update(call: Call) -> Answer {
    let fields = &call.fields;
    let id = fields.required("model_definition_id")?;
    let change = DefinitionChange {
        name: given(fields, "name")?,
        secret_id: given(fields, "secret_id")?,
        provider: given(fields, "provider")?,
        model_name: given(fields, "model_name")?,
        by: given(fields, "updated_by")?,
    };
    let changed = call
        .core
        .update_gateway_model_definition(&call.caller, &call.workspace, id, change)
        .await?;
    Ok(one(&changed))
}

async fn delete(call: Call) -> Answer {
    let id = call.fields.required("model_definition_id")?;
    call.core
        .delete_gateway_model_definition(&call.caller, &call.workspace, id)
        .await?;
    Ok(Json(json!({})))
}

fn one(definition: &ModelDefinition) -> Json<Value> {
    Json(json!({ "model_definition": shown(definition) }))
}

/// A definition as clients read it.
pub(super) fn shown(definition: &ModelDefinition) -> Value {
    let mut answer = json!({
        "model_definition_id": definition.id,
        "name": definition.name,
        "provider": definition.provider,
        "model_name": definition.model_name,
    });
    for (name, value) in [
        ("secret_id", &definition.secret_id),
        ("secret_name", &definition.secret_name),
    ] {
        if let Some(value) = value {
            answer[name] = value.as_str().into();
        }
    }
    stamped(answer, &definition.stamps)
}
