//! `/mlflow/traces/get` and `/mlflow/traces/batchGet`: traces with their spans.

use axum::Json;
use axum::http::Method;
use lazuli_core::spans::WholeTrace;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::{Action, spans};
use serde_json::{Value, json};

use super::errors::MlflowResult;
use super::json::{Message, invalid, missing};
use super::registered_models::flag;
use super::traces;
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

type Answer = MlflowResult<Json<Value>>;

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::TracesRead);
    let mut paths = Paths::below(routes, "3.0/mlflow/traces");
    paths.add(Method::GET, "/get", read, get);
    paths.add(Method::GET, "/batchGet", read, batch_get);
}

async fn get(call: Call) -> Answer {
    let trace_id = call.fields.required("trace_id")?;
    let allow_partial = flag(&call.fields, "allow_partial")?;
    let trace = call
        .core
        .get_trace(&call.caller, &call.workspace, trace_id, allow_partial)
        .await?;
    Ok(Json(json!({ "trace": shown(&trace) })))
}

async fn batch_get(call: Call) -> Answer {
    let trace_ids = call.fields.query_texts("trace_ids")?;
    if trace_ids.is_empty() {
        return Err(missing("trace_ids"));
    }
    let experiments = experiments(&call.fields)?;
    let found = call
        .core
        .batch_get_traces(&call.caller, &call.workspace, trace_ids, experiments)
        .await?;
    let traces: Vec<Value> = found.iter().map(shown).collect();
    Ok(Json(if traces.is_empty() {
        json!({})
    } else {
        json!({ "traces": traces })
    }))
}

fn experiments(fields: &Message) -> MlflowResult<Option<Vec<ExperimentId>>> {
    if fields.get("experiment_ids").is_none() {
        return Ok(None);
    }
    let ids = fields.query_texts("experiment_ids")?;
    let ids = ids
        .iter()
        .map(|id| ExperimentId::parse(id).map_err(|error| invalid(error.0)));
    ids.collect::<MlflowResult<_>>().map(Some)
}

fn shown(trace: &WholeTrace) -> Value {
    let info = traces::shown(&trace.info);
    let spans: Vec<Value> = trace
        .spans
        .iter()
        .map(|span| spans::shown(&span.content))
        .collect();
    if spans.is_empty() {
        json!({ "trace_info": info })
    } else {
        json!({ "trace_info": info, "spans": spans })
    }
}
