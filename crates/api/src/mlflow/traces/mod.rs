//! `/mlflow/traces/…`, except what is about spans (`spans.rs`) and assessments (`assessments.rs`).

mod charts;
mod files;
mod former;
mod read;
mod view;

use axum::Json;
use axum::http::Method;
use lazuli_core::traces::{DeleteTraces, TraceQuery};
use lazuli_spec::Action;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::runs::KeyValue;
use serde_json::{Value, json};

use super::errors::{MlflowResult, Path};
use super::json::{Message, invalid, missing};
use super::registered_models::{given, one_tag, paged};
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

pub(crate) use view::shown;

type Answer = MlflowResult<Json<Value>>;

const READ: Permission = Permission::Workspace(Action::TracesRead);
const WRITE: Permission = Permission::Workspace(Action::TracesWrite);
const DELETE: Permission = Permission::Workspace(Action::TracesDelete);

/// Most traces on one page.
const PAGE: i64 = 500;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "3.0/mlflow/traces");
    paths.add(Method::POST, "", WRITE, start);
    paths.add(Method::GET, "/{trace_id}", READ, get);
    paths.add(Method::POST, "/search", READ, search);
    paths.add(Method::POST, "/batchGetInfos", READ, batch_get_infos);
    paths.add(Method::POST, "/metrics", READ, charts::metrics);
    let correlation = "/calculate-filter-correlation";
    paths.add(Method::POST, correlation, READ, charts::correlation);
    for version in ["3.0/mlflow/traces", "2.0/mlflow/traces"] {
        let mut paths = Paths::below(routes, version);
        paths.add(Method::POST, "/delete-traces", DELETE, delete);
        paths.add(Method::PATCH, "/{trace_id}/tags", WRITE, set_tag);
        paths.add(Method::DELETE, "/{trace_id}/tags", WRITE, delete_tag);
    }
    let mut paths = Paths::below(routes, "2.0/mlflow/traces");
    paths.add(Method::POST, "/link-to-run", WRITE, link_to_run);
    paths.add(Method::POST, "/link-prompts", WRITE, link_prompts);
    former::add_routes(routes);
    files::add_routes(routes);
}

async fn start(call: Call) -> Answer {
    let trace = call
        .fields
        .message("trace")?
        .ok_or_else(|| missing("trace"))?;
    let told = read::trace(&trace, &call.core)?;
    let info = call
        .core
        .start_trace(&call.caller, &call.workspace, told)
        .await?;
    Ok(Json(json!({ "trace": { "trace_info": shown(&info) } })))
}

async fn get(Path(trace_id): Path<String>, call: Call) -> Answer {
    let info = call
        .core
        .get_trace_info(&call.caller, &call.workspace, &trace_id)
        .await?;
    Ok(Json(json!({ "trace": { "trace_info": shown(&info) } })))
}

async fn batch_get_infos(call: Call) -> Answer {
    let trace_ids = call.fields.texts("trace_ids")?;
    if trace_ids.is_empty() {
        return Err(missing("trace_ids"));
    }
    let experiments = match call.fields.get("experiment_ids") {
        None => None,
        Some(_) => Some(experiments(&call.fields.texts("experiment_ids")?)?),
    };
    let found = call
        .core
        .get_trace_infos(&call.caller, &call.workspace, trace_ids, experiments)
        .await?;
    let infos: Vec<Value> = found.iter().map(shown).collect();
    Ok(Json(paged("trace_infos", infos, None)))
}

async fn search(call: Call) -> Answer {
    let locations = call.fields.messages("locations")?;
    if locations.is_empty() {
        return Err(missing("locations"));
    }
    let mut ids = Vec::with_capacity(locations.len());
    for location in &locations {
        if let Some(experiment) = location.message("mlflow_experiment")? {
            ids.push(experiment.text_or_empty("experiment_id")?.to_owned());
        }
    }
    let query = query(
        &call.fields,
        experiments(&ids)?,
        call.fields.texts("order_by")?,
    )?;
    let page = call
        .core
        .search_traces(&call.caller, &call.workspace, query)
        .await?;
    let traces: Vec<Value> = page.items.iter().map(shown).collect();
    Ok(Json(paged("traces", traces, page.next_page_token)))
}

