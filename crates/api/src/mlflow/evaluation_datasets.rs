//! `/mlflow/datasets/…`: evaluation data sets and their records.

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use lazuli_core::experiments::SearchRequest;
use lazuli_spec::Action;
use lazuli_spec::evaluation_datasets::{self as rules, EvaluationDataset};
use lazuli_spec::evaluation_records::{self, EvaluationRecord, Source};
use lazuli_spec::experiments::{ExperimentId, View};
use lazuli_spec::{limits, python_json};
use serde_json::{Map, Value, json};

use super::errors::{MlflowResult, Path};
use super::json::Message;
use super::registered_models::{given, max_results, paged};
use super::{Call, MlflowCaller, Paths};
use crate::AppState;
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::EvaluationDatasetsRead);
const WRITE: Permission = Permission::Workspace(Action::EvaluationDatasetsWrite);
const DELETE: Permission = Permission::Workspace(Action::EvaluationDatasetsDelete);

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "3.0/mlflow/datasets/");
    paths.add(Method::POST, "create", WRITE, create);
    paths.add(Method::POST, "search", READ, search);
    paths.add(Method::GET, "search", READ, search);
    paths.add(Method::GET, "{dataset_id}", READ, get);
    paths.add(Method::DELETE, "{dataset_id}", DELETE, delete);
    paths.add(Method::PATCH, "{dataset_id}/tags", WRITE, set_tags);
    paths.add(Method::DELETE, "{dataset_id}/tags/{key}", WRITE, delete_tag);
    paths.add(Method::POST, "{dataset_id}/records", WRITE, upsert);
    paths.add(Method::GET, "{dataset_id}/records", READ, records);
    paths.add(
        Method::DELETE,
        "{dataset_id}/records",
        DELETE,
        delete_records,
    );
    paths.add(
        Method::GET,
        "{dataset_id}/experiment-ids",
        READ,
        experiments,
    );
    paths.add(Method::POST, "{dataset_id}/add-experiments", WRITE, add_to);
    paths.add(
        Method::POST,
        "{dataset_id}/remove-experiments",
        WRITE,
        remove_from,
    );
}

async fn create(call: Call) -> Answer {
    let name = call.fields.required("name")?;
    let tags = match given(&call.fields, "tags")? {
        Some(text) => rules::tags(&text)?,
        None => Vec::new(),
    };
    let used_by = experiment_ids(&call.fields)?;
    let dataset = call
        .core
        .create_evaluation_dataset(&call.caller, &call.workspace, name, tags, used_by.clone())
        .await?;
    let mut answer = shown(dataset);
    if !used_by.is_empty() {
        answer["experiment_ids"] = json!(used_by);
    }
    Ok(Json(json!({ "dataset": answer })))
}

async fn get(
    State(app): State<AppState>,
    Path(dataset_id): Path<String>,
    who: MlflowCaller,
) -> Answer {
    let dataset = app
        .core
        .get_evaluation_dataset(&who.caller, &who.workspace, &dataset_id)
        .await?;
    Ok(one(dataset))
}

async fn delete(
    State(app): State<AppState>,
    Path(dataset_id): Path<String>,
    who: MlflowCaller,
) -> Answer {
    app.core
        .delete_evaluation_dataset(&who.caller, &who.workspace, &dataset_id)
        .await?;
    Ok(Json(json!({})))
}

async fn search(call: Call) -> Answer {
    let request = SearchRequest {
        view: View::All,
        filter: given(&call.fields, "filter_string")?.unwrap_or_default(),
        order_by: call.fields.query_texts("order_by")?,
        limit: max_results(&call.fields, 1_000)?,
        page_token: given(&call.fields, "page_token")?,
    };
    let page = call
        .core
        .search_evaluation_datasets(
            &call.caller,
            &call.workspace,
            experiment_ids(&call.fields)?,
            request,
        )
        .await?;
    let datasets: Vec<Value> = page.items.into_iter().map(shown).collect();
    Ok(Json(paged("datasets", datasets, page.next_page_token)))
}

