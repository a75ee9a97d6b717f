//! `/mlflow/logged-models/…`

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use lazuli_core::Error;
use lazuli_core::logged_models::{LoggedModelSearch, NewLoggedModel, OrderField};
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::logged_models::{LoggedModel, LoggedModelMetric, LoggedModelStatus};
use lazuli_spec::{Action, ErrorCode};
use serde_json::{Value, json};

use super::errors::{MlflowError, MlflowResult, Path};
use super::json::{Message, missing};
use super::registered_models::{flag, given, max_results, paged};
use super::{Call, MlflowCaller, Paths};
use crate::AppState;
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::RunsRead);
const WRITE: Permission = Permission::Workspace(Action::RunsWrite);
const DELETE: Permission = Permission::Workspace(Action::RunsDelete);

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "2.0/mlflow/logged-models");
    paths.add(Method::POST, "", WRITE, create);
    paths.add(Method::POST, "/search", READ, search);
    paths.add(Method::GET, "/{model_id}", READ, get);
    paths.add(Method::PATCH, "/{model_id}", WRITE, finalize);
    paths.add(Method::DELETE, "/{model_id}", DELETE, delete);
    paths.add(Method::PATCH, "/{model_id}/tags", WRITE, set_tags);
    paths.add(Method::DELETE, "/{model_id}/tags/{key}", WRITE, delete_tag);
    paths.add(Method::POST, "/{model_id}/params", WRITE, log_params);
    paths.add(
        Method::GET,
        "/{model_id}/artifacts/directories",
        READ,
        list_artifacts,
    );
}

async fn create(call: Call) -> Answer {
    let new = NewLoggedModel {
        experiment_id: experiment(call.fields.required("experiment_id")?)?,
        name: given(&call.fields, "name")?,
        model_type: given(&call.fields, "model_type")?,
        source_run_id: given(&call.fields, "source_run_id")?,
        params: call.fields.pairs("params")?,
        tags: call.fields.pairs("tags")?,
    };
    Ok(one(call
        .core
        .create_logged_model(&call.caller, &call.workspace, new)
        .await?))
}

async fn get(Path(model_id): Path<String>, call: Call) -> Answer {
    let deleted_too = flag(&call.fields, "allow_deleted")?;
    Ok(one(call
        .core
        .get_logged_model(&call.caller, &call.workspace, &model_id, deleted_too)
        .await?))
}

async fn finalize(Path(model_id): Path<String>, call: Call) -> Answer {
    let status = status(&call.fields)?;
    Ok(one(call
        .core
        .finalize_logged_model(&call.caller, &call.workspace, &model_id, status)
        .await?))
}

async fn delete(
    State(app): State<AppState>,
    Path(model_id): Path<String>,
    who: MlflowCaller,
) -> Answer {
    app.core
        .delete_logged_model(&who.caller, &who.workspace, &model_id)
        .await?;
    Ok(Json(json!({})))
}

async fn set_tags(Path(model_id): Path<String>, call: Call) -> Answer {
    let tags = call.fields.pairs("tags")?;
    let model = call
        .core
        .set_logged_model_tags(&call.caller, &call.workspace, &model_id, tags)
        .await?;
    Ok(one(model))
}

async fn delete_tag(
    State(app): State<AppState>,
    Path((model_id, key)): Path<(String, String)>,
    who: MlflowCaller,
) -> Answer {
    app.core
        .delete_logged_model_tag(&who.caller, &who.workspace, &model_id, &key)
        .await?;
    Ok(Json(json!({})))
}

async fn log_params(Path(model_id): Path<String>, call: Call) -> Answer {
    let params = call.fields.pairs("params")?;
    call.core
        .log_logged_model_params(&call.caller, &call.workspace, &model_id, params)
        .await?;
    Ok(Json(json!({})))
}

async fn search(call: Call) -> Answer {
    let experiments = call.fields.texts("experiment_ids")?;
    if call.fields.get("experiment_ids").is_none() {
        return Err(missing("experiment_ids"));
    }
    let wanted = LoggedModelSearch {
        experiment_ids: experiments
            .iter()
            .map(|id| experiment(id))
            .collect::<MlflowResult<_>>()?,
        filter: given(&call.fields, "filter")?.unwrap_or_default(),
        datasets: call
            .fields
            .messages("datasets")?
            .iter()
            .map(filter_dataset)
            .collect::<MlflowResult<_>>()?,
        order_by: call
            .fields
            .messages("order_by")?
            .iter()
            .map(order)
            .collect::<MlflowResult<_>>()?,
        max_results: match max_results(&call.fields, 100)? {
            0 => 100,
            asked => asked,
        },
        page_token: given(&call.fields, "page_token")?,
    };
    let page = call
        .core
        .search_logged_models(&call.caller, &call.workspace, wanted)
        .await?;
    let models: Vec<Value> = page.items.into_iter().map(shown).collect();
    Ok(Json(paged("models", models, page.next_page_token)))
}

