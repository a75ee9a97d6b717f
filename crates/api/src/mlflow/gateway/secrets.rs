//! `/mlflow/gateway/secrets/…`. What is secret comes in and never goes out, not in a complaint either.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::Method;
use lazuli_core::gateway::secrets::{NewSecret, SecretChange};
use lazuli_spec::Action;
use lazuli_spec::gateway::secrets::{Secret, SecretValue};
use serde_json::{Value, json};

use super::super::errors::MlflowResult;
use super::super::json::{Message, invalid, missing};
use super::super::registered_models::{given, paged};
use super::super::{Call, Paths};
use super::{Answer, READ, stamped};
use crate::routing::{Permission, Routes};

const WRITE: Permission = Permission::Workspace(Action::GatewaySecretsWrite);
const DELETE: Permission = Permission::Workspace(Action::GatewaySecretsDelete);

pub(super) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "3.0/mlflow/gateway/secrets/");
    paths.add(Method::POST, "create", WRITE, create);
    paths.add(Method::GET, "get", READ, get);
    paths.add(Method::POST, "update", WRITE, update);
    paths.add(Method::DELETE, "delete", DELETE, delete);
    paths.add(Method::GET, "list", READ, list);
    paths.add(Method::GET, "config", READ, config);
}

async fn create(call: Call) -> Answer {
    let fields = &call.fields;
    let name = fields.required("secret_name")?.to_owned();
    let value = texts(fields, "secret_value")?.ok_or_else(|| missing("secret_value"))?;
    let new = NewSecret {
        name,
        value: SecretValue::new(value)?,
        provider: given(fields, "provider")?,
        settings: texts(fields, "auth_config")?.unwrap_or_default(),
        by: given(fields, "created_by")?,
    };
    let made = call
        .core
        .create_gateway_secret(&call.caller, &call.workspace, new)
        .await?;
    Ok(one(&made))
}

async fn get(call: Call) -> Answer {
    let id = call.fields.required("secret_id")?;
    let found = call
        .core
        .get_gateway_secret(&call.caller, &call.workspace, id)
        .await?;
    Ok(one(&found))
}

async fn update(call: Call) -> Answer {
    let fields = &call.fields;
    let id = fields.required("secret_id")?;
    // an empty map says nothing
    let some = |name| texts(fields, name).map(|map| map.filter(|map| !map.is_empty()));
    let change = SecretChange {
        value: some("secret_value")?.map(SecretValue::new).transpose()?,
        settings: some("auth_config")?,
        by: given(fields, "updated_by")?,
    };
    let changed = call
        .core
        .update_gateway_secret(&call.caller, &call.workspace, id, change)
        .await?;
    Ok(one(&changed))
}

async fn delete(call: Call) -> Answer {
    let id = call.fields.required("secret_id")?;
    call.core
        .delete_gateway_secret(&call.caller, &call.workspace, id)
        .await?;
    Ok(Json(json!({})))
}

async fn list(call: Call) -> Answer {
    let provider = given(&call.fields, "provider")?;
    let secrets = call
        .core
        .list_gateway_secrets(&call.caller, &call.workspace, provider)
        .await?;
    let secrets = secrets.iter().map(shown).collect();
    Ok(Json(paged("secrets", secrets, None)))
}

/// The key that seals is this server's own, made at its first start.
async fn config(_: Call) -> Answer {
    Ok(Json(
        json!({ "secrets_available": true, "using_default_passphrase": false }),
    ))
}

/// A map of texts, if it is there. The complaint shows nothing of it.
fn texts(fields: &Message, name: &str) -> MlflowResult<Option<BTreeMap<String, String>>> {
    let refuse = || {
        invalid(format!(
            "Invalid value for parameter '{name}' supplied: it must be an object whose values are text."
        ))
    };
    match fields.get(name) {
        None => Ok(None),
        Some(Value::Object(entries)) => {
            let owned =
                |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            let texts: Option<BTreeMap<_, _>> = entries.iter().map(owned).collect();
            texts.map(Some).ok_or_else(refuse)
        }
        Some(_) => Err(refuse()),
    }
}

fn one(secret: &Secret) -> Json<Value> {
    Json(json!({ "secret": shown(secret) }))
}

/// A secret as clients read it.
fn shown(secret: &Secret) -> Value {
    let mut answer = json!({
        "secret_id": secret.id,
        "secret_name": secret.name,
        "masked_values": secret.masked,
    });
    if let Some(provider) = &secret.provider {
        answer["provider"] = provider.as_str().into();
    }
    if !secret.settings.is_empty() {
        answer["auth_config"] = json!(secret.settings);
    }
    stamped(answer, &secret.stamps)
}