/// What a search asks for, in either protocol.
fn query(
    fields: &Message,
    experiments: Vec<ExperimentId>,
    order_by: Vec<String>,
) -> MlflowResult<TraceQuery> {
    let asked = fields.int("max_results")?.unwrap_or(100);
    let rule = match asked {
        ..1 => "It must be a positive integer",
        1..=PAGE => "",
        _ => "It must be at most 500",
    };
    if !rule.is_empty() {
        return Err(invalid(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. {rule}"
        )));
    }
    Ok(TraceQuery {
        experiments,
        filter: fields.text_or_empty("filter")?.to_owned(),
        order_by,
        limit: u32::try_from(asked).unwrap_or(1),
        page_token: given(fields, "page_token")?,
    })
}

fn experiments(ids: &[String]) -> MlflowResult<Vec<ExperimentId>> {
    let ids = ids.iter().map(|id| ExperimentId::parse(id));
    Ok(ids.collect::<Result<_, _>>()?)
}

async fn delete(call: Call) -> Answer {
    let wanted = DeleteTraces {
        experiment_id: ExperimentId::parse(call.fields.required("experiment_id")?)?,
        until_ms: call.fields.int("max_timestamp_millis")?,
        most: call.fields.int("max_traces")?,
        trace_ids: call.fields.texts("request_ids")?,
    };
    let deleted = call
        .core
        .delete_traces(&call.caller, &call.workspace, wanted)
        .await?;
    Ok(Json(json!({ "traces_deleted": deleted })))
}

/// Tags that say where the server keeps a trace.
const SERVERS_OWN: [&str; 3] = [
    "mlflow.trace.spansLocation",
    "mlflow.trace.archiveLocation",
    "mlflow.trace.archivalFailure",
];

fn refuse_servers_own(key: &str, operation: &str) -> MlflowResult<()> {
    let failure_is_forgotten = operation == "deleted" && key == "mlflow.trace.archivalFailure";
    if SERVERS_OWN.contains(&key) && !failure_is_forgotten {
        return Err(invalid(format!(
            "Tag '{key}' is immutable and cannot be {operation} on a trace."
        )));
    }
    Ok(())
}

async fn set_tag(Path(trace_id): Path<String>, call: Call) -> Answer {
    let tag: KeyValue = one_tag(&call.fields)?;
    refuse_servers_own(&tag.key, "set")?;
    call.core
        .set_trace_tag(&call.caller, &call.workspace, &trace_id, tag)
        .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(Path(trace_id): Path<String>, call: Call) -> Answer {
    let key = call.fields.required("key")?;
    refuse_servers_own(key, "deleted")?;
    call.core
        .delete_trace_tag(&call.caller, &call.workspace, &trace_id, key)
        .await?;
    Ok(Json(json!({})))
}

async fn link_to_run(call: Call) -> Answer {
    let trace_ids = call.fields.texts("trace_ids")?;
    if trace_ids.is_empty() {
        return Err(missing("trace_ids"));
    }
    let run_id = call.fields.required("run_id")?;
    call.core
        .link_traces_to_run(&call.caller, &call.workspace, trace_ids, run_id)
        .await?;
    Ok(Json(json!({})))
}

async fn link_prompts(call: Call) -> Answer {
    let trace_id = call.fields.required("trace_id")?;
    let versions = call.fields.messages("prompt_versions")?;
    if versions.is_empty() {
        return Err(missing("prompt_versions"));
    }
    let prompt = |version: &Message| {
        let number = version.int("version")?.ok_or_else(|| missing("version"))?;
        Ok((version.required("name")?.to_owned(), number.to_string()))
    };
    let prompts = versions.iter().map(prompt).collect::<MlflowResult<_>>()?;
    call.core
        .link_prompts_to_trace(&call.caller, &call.workspace, trace_id, prompts)
        .await?;
    Ok(Json(json!({})))
}
