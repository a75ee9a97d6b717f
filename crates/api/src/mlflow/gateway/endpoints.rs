//! `/mlflow/gateway/endpoints/…`: endpoints, their models and tags.

use axum::Json;
use axum::http::Method;
use lazuli_core::gateway::endpoints::{EndpointChange, Key};
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::gateway::endpoints::{
    self as rules, Endpoint, Fallback, FallbackStrategy, Linkage, Mapping, ModelConfig,
    RoutingStrategy,
};
use lazuli_spec::runs::KeyValue;
use serde_json::{Value, json};

use super::super::errors::MlflowResult;
use super::super::json::{Message, invalid, missing};
use super::super::registered_models::{flag, given, paged};
use super::super::{Call, Paths};
use super::model_definitions;
use super::{Answer, DELETE, READ, WRITE, stamped};
use crate::routing::Routes;

pub(super) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "3.0/mlflow/gateway/endpoints/");
    paths.add(Method::POST, "create", WRITE, create);
    paths.add(Method::GET, "get", READ, get);
    paths.add(Method::POST, "update", WRITE, update);
    paths.add(Method::DELETE, "delete", DELETE, delete);
    paths.add(Method::GET, "list", READ, list);
    paths.add(Method::POST, "models/attach", WRITE, attach);
    paths.add(Method::POST, "models/detach", WRITE, detach);
    paths.add(Method::POST, "set-tag", WRITE, set_tag);
    paths.add(Method::DELETE, "delete-tag", WRITE, delete_tag);
}

async fn create(call: Call) -> Answer {
    call.fields.required("name")?;
    if call.fields.list("model_configs")?.is_empty() {
        return Err(missing("model_configs"));
    }
    let change = change(&call.fields, "created_by")?;
    let made = call
        .core
        .create_gateway_endpoint(&call.caller, &call.workspace, change)
        .await?;
    Ok(one(&made))
}

async fn get(call: Call) -> Answer {
    let ids = (
        given(&call.fields, "endpoint_id")?,
        given(&call.fields, "name")?,
    );
    let key = match ids {
        (Some(id), None) => Key::Id(id),
        (None, Some(name)) => Key::Name(name),
        _ => {
            return Err(invalid(
                "Exactly one of endpoint_id or name must be provided",
            ));
        }
    };
    let found = call
        .core
        .get_gateway_endpoint(&call.caller, &call.workspace, key)
        .await?;
    Ok(one(&found))
}

async fn update(call: Call) -> Answer {
    let id = call.fields.required("endpoint_id")?;
    let change = change(&call.fields, "updated_by")?;
    let changed = call
        .core
        .update_gateway_endpoint(&call.caller, &call.workspace, id, change)
        .await?;
    Ok(one(&changed))
}

async fn delete(call: Call) -> Answer {
    let id = call.fields.required("endpoint_id")?;
    call.core
        .delete_gateway_endpoint(&call.caller, &call.workspace, id)
        .await?;
    Ok(Json(json!({})))
}

async fn list(call: Call) -> Answer {
    let provider = given(&call.fields, "provider")?;
    let found = call
        .core
        .list_gateway_endpoints(&call.caller, &call.workspace, provider)
        .await?;
    let found = found.iter().map(shown).collect();
    Ok(Json(paged("endpoints", found, None)))
}

async fn attach(call: Call) -> Answer {
    let id = call.fields.required("endpoint_id")?;
    let config = call.fields.message("model_config")?;
    let config = config.filter(|config| !config.is_empty());
    let config = config.ok_or_else(|| missing("model_config"))?;
    let config = model(&config, "model_config")?;
    let by = given(&call.fields, "created_by")?;
    let mapping = call
        .core
        .attach_gateway_model(&call.caller, &call.workspace, id, config, by)
        .await?;
    Ok(Json(json!({ "mapping": mapping_shown(&mapping) })))
}

async fn detach(call: Call) -> Answer {
    let id = call.fields.required("endpoint_id")?;
    let definition = call.fields.required("model_definition_id")?;
    call.core
        .detach_gateway_model(&call.caller, &call.workspace, id, definition)
        .await?;
    Ok(Json(json!({})))
}

