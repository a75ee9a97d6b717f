//! `/api/v1/runner`: what a job's own runner asks and tells, with the job's token. No workspace in the path: the token says which.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use lazuli_spec::runner::{
    Heartbeat, LogReply, OutputReport, RunnerPlan, RunnerReply, StateReport,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path, Query};
use super::job_query::LogPlace;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// Whether the job is to end now.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunnerReplyView {
    cancel: bool,
}

/// The log's length on the server.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogReplyView {
    next_offset: u64,
}

impl From<RunnerReply> for RunnerReplyView {
    fn from(reply: RunnerReply) -> Self {
        Self {
            cancel: reply.cancel,
        }
    }
}

impl From<LogReply> for LogReplyView {
    fn from(reply: LogReply) -> Self {
        Self {
            next_offset: reply.next_offset,
        }
    }
}

/// The routes of the runner protocol.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(Permission::Runner, routes!(get_plan));
    routes.rest(Permission::Runner, routes!(report_state));
    routes.rest(Permission::Runner, routes!(report_heartbeat));
    routes.rest(Permission::Runner, routes!(append_log));
    routes.rest(Permission::Runner, routes!(report_output));
}

/// What the job's runner is to do.
#[utoipa::path(get, path = "/api/v1/runner/plan", tag = "runner",
    responses((status = 200, body = Object), (status = "4XX", body = ProblemDetails)))]
async fn get_plan(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> RestResult<Json<RunnerPlan>> {
    Ok(Json(app.core.runner_plan(&caller).await?))
}

/// The runner reports a state. A repeated report changes nothing.
#[utoipa::path(post, path = "/api/v1/runner/state", tag = "runner", request_body = Object,
    responses((status = 200, body = RunnerReplyView), (status = "4XX", body = ProblemDetails)))]
async fn report_state(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Json(report): Json<StateReport>,
) -> RestResult<Json<RunnerReplyView>> {
    Ok(Json(app.core.runner_state(&caller, report).await?.into()))
}

/// The runner is alive.
#[utoipa::path(post, path = "/api/v1/runner/heartbeat", tag = "runner", request_body = Object,
    responses((status = 200, body = RunnerReplyView), (status = "4XX", body = ProblemDetails)))]
async fn report_heartbeat(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Json(beat): Json<Heartbeat>,
) -> RestResult<Json<RunnerReplyView>> {
    Ok(Json(app.core.runner_heartbeat(&caller, beat).await?.into()))
}

/// The runner sends bytes of a log. Bytes that are there already are skipped.
#[utoipa::path(post, path = "/api/v1/runner/logs", tag = "runner", params(LogPlace),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, body = LogReplyView), (status = "4XX", body = ProblemDetails)))]
async fn append_log(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Query(place): Query<LogPlace>,
    body: Bytes,
) -> RestResult<Json<LogReplyView>> {
    Ok(Json(
        app.core
            .runner_log(&caller, &place.name, place.offset, body.to_vec())
            .await?
            .into(),
    ))
}

/// The runner names the content of an output, which must be stored already.
#[utoipa::path(put, path = "/api/v1/runner/outputs/{name}", tag = "runner", params(("name" = String, Path)), request_body = Object,
    responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn report_output(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
    Json(report): Json<OutputReport>,
) -> RestResult<StatusCode> {
    app.core.runner_output(&caller, &name, report).await?;
    Ok(StatusCode::NO_CONTENT)
}