async fn set_tags(Path(dataset_id): Path<String>, call: Call) -> Answer {
    let tags = rules::tags(call.fields.required("tags")?)?;
    call.core
        .set_evaluation_dataset_tags(&call.caller, &call.workspace, &dataset_id, tags)
        .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(
    State(app): State<AppState>,
    Path((dataset_id, key)): Path<(String, String)>,
    who: MlflowCaller,
) -> Answer {
    app.core
        .delete_evaluation_dataset_tag(&who.caller, &who.workspace, &dataset_id, &key)
        .await?;
    Ok(Json(json!({})))
}

async fn upsert(Path(dataset_id): Path<String>, call: Call) -> Answer {
    let records = evaluation_records::sent(call.fields.required("records")?)?;
    let done = call
        .core
        .upsert_evaluation_records(&call.caller, &call.workspace, &dataset_id, records)
        .await?;
    Ok(Json(json!({
        "inserted_count": done.inserted, "updated_count": done.updated,
    })))
}

async fn records(Path(dataset_id): Path<String>, call: Call) -> Answer {
    let asked = call.fields.int("max_results")?.filter(|asked| *asked != 0);
    let limit = limits::page_size(asked.unwrap_or(1_000))?;
    let token = given(&call.fields, "page_token")?;
    let page = call
        .core
        .list_evaluation_records(
            &call.caller,
            &call.workspace,
            &dataset_id,
            limit,
            token.as_deref(),
        )
        .await?;
    let records: Value = page
        .items
        .into_iter()
        .map(|record| record_shown(&dataset_id, record))
        .collect();
    // the list travels as a text within the answer
    let mut answer = json!({ "records": python_json::text(&records) });
    if let Some(token) = page.next_page_token {
        answer["next_page_token"] = token.into();
    }
    Ok(Json(answer))
}

async fn delete_records(Path(dataset_id): Path<String>, call: Call) -> Answer {
    let ids = call.fields.texts("dataset_record_ids")?;
    let gone = call
        .core
        .delete_evaluation_records(&call.caller, &call.workspace, &dataset_id, ids)
        .await?;
    Ok(Json(json!({ "deleted_count": gone })))
}

async fn experiments(
    State(app): State<AppState>,
    Path(dataset_id): Path<String>,
    who: MlflowCaller,
) -> Answer {
    let ids = app
        .core
        .evaluation_dataset_experiments(&who.caller, &who.workspace, &dataset_id)
        .await?;
    let ids: Vec<Value> = ids.into_iter().map(|id| json!(id)).collect();
    Ok(Json(paged("experiment_ids", ids, None)))
}

async fn add_to(Path(dataset_id): Path<String>, call: Call) -> Answer {
    let ids = experiment_ids(&call.fields)?;
    let dataset = call
        .core
        .add_evaluation_dataset_to_experiments(&call.caller, &call.workspace, &dataset_id, ids)
        .await?;
    Ok(one(dataset))
}

async fn remove_from(Path(dataset_id): Path<String>, call: Call) -> Answer {
    let ids = experiment_ids(&call.fields)?;
    let dataset = call
        .core
        .remove_evaluation_dataset_from_experiments(&call.caller, &call.workspace, &dataset_id, ids)
        .await?;
    Ok(one(dataset))
}

fn experiment_ids(fields: &Message) -> MlflowResult<Vec<ExperimentId>> {
    Ok(rules::experiments(&fields.query_texts("experiment_ids")?)?)
}

fn one(dataset: EvaluationDataset) -> Json<Value> {
    Json(json!({ "dataset": shown(dataset) }))
}

/// A data set as clients read it. They ask for its experiments when they need them.
fn shown(dataset: EvaluationDataset) -> Value {
    let profile = dataset.profile();
    let tags: Map<String, Value> = dataset
        .tags
        .into_iter()
        .map(|tag| (tag.key, tag.value.into()))
        .collect();
    let mut answer = json!({
        "dataset_id": dataset.dataset_id,
        "name": dataset.name,
        "tags": python_json::text(&tags.into()),
        "digest": dataset.digest,
        "created_time": dataset.created_at.as_millis(),
        "last_update_time": dataset.updated_at.as_millis(),
    });
    let optional = [
        ("schema", dataset.schema),
        ("profile", profile),
        ("created_by", dataset.created_by),
        ("last_updated_by", dataset.last_updated_by),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            answer[name] = value.into();
        }
    }
    answer
}

fn record_shown(dataset_id: &str, record: EvaluationRecord) -> Value {
    let mut answer = json!({
        "dataset_record_id": record.record_id,
        "dataset_id": dataset_id,
        "inputs": record.inputs,
        "tags": record.tags,
        "created_time": record.created_at.as_millis(),
        "last_update_time": record.updated_at.as_millis(),
    });
    let source = record.source.as_ref();
    let optional = [
        ("outputs", record.outputs),
        ("expectations", record.expectations.map(Value::Object)),
        ("source", source.map(Source::to_json)),
        ("source_id", source.and_then(Source::id).map(Value::from)),
        (
            "source_type",
            source.map(|source| source.kind.as_str().into()),
        ),
        ("created_by", record.created_by.map(Value::from)),
        ("last_updated_by", record.last_updated_by.map(Value::from)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            answer[name] = value;
        }
    }
    answer
}