async fn list_artifacts(Path(model_id): Path<String>, call: Call) -> Answer {
    let folder = given(&call.fields, "artifact_directory_path")?;
    let (root, files) = call
        .core
        .list_logged_model_artifacts(&call.caller, &call.workspace, &model_id, folder.as_deref())
        .await?;
    let files: Vec<Value> = files
        .into_iter()
        .map(|file| match file.size {
            Some(size) => json!({ "path": file.path, "is_dir": false, "file_size": size }),
            None => json!({ "path": file.path, "is_dir": true }),
        })
        .collect();
    let mut answer = paged("files", files, None);
    answer["root_uri"] = root.into();
    Ok(Json(answer))
}

fn experiment(text: &str) -> MlflowResult<ExperimentId> {
    ExperimentId::parse(text)
        .map_err(|error| Error::new(ErrorCode::InvalidArgument, error.0).into())
}

/// The status as a number or as a word.
fn status(fields: &Message) -> MlflowResult<LoggedModelStatus> {
    let word = fields.text("status").ok().flatten();
    let named = word.and_then(LoggedModelStatus::parse);
    if let Some(status) = named {
        return Ok(status);
    }
    let number = fields.int("status")?.ok_or_else(|| missing("status"))?;
    let unknown = || {
        Error::new(
            ErrorCode::InvalidArgument,
            format!("Unknown model status: {number}"),
        )
    };
    Ok(LoggedModelStatus::from_number(number).ok_or_else(unknown)?)
}

type Dataset = lazuli_core::logged_models::Dataset;

fn filter_dataset(fields: &Message) -> MlflowResult<Dataset> {
    let unnamed = || {
        let message = "`dataset_name` in the `datasets` clause must be specified.";
        MlflowError::from(Error::new(ErrorCode::InvalidArgument, message))
    };
    let dataset = dataset(fields)?.filter(|dataset| dataset.name.is_some());
    dataset.ok_or_else(unnamed)
}

fn dataset(fields: &Message) -> MlflowResult<Option<Dataset>> {
    let dataset = Dataset {
        name: given(fields, "dataset_name")?,
        digest: given(fields, "dataset_digest")?,
    };
    Ok(Some(dataset).filter(|dataset| *dataset != Dataset::default()))
}

fn order(fields: &Message) -> MlflowResult<OrderField> {
    Ok(OrderField {
        field_name: fields.required("field_name")?.to_owned(),
        ascending: fields.get("ascending").is_none() || flag(fields, "ascending")?,
        dataset: dataset(fields)?,
    })
}

fn one(model: LoggedModel) -> Json<Value> {
    Json(json!({ "model": shown(model) }))
}

/// A logged model as clients read it.
fn shown(model: LoggedModel) -> Value {
    let mut info = json!({
        "model_id": model.model_id,
        "experiment_id": model.experiment_id,
        "name": model.name,
        "creation_timestamp_ms": model.created_at.as_millis(),
        "last_updated_timestamp_ms": model.updated_at.as_millis(),
        "artifact_uri": model.artifact_location,
        "status": model.status.as_str(),
        "model_type": model.model_type.unwrap_or_default(),
        "source_run_id": model.source_run_id.unwrap_or_default(),
    });
    if !model.tags.is_empty() {
        info["tags"] = json!(model.tags);
    }
    let mut data = json!({});
    if !model.params.is_empty() {
        data["params"] = json!(model.params);
    }
    if !model.metrics.is_empty() {
        let model_id = info["model_id"].clone();
        data["metrics"] = model
            .metrics
            .into_iter()
            .map(|metric| metric_shown(metric, &model_id))
            .collect();
    }
    json!({ "info": info, "data": data })
}

fn metric_shown(logged: LoggedModelMetric, model_id: &Value) -> Value {
    let metric = logged.metric;
    // protobuf's words for what JSON has none
    let value = match metric.value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    };
    let mut answer = json!({
        "key": metric.key, "value": value, "timestamp": metric.timestamp_ms, "step": metric.step,
        "model_id": model_id, "run_id": logged.run_id,
    });
    if let Some(name) = metric.dataset_name {
        answer["dataset_name"] = name.into();
    }
    if let Some(digest) = metric.dataset_digest {
        answer["dataset_digest"] = digest.into();
    }
    answer
}
