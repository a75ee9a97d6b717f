//! Logs of a job: their names, a piece of one, and one as it is written.
//!
//! The stream is server-sent events: `log` events carry text as JSON and the place after it as their id, so that a broken stream
//! goes on where it stopped (`Last-Event-ID` or `offset`); `state` events tell each new state; `end` closes the stream.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use lazuli_core::Error;
use lazuli_core::jobs::logs::{LogFollower, LogSlice};
use lazuli_spec::Action;
use lazuli_spec::jobs::JobState;
use lazuli_spec::runner::STD_LOG;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path, Query};
use super::job_query::LogQuery;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogView {
    #[schema(example = "user_logs/std_log.txt")]
    name: String,
    /// Bytes so far.
    size: i64,
}

/// The logs of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogList {
    items: Vec<LogView>,
}

pub(super) fn add_routes(routes: &mut Routes) {
    routes.rest(
        Permission::Workspace(Action::JobsRead),
        routes!(list_job_logs),
    );
    routes.rest(
        Permission::Workspace(Action::JobsRead),
        routes!(get_job_log),
    );
    routes.rest(
        Permission::Workspace(Action::JobsRead),
        routes!(stream_job_log),
    );
}

/// The logs of a job.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/jobs/{name}/logs", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = LogList), (status = "4XX", body = ProblemDetails)))]
async fn list_job_logs(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Json<LogList>> {
    let logs = app.core.list_job_logs(&caller, &workspace, &name).await?;
    let items = logs.into_iter().map(|log| LogView {
        name: log.name,
        size: log.length,
    });
    Ok(Json(LogList {
        items: items.collect(),
    }))
}

/// What a log holds now, from an offset on.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/jobs/{name}/logs/content", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path), LogQuery),
    responses((status = 200, content_type = "text/plain", body = String), (status = "4XX", body = ProblemDetails)))]
async fn get_job_log(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
) -> RestResult<([(HeaderName, &'static str); 1], Body)> {
    let log = query.name.as_deref().unwrap_or(STD_LOG);
    let follower = app
        .core
        .follow_job_log(&caller, &workspace, &name, log, query.offset.unwrap_or(0))
        .await?;
    let pieces = stream::try_unfold(follower, |mut follower| async move {
        let slice = follower.read().await?;
        Ok::<_, Error>((!slice.bytes.is_empty()).then_some((slice.bytes, follower)))
    });
    Ok((
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        Body::from_stream(pieces),
    ))
}

/// A log as it is written, until the job ends.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/jobs/{name}/logs/stream", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path), LogQuery),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "4XX", body = ProblemDetails)))]
async fn stream_job_log(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> RestResult<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let resumed = headers
        .get(LAST_EVENT_ID)
        .and_then(|id| id.to_str().ok())
        .and_then(|id| id.trim().parse().ok());
    let log = query.name.as_deref().unwrap_or(STD_LOG);
    let offset = resumed.or(query.offset).unwrap_or(0);
    let follower = app
        .core
        .follow_job_log(&caller, &workspace, &name, log, offset)
        .await?;
    let telling = Telling {
        follower,
        state: None,
        is_over: false,
    };
    let events = stream::unfold(telling, |mut telling| async move {
        telling
            .next()
            .await
            .map(|events| (stream::iter(events), telling))
    });
    Ok(Sse::new(events.flatten().map(Ok)).keep_alive(KeepAlive::default()))
}

/// A log being told.
struct Telling {
    follower: LogFollower,
    state: Option<JobState>,
    is_over: bool,
}

impl Telling {
    /// The next events; none when all is told.
    async fn next(&mut self) -> Option<Vec<Event>> {
        if self.is_over {
            return None;
        }
        loop {
            let Ok(slice) = self.follower.read().await else {
                // the reader comes back where it stopped, and is told then what is wrong
                return None;
            };
            let is_last = slice.state.is_terminal() && slice.bytes.is_empty();
            let mut events = Vec::new();
            if self.state != Some(slice.state) && (!slice.state.is_terminal() || is_last) {
                self.state = Some(slice.state);
                events.push(
                    Event::default()
                        .event("state")
                        .data(format!("\"{}\"", slice.state)),
                );
            }
            events.extend(self.text(&slice));
            if is_last {
                self.is_over = true;
                events.push(
                    Event::default()
                        .event("end")
                        .data(format!("\"{}\"", slice.state)),
                );
            }
            if !events.is_empty() {
                return Some(events);
            }
            self.follower.wait().await;
        }
    }

    /// The slice as text. Half a character at its end is left for the next one.
    fn text(&mut self, slice: &LogSlice) -> Option<Event> {
        let whole = match std::str::from_utf8(&slice.bytes) {
            Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
                error.valid_up_to()
            }
            Err(error) if error.error_len().is_none() && !slice.state.is_terminal() => 0,
            _ => slice.bytes.len(),
        };
        self.follower.unread((slice.bytes.len() - whole) as u64);
        if whole == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&slice.bytes[..whole]);
        let data = serde_json::to_string(&text).unwrap_or_default();
        Some(
            Event::default()
                .event("log")
                .id(self.follower.offset().to_string())
                .data(data),
        )
    }
}
