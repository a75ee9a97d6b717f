//! `/mlflow/model-versions/…`

use axum::Json;
use axum::http::Method;
use lazuli_core::models::NewVersion;
use lazuli_spec::Action;
use lazuli_spec::models::ModelVersion;
use serde_json::{Value, json};

use super::errors::MlflowResult;
use super::json::Message;
use super::registered_models::{any_text, flag, given, one_tag, paged, search_request};
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::ModelsRead);
const WRITE: Permission = Permission::Workspace(Action::ModelsWrite);
const DELETE: Permission = Permission::Workspace(Action::ModelsDelete);

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "2.0/mlflow/model-versions/");
    paths.add(Method::POST, "create", WRITE, create);
    paths.add(Method::PATCH, "update", WRITE, update);
    paths.add(Method::POST, "transition-stage", WRITE, transition);
    paths.add(Method::DELETE, "delete", DELETE, delete);
    paths.add(Method::GET, "get", READ, get);
    paths.add(Method::GET, "search", READ, search);
    paths.add(Method::GET, "get-download-uri", READ, download_uri);
    paths.add(Method::POST, "set-tag", WRITE, set_tag);
    paths.add(Method::DELETE, "delete-tag", WRITE, delete_tag);
}

async fn create(call: Call) -> Answer {
    let new = NewVersion {
        name: call.fields.required("name")?.to_owned(),
        source: call.fields.required("source")?.to_owned(),
        run_id: given(&call.fields, "run_id")?,
        run_link: given(&call.fields, "run_link")?,
        model_id: given(&call.fields, "model_id")?,
        description: given(&call.fields, "description")?,
        tags: call.fields.pairs("tags")?,
    };
    let version = call
        .core
        .create_model_version(&call.caller, &call.workspace, new)
        .await?;
    Ok(one(version))
}

async fn update(call: Call) -> Answer {
    let (name, version) = named(&call.fields)?;
    let description = any_text(&call.fields, "description")?;
    let changed = call
        .core
        .describe_model_version(&call.caller, &call.workspace, name, version, description)
        .await?;
    Ok(one(changed))
}

async fn transition(call: Call) -> Answer {
    let (name, version, stage) = (
        call.fields.required("name")?,
        call.fields.required("version")?,
        call.fields.required("stage")?,
    );
    let archive = flag(&call.fields, "archive_existing_versions")?;
    let moved = call
        .core
        .transition_model_version(&call.caller, &call.workspace, name, version, stage, archive)
        .await?;
    Ok(one(moved))
}

async fn delete(call: Call) -> Answer {
    let (name, version) = named(&call.fields)?;
    call.core
        .delete_model_version(&call.caller, &call.workspace, name, version)
        .await?;
    Ok(Json(json!({})))
}

async fn get(call: Call) -> Answer {
    let (name, version) = named(&call.fields)?;
    Ok(one(call
        .core
        .get_model_version(&call.caller, &call.workspace, name, version)
        .await?))
}

async fn search(call: Call) -> Answer {
    Ok(Json(searched(&call).await?))
}

/// The page of versions that is asked for.
pub(super) async fn searched(call: &Call) -> MlflowResult<Value> {
    let wanted = search_request(&call.fields, 10_000)?;
    let page = call
        .core
        .search_model_versions(&call.caller, &call.workspace, wanted)
        .await?;
    let versions: Vec<Value> = page.items.into_iter().map(shown).collect();
    Ok(paged("model_versions", versions, page.next_page_token))
}

async fn download_uri(call: Call) -> Answer {
    let (name, version) = named(&call.fields)?;
    let found = call
        .core
        .get_model_version(&call.caller, &call.workspace, name, version)
        .await?;
    Ok(Json(json!({ "artifact_uri": found.location })))
}

async fn set_tag(call: Call) -> Answer {
    let (name, version) = named(&call.fields)?;
    let tag = one_tag(&call.fields)?;
    call.core
        .set_model_version_tag(&call.caller, &call.workspace, name, version, tag)
        .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(call: Call) -> Answer {
    let (name, version, key) = (
        call.fields.required("name")?,
        call.fields.required("version")?,
        call.fields.required("key")?,
    );
    call.core
        .delete_model_version_tag(&call.caller, &call.workspace, name, version, key)
        .await?;
    Ok(Json(json!({})))
}

/// The model's name and the version.
fn named(fields: &Message) -> MlflowResult<(&str, &str)> {
    Ok((fields.required("name")?, fields.required("version")?))
}

fn one(version: ModelVersion) -> Json<Value> {
    Json(json!({ "model_version": shown(version) }))
}

/// A version as clients read it.
pub(super) fn shown(version: ModelVersion) -> Value {
    let mut answer = json!({
        "name": version.name,
        "version": version.version,
        "creation_timestamp": version.created_at.as_millis(),
        "last_updated_timestamp": version.updated_at.as_millis(),
        "user_id": version.user_id,
        "current_stage": version.stage.as_str(),
        "source": version.source,
        "run_id": version.run_id.unwrap_or_default(),
        "run_link": version.run_link.unwrap_or_default(),
        "status": "READY",
    });
    if let Some(description) = version.description {
        answer["description"] = description.into();
    }
    if let Some(model_id) = version.model_id {
        answer["model_id"] = model_id.into();
    }
    if !version.tags.is_empty() {
        answer["tags"] = json!(version.tags);
    }
    if !version.aliases.is_empty() {
        answer["aliases"] = json!(version.aliases);
    }
    answer
}
