//! `/mlflow/registered-models/…`

use axum::Json;
use axum::http::Method;
use lazuli_core::models::SearchRequest;
use lazuli_spec::Action;
use lazuli_spec::models::RegisteredModel;
use lazuli_spec::runs::KeyValue;
use serde_json::{Map, Value, json};

use super::errors::MlflowResult;
use super::json::{Message, invalid};
use super::model_versions::shown as version_shown;
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::ModelsRead);
const WRITE: Permission = Permission::Workspace(Action::ModelsWrite);
const DELETE: Permission = Permission::Workspace(Action::ModelsDelete);

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "2.0/mlflow/registered-models/");
    paths.add(Method::POST, "create", WRITE, create);
    paths.add(Method::POST, "rename", WRITE, rename);
    paths.add(Method::PATCH, "update", WRITE, update);
    paths.add(Method::DELETE, "delete", DELETE, delete);
    paths.add(Method::GET, "get", READ, get);
    paths.add(Method::GET, "search", READ, search);
    paths.add(Method::GET, "get-latest-versions", READ, latest_versions);
    paths.add(Method::POST, "get-latest-versions", READ, latest_versions);
    paths.add(Method::POST, "set-tag", WRITE, set_tag);
    paths.add(Method::DELETE, "delete-tag", WRITE, delete_tag);
    paths.add(Method::POST, "alias", WRITE, set_alias);
    paths.add(Method::DELETE, "alias", WRITE, delete_alias);
    paths.add(Method::GET, "alias", READ, get_by_alias);
}

async fn create(call: Call) -> Answer {
    let (name, tags) = (call.fields.required("name")?, call.fields.pairs("tags")?);
    let model = call
        .core
        .create_registered_model(
            &call.caller,
            &call.workspace,
            name,
            tags,
            given(&call.fields, "description")?,
        )
        .await?;
    Ok(Json(json!({ "registered_model": shown(model) })))
}

async fn rename(call: Call) -> Answer {
    let (name, new_name) = (
        call.fields.required("name")?,
        call.fields.required("new_name")?,
    );
    let model = call
        .core
        .rename_registered_model(&call.caller, &call.workspace, name, new_name)
        .await?;
    Ok(Json(json!({ "registered_model": shown(model) })))
}

async fn update(call: Call) -> Answer {
    let name = call.fields.required("name")?;
    let description = any_text(&call.fields, "description")?;
    let model = call
        .core
        .describe_registered_model(&call.caller, &call.workspace, name, description)
        .await?;
    Ok(Json(json!({ "registered_model": shown(model) })))
}

async fn delete(call: Call) -> Answer {
    call.core
        .delete_registered_model(&call.caller, &call.workspace, call.fields.required("name")?)
        .await?;
    Ok(Json(json!({})))
}

async fn get(call: Call) -> Answer {
    let model = call
        .core
        .get_registered_model(&call.caller, &call.workspace, call.fields.required("name")?)
        .await?;
    Ok(Json(json!({ "registered_model": shown(model) })))
}

async fn search(call: Call) -> Answer {
    let wanted = search_request(&call.fields, 100)?;
    let page = call
        .core
        .search_registered_models(&call.caller, &call.workspace, wanted)
        .await?;
    let models: Vec<Value> = page.items.into_iter().map(shown).collect();
    Ok(Json(paged(
        "registered_models",
        models,
        page.next_page_token,
    )))
}

async fn latest_versions(call: Call) -> Answer {
    let (name, stages) = (
        call.fields.required("name")?,
        call.fields.query_texts("stages")?,
    );
    let versions = call
        .core
        .latest_model_versions(&call.caller, &call.workspace, name, &stages)
        .await?;
    let versions: Vec<Value> = versions.into_iter().map(version_shown).collect();
    Ok(Json(paged("model_versions", versions, None)))
}

