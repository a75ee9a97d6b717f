//! Traces in the former protocol, in which the server makes up the id and a trace is begun and ended.

use axum::Json;
use axum::http::Method;
use lazuli_core::traces::EndTrace;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::traces::{TraceInfo, TraceState};
use serde_json::{Value, json};

use super::view::former;
use super::{Answer, READ, WRITE, experiments, query, read};
use crate::mlflow::errors::Path;
use crate::mlflow::json::missing;
use crate::mlflow::registered_models::paged;
use crate::mlflow::{Call, Paths};
use crate::routing::Routes;

pub(super) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "2.0/mlflow/traces");
    paths.add(Method::POST, "", WRITE, begin);
    paths.add(Method::GET, "", READ, search);
    paths.add(Method::PATCH, "/{trace_id}", WRITE, end);
    paths.add(Method::GET, "/{trace_id}/info", READ, get);
}

async fn begin(call: Call) -> Answer {
    let id = ExperimentId::parse(call.fields.text_or_empty("experiment_id")?)?;
    let time = call.fields.int("timestamp_ms")?.unwrap_or(0);
    let mut told = TraceInfo::new("", id, time);
    told.put_tags(call.fields.pairs("tags")?);
    told.put_metadata(call.fields.pairs("request_metadata")?);
    let info = call
        .core
        .begin_trace(&call.caller, &call.workspace, told)
        .await?;
    Ok(Json(json!({ "trace_info": former(&info) })))
}

async fn end(Path(trace_id): Path<String>, call: Call) -> Answer {
    let end = EndTrace {
        end_ms: call.fields.int("timestamp_ms")?.unwrap_or(0),
        state: call
            .fields
            .get("status")
            .map_or(Ok(TraceState::Unspecified), read::state)?,
        tags: call.fields.pairs("tags")?,
        metadata: call.fields.pairs("request_metadata")?,
    };
    let info = call
        .core
        .end_trace(&call.caller, &call.workspace, &trace_id, end)
        .await?;
    Ok(Json(json!({ "trace_info": former(&info) })))
}

async fn get(Path(trace_id): Path<String>, call: Call) -> Answer {
    let info = call
        .core
        .get_trace_info(&call.caller, &call.workspace, &trace_id)
        .await?;
    Ok(Json(json!({ "trace_info": former(&info) })))
}

async fn search(call: Call) -> Answer {
    let ids = call.fields.query_texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(missing("experiment_ids"));
    }
    let order = call.fields.query_texts("order_by")?;
    let page = call
        .core
        .search_traces(
            &call.caller,
            &call.workspace,
            query(&call.fields, experiments(&ids)?, order)?,
        )
        .await?;
    let traces: Vec<Value> = page.items.iter().map(former).collect();
    Ok(Json(paged("traces", traces, page.next_page_token)))
}
