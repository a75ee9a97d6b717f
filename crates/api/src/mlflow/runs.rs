//! `mlflow/runs/*`, except what streams in (see `metrics.rs`).

use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Json, Response};
use lazuli_core::runs::{CreateRun, RunUpdate};
use lazuli_spec::experiments::{ExperimentId, Lifecycle};
use lazuli_spec::limits;
use lazuli_spec::runs::{Dataset, DatasetInput, ModelOutput, Run, RunStatus};
use lazuli_spec::{Action, Page, Timestamp};
use serde_json::{Value, json};

use super::errors::MlflowResult;
use super::experiments::{Empty, page_of, search_request};
use super::json::{Message, body_within, invalid, missing};
use super::views::{RunInfoView, RunView};
use super::{Call, MlflowCaller, Paths};
use crate::AppState;
use crate::routing::{Permission, Routes};

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::RunsRead);
    let write = Permission::Workspace(Action::RunsWrite);
    let delete = Permission::Workspace(Action::RunsDelete);
    let mut paths = Paths::below(routes, "2.0/mlflow/runs/");
    paths.add(Method::POST, "create", write, create);
    paths.add(Method::GET, "get", read, get);
    paths.add(Method::POST, "update", write, update);
    paths.add(Method::POST, "delete", delete, remove);
    paths.add(Method::POST, "restore", delete, restore);
    paths.add(Method::POST, "search", read, search);
    paths.add(Method::POST, "log-inputs", write, log_inputs);
    paths.add(Method::POST, "outputs", write, log_outputs);
    paths.add(Method::POST, "log-model", write, log_model);
}

async fn create(call: Call) -> MlflowResult<Response> {
    let asked = CreateRun {
        name: call.fields.text("run_name")?.map(str::to_owned),
        experiment_id: call
            .fields
            .text("experiment_id")?
            .map(ExperimentId::parse)
            .transpose()?,
        user_id: call.fields.text_or_empty("user_id")?.to_owned(),
        start_time: call.fields.int("start_time")?.map(Timestamp::from_millis),
        tags: call.fields.pairs("tags")?,
    };
    let run = call
        .core
        .create_run(&call.caller, &call.workspace, asked)
        .await?;
    Ok(Json(json!({ "run": RunView::from(&run) })).into_response())
}

/// The run that is asked for.
pub(super) async fn found(call: &Call) -> MlflowResult<Run> {
    let id = call.fields.run_id()?;
    Ok(call.core.get_run(&call.caller, &call.workspace, id).await?)
}

async fn get(call: Call) -> MlflowResult<Response> {
    let run = found(&call).await?;
    Ok(Json(json!({ "run": RunView::from(&run) })).into_response())
}

async fn update(call: Call) -> MlflowResult<Response> {
    let update = RunUpdate {
        status: call.fields.get("status").map(status).transpose()?,
        end_time: call.fields.int("end_time")?.map(Timestamp::from_millis),
        name: call.fields.text("run_name")?.map(str::to_owned),
    };
    let info = call
        .core
        .update_run(&call.caller, &call.workspace, call.fields.run_id()?, update)
        .await?;
    Ok(Json(json!({ "run_info": RunInfoView::from(&info) })).into_response())
}

fn status(value: &Value) -> MlflowResult<RunStatus> {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    RunStatus::parse(&text).ok_or_else(|| {
        invalid(format!(
            "Invalid value {value} for parameter 'status' supplied: it is one of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED."
        ))
    })
}

async fn remove(call: Call) -> MlflowResult<Json<Empty>> {
    move_to(call, Lifecycle::Deleted).await
}

async fn restore(call: Call) -> MlflowResult<Json<Empty>> {
    move_to(call, Lifecycle::Active).await
}

async fn move_to(call: Call, stage: Lifecycle) -> MlflowResult<Json<Empty>> {
    let run_id = call.fields.run_id()?;
    call.core
        .set_run_lifecycle(&call.caller, &call.workspace, run_id, stage)
        .await?;
    Ok(Json(Empty {}))
}

/// The page of runs that is asked for.
pub(super) async fn searched(call: &Call) -> MlflowResult<Page<Run>> {
    let limit = limits::page_size(call.fields.int("max_results")?.unwrap_or(1_000))?;
    let ids = call.fields.texts("experiment_ids")?;
    let ids = ids
        .iter()
        .map(|id| ExperimentId::parse(id))
        .collect::<Result<_, _>>()?;
    let request = search_request(&call.fields, "run_view_type", limit)?;
    Ok(call
        .core
        .search_runs(&call.caller, &call.workspace, ids, request)
        .await?)
}