async fn set_tag(call: Call) -> Answer {
    let name = call.fields.required("name")?;
    let tag = one_tag(&call.fields)?;
    call.core
        .set_registered_model_tag(&call.caller, &call.workspace, name, tag)
        .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(call: Call) -> Answer {
    let (name, key) = (call.fields.required("name")?, call.fields.required("key")?);
    call.core
        .delete_registered_model_tag(&call.caller, &call.workspace, name, key)
        .await?;
    Ok(Json(json!({})))
}

async fn set_alias(call: Call) -> Answer {
    let (name, alias, version) = (
        call.fields.required("name")?,
        call.fields.required("alias")?,
        call.fields.required("version")?,
    );
    call.core
        .set_model_alias(&call.caller, &call.workspace, name, alias, version)
        .await?;
    Ok(Json(json!({})))
}

async fn delete_alias(call: Call) -> Answer {
    let (name, alias) = (
        call.fields.required("name")?,
        call.fields.required("alias")?,
    );
    call.core
        .delete_model_alias(&call.caller, &call.workspace, name, alias)
        .await?;
    Ok(Json(json!({})))
}

async fn get_by_alias(call: Call) -> Answer {
    let (name, alias) = (
        call.fields.required("name")?,
        call.fields.required("alias")?,
    );
    let version = call
        .core
        .get_model_version_by_alias(&call.caller, &call.workspace, name, alias)
        .await?;
    Ok(Json(json!({ "model_version": version_shown(version) })))
}

/// The key and value of a request that sets one tag.
pub(super) fn one_tag(fields: &Message) -> MlflowResult<KeyValue> {
    Ok(KeyValue::new(
        fields.required("key")?,
        fields.text_or_empty("value")?,
    ))
}

/// A text that is there and not empty.
pub(super) fn given(fields: &Message, name: &str) -> MlflowResult<Option<String>> {
    Ok(fields
        .text(name)?
        .filter(|text| !text.is_empty())
        .map(str::to_owned))
}

/// A text that may be set to nothing.
pub(super) fn any_text(fields: &Message, name: &str) -> MlflowResult<Option<String>> {
    Ok(fields.text(name)?.map(str::to_owned))
}

/// A truth value, or a text of one; absent is false.
pub(super) fn flag(fields: &Message, name: &str) -> MlflowResult<bool> {
    match fields.get(name) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => Err(invalid(format!(
            "Invalid value {other} for parameter '{name}' supplied: it must be true or false."
        ))),
    }
}

/// How many results at most.
pub(super) fn max_results(fields: &Message, default: u32) -> MlflowResult<u32> {
    let asked = fields.int("max_results")?.unwrap_or(i64::from(default));
    u32::try_from(asked).map_err(|_| {
        invalid(format!("Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer"))
    })
}

/// What a search asks for.
pub(super) fn search_request(fields: &Message, default: u32) -> MlflowResult<SearchRequest> {
    Ok(SearchRequest {
        filter: given(fields, "filter")?.unwrap_or_default(),
        order_by: fields.query_texts("order_by")?,
        max_results: max_results(fields, default)?,
        page_token: given(fields, "page_token")?,
    })
}

/// A list under its name; empty ones are left out, as protobuf does.
pub(super) fn paged(name: &str, items: Vec<Value>, token: Option<String>) -> Value {
    let mut answer = Map::new();
    if !items.is_empty() {
        answer.insert(name.to_owned(), items.into());
    }
    if let Some(token) = token {
        answer.insert("next_page_token".to_owned(), token.into());
    }
    answer.into()
}

/// A registered model as clients read it.
fn shown(model: RegisteredModel) -> Value {
    let mut answer = json!({
        "name": model.name,
        "creation_timestamp": model.created_at.as_millis(),
        "last_updated_timestamp": model.updated_at.as_millis(),
    });
    let versions: Vec<Value> = model
        .latest_versions
        .into_iter()
        .map(version_shown)
        .collect();
    let lists = [
        ("latest_versions", json!(versions)),
        ("tags", json!(model.tags)),
        ("aliases", json!(model.aliases)),
    ];
    for (name, list) in lists {
        if list.as_array().is_some_and(|items| !items.is_empty()) {
            answer[name] = list;
        }
    }
    if let Some(description) = model.description.filter(|text| !text.is_empty()) {
        answer["description"] = description.into();
    }
    answer
}
