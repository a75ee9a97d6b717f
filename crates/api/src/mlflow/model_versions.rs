//! `/mlflow/model-versions/…`

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use lazuli_core::models::NewVersion;
use lazuli_spec::Action;
use lazuli_spec::models::ModelVersion;
use serde_json::{Value, json};

use super::errors::MlflowResult;
use super::json::Message;
use super::registered_models::{any_text, flag, given, one_tag, paged, search_request};
use super::{MlflowCaller, on_both};
use crate::AppState;
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::ModelsRead);
const WRITE: Permission = Permission::Workspace(Action::ModelsWrite);
const DELETE: Permission = Permission::Workspace(Action::ModelsDelete);

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let path = |verb: &str| format!("2.0/mlflow/model-versions/{verb}");
    on_both(routes, Method::POST, &path("create"), WRITE, create);
    on_both(routes, Method::PATCH, &path("update"), WRITE, update);
    on_both(
        routes,
        Method::POST,
        &path("transition-stage"),
        WRITE,
        transition,
    );
    on_both(routes, Method::DELETE, &path("delete"), DELETE, delete);
    on_both(routes, Method::GET, &path("get"), READ, get);
    on_both(routes, Method::GET, &path("search"), READ, search);
    on_both(
        routes,
        Method::GET,
        &path("get-download-uri"),
        READ,
        download_uri,
    );
    on_both(routes, Method::POST, &path("set-tag"), WRITE, set_tag);
    on_both(
        routes,
        Method::DELETE,
        &path("delete-tag"),
        WRITE,
        delete_tag,
    );
}

async fn create(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let new = NewVersion {
        name: fields.required("name")?.to_owned(),
        source: fields.required("source")?.to_owned(),
        run_id: given(&fields, "run_id")?,
        run_link: given(&fields, "run_link")?,
        model_id: given(&fields, "model_id")?,
        description: given(&fields, "description")?,
        tags: fields.pairs("tags")?,
    };
    let version = app
        .core
        .create_model_version(&caller, &workspace, new)
        .await?;
    Ok(one(version))
}

async fn update(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let (name, version) = (fields.required("name")?, fields.required("version")?);
    let description = any_text(&fields, "description")?;
    let changed = app
        .core
        .describe_model_version(&caller, &workspace, name, version, description)
        .await?;
    Ok(one(changed))
}

async fn transition(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let (name, version, stage) = (
        fields.required("name")?,
        fields.required("version")?,
        fields.required("stage")?,
    );
    let archive = flag(&fields, "archive_existing_versions")?;
    let moved = app
        .core
        .transition_model_version(&caller, &workspace, name, version, stage, archive)
        .await?;
    Ok(one(moved))
}

async fn delete(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let (name, version) = (fields.required("name")?, fields.required("version")?);
    app.core
        .delete_model_version(&caller, &workspace, name, version)
        .await?;
    Ok(Json(json!({})))
}

async fn get(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let (name, version) = (fields.required("name")?, fields.required("version")?);
    Ok(one(app
        .core
        .get_model_version(&caller, &workspace, name, version)
        .await?))
}

async fn search(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let wanted = search_request(&fields, 10_000)?;
    let page = app
        .core
        .search_model_versions(&caller, &workspace, wanted)
        .await?;
    let versions: Vec<Value> = page.items.into_iter().map(shown).collect();
    Ok(Json(paged(
        "model_versions",
        versions,
        page.next_page_token,
    )))
}

async fn download_uri(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let (name, version) = (fields.required("name")?, fields.required("version")?);
    let found = app
        .core
        .get_model_version(&caller, &workspace, name, version)
        .await?;
    Ok(Json(json!({ "artifact_uri": found.location })))
}

async fn set_tag(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let (name, version) = (fields.required("name")?, fields.required("version")?);
    let tag = one_tag(&fields)?;
    app.core
        .set_model_version_tag(&caller, &workspace, name, version, tag)
        .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(State(app): State<AppState>, who: MlflowCaller, fields: Message) -> Answer {
    let MlflowCaller { caller, workspace } = who;
    let (name, version, key) = (
        fields.required("name")?,
        fields.required("version")?,
        fields.required("key")?,
    );
    app.core
        .delete_model_version_tag(&caller, &workspace, name, version, key)
        .await?;
    Ok(Json(json!({})))
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