async fn search(call: Call) -> MlflowResult<Response> {
    let page = searched(&call).await?;
    let runs: Vec<_> = page.items.iter().map(RunView::from).collect();
    Ok(page_of("runs", &runs, page.next_page_token.as_deref()))
}

/// Most bytes of a request that describes data sets: a profile alone may have 16 million characters.
const INPUTS: usize = 40 << 20;

async fn log_inputs(
    State(state): State<AppState>,
    who: MlflowCaller,
    request: Request,
) -> MlflowResult<Json<Empty>> {
    let limit = state.limits.json_body.max(INPUTS);
    let fields = Message::from_json(&body_within(request, limit).await?)?;
    let run_id = fields.required("run_id")?;
    let datasets = fields.messages("datasets")?;
    let datasets = datasets
        .iter()
        .map(dataset_input)
        .collect::<MlflowResult<_>>()?;
    let models = model_ids(&fields)?
        .into_iter()
        .map(|(model, _)| model)
        .collect();
    state
        .core
        .log_inputs(&who.caller, &who.workspace, run_id, datasets, models)
        .await?;
    Ok(Json(Empty {}))
}

fn dataset_input(message: &Message) -> MlflowResult<DatasetInput> {
    let dataset = message
        .message("dataset")?
        .ok_or_else(|| invalid("Dataset cannot be None"))?;
    let optional = |name| {
        Ok::<_, super::errors::MlflowError>(
            dataset
                .text(name)?
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        )
    };
    Ok(DatasetInput {
        dataset: Dataset {
            name: dataset.text_or_empty("name")?.to_owned(),
            digest: dataset.text_or_empty("digest")?.to_owned(),
            source_type: dataset.text_or_empty("source_type")?.to_owned(),
            source: dataset.text_or_empty("source")?.to_owned(),
            schema: optional("schema")?,
            profile: optional("profile")?,
        },
        tags: message.pairs("tags")?,
    })
}

/// The ids and steps of a list of models.
fn model_ids(message: &Message) -> MlflowResult<Vec<(String, i64)>> {
    let models = message.messages("models")?;
    let one = |model: &Message| {
        Ok((
            model.required("model_id")?.to_owned(),
            model.int("step")?.unwrap_or(0),
        ))
    };
    models.iter().map(one).collect()
}

async fn log_outputs(call: Call) -> MlflowResult<Json<Empty>> {
    let run_id = call.fields.required("run_id")?;
    if call.fields.get("models").is_none() {
        return Err(missing("models"));
    }
    let models = model_ids(&call.fields)?;
    let models = models
        .into_iter()
        .map(|(model_id, step)| ModelOutput { model_id, step })
        .collect();
    call.core
        .log_outputs(&call.caller, &call.workspace, run_id, models)
        .await?;
    Ok(Json(Empty {}))
}

async fn log_model(call: Call) -> MlflowResult<Json<Empty>> {
    let (run_id, text) = (
        call.fields.required("run_id")?,
        call.fields.required("model_json")?,
    );
    let malformed = || {
        invalid(format!(
            "Malformed model info. \n {text} \n is not a valid JSON."
        ))
    };
    let model: Value = serde_json::from_str(text).map_err(|_| malformed())?;
    let fields = model.as_object().ok_or_else(malformed)?;
    let mandatory = ["artifact_path", "flavors", "utc_time_created", "run_id"];
    let absent: Vec<String> = mandatory
        .iter()
        .filter(|name| !fields.contains_key(**name))
        .map(|name| format!("'{name}'"))
        .collect();
    if !absent.is_empty() {
        return Err(invalid(format!(
            "Model json is missing mandatory fields: {{{}}}",
            absent.join(", ")
        )));
    }
    call.core
        .record_logged_model(&call.caller, &call.workspace, run_id, history_entry(fields))
        .await?;
    Ok(Json(Empty {}))
}

/// What a run's history keeps of a model: not the parts that may be large or private.
fn history_entry(fields: &serde_json::Map<String, Value>) -> Value {
    let mut entry = fields.clone();
    if let Some(Value::Object(flavors)) = entry.get_mut("flavors") {
        for flavor in flavors.values_mut().filter_map(Value::as_object_mut) {
            flavor.remove("config");
        }
    }
    Value::Object(entry)
}
