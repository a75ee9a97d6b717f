//! `mlflow/experiments/*`.

use axum::http::Method;
use axum::response::{IntoResponse, Json, Response};
use lazuli_core::experiments::{NewExperiment, SearchRequest};
use lazuli_spec::Action;
use lazuli_spec::experiments::{Experiment, ExperimentId, Lifecycle, View};
use lazuli_spec::limits;
use lazuli_spec::runs::KeyValue;
use serde_json::{Value, json};

use super::errors::MlflowResult;
use super::json::{Message, invalid};
use super::views::ExperimentView;
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::ExperimentsRead);
    let write = Permission::Workspace(Action::ExperimentsWrite);
    let delete = Permission::Workspace(Action::ExperimentsDelete);
    let mut paths = Paths::below(routes, "2.0/mlflow/experiments/");
    paths.add(Method::POST, "create", write, create);
    paths.add(Method::GET, "get", read, get);
    paths.add(Method::GET, "get-by-name", read, get_by_name);
    paths.add(Method::POST, "search", read, search);
    paths.add(Method::GET, "search", read, search);
    paths.add(Method::POST, "delete", delete, remove);
    paths.add(Method::POST, "restore", delete, restore);
    paths.add(Method::POST, "update", write, update);
    paths.add(Method::POST, "set-experiment-tag", write, set_tag);
    paths.add(Method::POST, "delete-experiment-tag", write, delete_tag);
    let runs = Permission::Workspace(Action::RunsRead);
    paths.add(Method::POST, "search-datasets", runs, search_datasets);
    // the client knows the same under an address with a letter missing
    let mut paths = Paths::below(routes, "2.0mlflow/experiments/");
    paths.add(Method::POST, "search-datasets", runs, search_datasets);
}

pub(super) fn id(message: &Message) -> MlflowResult<ExperimentId> {
    Ok(ExperimentId::parse(message.required("experiment_id")?)?)
}

async fn create(call: Call) -> MlflowResult<Response> {
    let location = call
        .fields
        .text("artifact_location")?
        .filter(|text| !text.is_empty());
    let new = NewExperiment {
        name: call.fields.required("name")?.to_owned(),
        artifact_location: location.map(checked_location).transpose()?,
        tags: call.fields.pairs("tags")?,
    };
    let id = call
        .core
        .create_experiment(&call.caller, &call.workspace, new)
        .await?;
    Ok(Json(json!({ "experiment_id": id.to_string() })).into_response())
}

/// A place for artifacts as the client gives it. The server hands it back and never opens it: what is not
/// `mlflow-artifacts:` is the clients' own business.
fn checked_location(location: &str) -> MlflowResult<String> {
    let decoded = percent_encoding::percent_decode_str(location).decode_utf8_lossy();
    let climbs = decoded.split(['/', '\\']).any(|part| part == "..");
    if location.contains('#') {
        return Err(invalid(
            "'artifact_location' URL can't include fragments or params.",
        ));
    }
    if climbs || location.contains('?') {
        return Err(invalid(format!(
            "Invalid value \"{location}\" for parameter 'artifact_location' supplied: it may not contain '..' or a query."
        )));
    }
    Ok(location.to_owned())
}

/// The experiment that is asked for.
pub(super) async fn found(call: &Call) -> MlflowResult<Experiment> {
    let id = id(&call.fields)?;
    Ok(call
        .core
        .get_experiment(&call.caller, &call.workspace, id)
        .await?)
}

async fn get(call: Call) -> MlflowResult<Response> {
    let found = found(&call).await?;
    Ok(Json(json!({ "experiment": ExperimentView::from(&found) })).into_response())
}

async fn get_by_name(call: Call) -> MlflowResult<Response> {
    let name = call.fields.required("experiment_name")?;
    let found = call
        .core
        .get_experiment_by_name(&call.caller, &call.workspace, name)
        .await?;
    Ok(Json(json!({ "experiment": ExperimentView::from(&found) })).into_response())
}

async fn remove(call: Call) -> MlflowResult<Json<Empty>> {
    move_to(call, Lifecycle::Deleted).await
}

async fn restore(call: Call) -> MlflowResult<Json<Empty>> {
    move_to(call, Lifecycle::Active).await
}

async fn move_to(call: Call, stage: Lifecycle) -> MlflowResult<Json<Empty>> {
    let id = id(&call.fields)?;
    call.core
        .set_experiment_lifecycle(&call.caller, &call.workspace, id, stage)
        .await?;
    Ok(Json(Empty {}))
}