async fn set_tag(call: Call) -> Answer {
    let id = call.fields.required("endpoint_id")?;
    let key = call.fields.required("key")?;
    let tag = KeyValue::new(key, call.fields.text_or_empty("value")?);
    call.core
        .set_gateway_endpoint_tag(&call.caller, &call.workspace, id, tag)
        .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(call: Call) -> Answer {
    let id = call.fields.required("endpoint_id")?;
    let key = call.fields.required("key")?;
    call.core
        .delete_gateway_endpoint_tag(&call.caller, &call.workspace, id, key)
        .await?;
    Ok(Json(json!({})))
}

/// The fields of a request that are there.
fn change(fields: &Message, by: &str) -> MlflowResult<EndpointChange> {
    let models = fields.messages("model_configs")?;
    if models.len() > rules::MODELS {
        return Err(rules::too_many_models().into());
    }
    let read = |(index, config)| model(config, &format!("model_configs[{index}]"));
    let models: Vec<ModelConfig> = models
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, _>>()?;
    let experiment = given(fields, "experiment_id")?;
    let experiment_id = experiment.map(|id| ExperimentId::parse(&id)).transpose()?;
    let routing = word(
        fields,
        "routing_strategy",
        RoutingStrategy::parse,
        RoutingStrategy::numbered,
    )?;
    let tracked = fields.get("usage_tracking").is_some();
    Ok(EndpointChange {
        name: given(fields, "name")?,
        models: Some(models).filter(|models| !models.is_empty()),
        routing,
        fallback: fields
            .message("fallback_config")?
            .as_ref()
            .map(fallback)
            .transpose()?,
        experiment_id,
        usage_tracking: tracked
            .then(|| flag(fields, "usage_tracking"))
            .transpose()?,
        by: given(fields, by)?,
    })
}

fn model(config: &Message, place: &str) -> MlflowResult<ModelConfig> {
    let linkage = word(config, "linkage_type", Linkage::parse, Linkage::numbered)?;
    let linkage = linkage.ok_or_else(|| {
        invalid(format!(
            "Invalid or missing value for required parameter 'linkage_type' in {place}. Must be one of: {}.",
            Linkage::WORDS.join(", ")
        ))
    })?;
    Ok(ModelConfig {
        definition_id: config.required("model_definition_id")?.to_owned(),
        linkage,
        weight: config.float("weight")?.unwrap_or(1.0),
        fallback_order: config.int("fallback_order")?,
    })
}

fn fallback(fields: &Message) -> MlflowResult<Fallback> {
    let (parse, numbered) = (FallbackStrategy::parse, FallbackStrategy::numbered);
    Ok(Fallback {
        strategy: word(fields, "strategy", parse, numbered)?,
        max_attempts: fields.int("max_attempts")?,
    })
}

/// A word of the protocol by its name or number; "unspecified" is none.
fn word<T>(
    fields: &Message,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
    numbered: impl Fn(i64) -> Option<T>,
) -> MlflowResult<Option<T>> {
    let found = match fields.get(name) {
        None => return Ok(None),
        Some(Value::String(text)) if text.is_empty() || text.ends_with("_UNSPECIFIED") => {
            return Ok(None);
        }
        Some(Value::String(text)) => parse(text),
        Some(Value::Number(number)) if number.as_i64() == Some(0) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64().and_then(numbered),
        Some(_) => None,
    };
    found.map(Some).ok_or_else(|| {
        invalid(format!(
            "Invalid value for parameter '{name}' supplied: it is no word of the protocol."
        ))
    })
}

fn one(endpoint: &Endpoint) -> Json<Value> {
    Json(json!({ "endpoint": shown(endpoint) }))
}

/// An endpoint as clients read it.
fn shown(endpoint: &Endpoint) -> Value {
    let mut answer = json!({
        "endpoint_id": endpoint.id,
        "name": endpoint.name,
        "usage_tracking": endpoint.usage_tracking,
    });
    if !endpoint.mappings.is_empty() {
        answer["model_mappings"] = endpoint.mappings.iter().map(mapping_shown).collect();
    }
    if !endpoint.tags.is_empty() {
        answer["tags"] = json!(endpoint.tags);
    }
    if let Some(routing) = endpoint.routing {
        answer["routing_strategy"] = routing.as_str().into();
    }
    if let Some(experiment) = endpoint.experiment_id {
        answer["experiment_id"] = experiment.to_string().into();
    }
    if let Some(fallback) = endpoint.fallback {
        answer["fallback_config"] = fallback_shown(fallback);
    }
    stamped(answer, &endpoint.stamps)
}

fn fallback_shown(fallback: Fallback) -> Value {
    let mut answer = json!({});
    if let Some(strategy) = fallback.strategy {
        answer["strategy"] = strategy.as_str().into();
    }
    if let Some(attempts) = fallback.max_attempts {
        answer["max_attempts"] = attempts.into();
    }
    answer
}

fn mapping_shown(mapping: &Mapping) -> Value {
    let mut answer = json!({
        "mapping_id": mapping.id,
        "endpoint_id": mapping.endpoint_id,
        "model_definition_id": mapping.definition.id,
        "model_definition": model_definitions::shown(&mapping.definition),
        "weight": mapping.weight,
        "linkage_type": mapping.linkage.as_str(),
        "created_at": mapping.created_at.as_millis(),
        "created_by": mapping.created_by,
    });
    if let Some(order) = mapping.fallback_order {
        answer["fallback_order"] = order.into();
    }
    answer
}