async fn update(call: Call) -> MlflowResult<Json<Empty>> {
    let (id, name) = (id(&call.fields)?, call.fields.required("new_name")?);
    call.core
        .rename_experiment(&call.caller, &call.workspace, id, name)
        .await?;
    Ok(Json(Empty {}))
}

async fn set_tag(call: Call) -> MlflowResult<Json<Empty>> {
    let tag = KeyValue::new(
        call.fields.required("key")?,
        call.fields.text_or_empty("value")?,
    );
    call.core
        .set_experiment_tag(&call.caller, &call.workspace, id(&call.fields)?, tag)
        .await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(call: Call) -> MlflowResult<Json<Empty>> {
    let (id, key) = (id(&call.fields)?, call.fields.required("key")?);
    call.core
        .delete_experiment_tag(&call.caller, &call.workspace, id, key)
        .await?;
    Ok(Json(Empty {}))
}

/// An answer without fields.
#[derive(Debug, serde::Serialize)]
pub struct Empty {}

async fn search(call: Call) -> MlflowResult<Response> {
    // MLflow's own server insists on a number; its interface's description leaves the default to the server
    let asked = call.fields.int("max_results")?.unwrap_or(1_000);
    let request = search_request(&call.fields, "view_type", limits::page_size(asked)?)?;
    let page = call
        .core
        .search_experiments(&call.caller, &call.workspace, request)
        .await?;
    let experiments: Vec<_> = page.items.iter().map(ExperimentView::from).collect();
    Ok(page_of(
        "experiments",
        &experiments,
        page.next_page_token.as_deref(),
    ))
}

/// A page in the protocol's shape: an empty list is left out.
pub(super) fn page_of<T: serde::Serialize>(
    name: &str,
    items: &[T],
    token: Option<&str>,
) -> Response {
    use std::collections::BTreeMap;
    #[derive(serde::Serialize)]
    struct Page<'a, T> {
        #[serde(flatten, skip_serializing_if = "BTreeMap::is_empty")]
        items: BTreeMap<&'a str, &'a [T]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<&'a str>,
    }
    let items = if items.is_empty() {
        BTreeMap::new()
    } else {
        BTreeMap::from([(name, items)])
    };
    Json(Page {
        items,
        next_page_token: token,
    })
    .into_response()
}

/// The fields that all searches share.
pub(super) fn search_request(
    message: &Message,
    view: &str,
    limit: u32,
) -> MlflowResult<SearchRequest> {
    let view = match message.get(view) {
        None => View::Active,
        Some(value) => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            View::parse(&text).ok_or_else(|| {
                invalid(format!(
                    "Invalid value {value} for parameter '{view}' supplied."
                ))
            })?
        }
    };
    Ok(SearchRequest {
        view,
        filter: message.text_or_empty("filter")?.to_owned(),
        order_by: message.query_texts("order_by")?,
        limit,
        page_token: message
            .text("page_token")?
            .filter(|token| !token.is_empty())
            .map(str::to_owned),
    })
}

async fn search_datasets(call: Call) -> MlflowResult<Response> {
    let summaries = dataset_summaries(&call).await?;
    Ok(page_of("dataset_summaries", &summaries, None))
}

/// The data sets that runs of some experiments read.
pub(super) async fn dataset_summaries(call: &Call) -> MlflowResult<Vec<Value>> {
    const MOST: usize = 20;
    let ids = call.fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(invalid(
            "SearchDatasets request must specify at least one experiment_id.",
        ));
    }
    if ids.len() > MOST {
        let count = ids.len();
        return Err(invalid(format!(
            "SearchDatasets request cannot specify more than {MOST} experiment_ids. Received {count} experiment_ids."
        )));
    }
    let ids = ids
        .iter()
        .map(|id| ExperimentId::parse(id))
        .collect::<Result<_, _>>()?;
    let found = call
        .core
        .search_datasets(&call.caller, &call.workspace, ids)
        .await?;
    let summaries: Vec<_> = found
        .iter()
        .map(|(id, summary)| {
            let mut shown = json!({ "experiment_id": id.to_string(), "name": summary.name, "digest": summary.digest });
            if let (Some(context), Some(fields)) = (&summary.context, shown.as_object_mut()) {
                fields.insert("context".to_owned(), json!(context));
            }
            shown
        })
        .collect();
    Ok(summaries)
}
