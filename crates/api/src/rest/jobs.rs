//! `/api/v1/workspaces/{workspace}/jobs`.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::jobs::JobChange;
use lazuli_core::{Error, Result};
use lazuli_spec::jobs::CommandJob;
use lazuli_spec::yaml::Document;
use lazuli_spec::{Action, ErrorCode, PageRequest, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::endpoints::mistake;
use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged};
use super::job_query::JobQuery;
use super::job_view::JobView;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobList {
    items: Vec<JobView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// What of a job is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateJob {
    display_name: Option<String>,
    description: Option<String>,
    /// They replace the ones there are.
    tags: Option<BTreeMap<String, String>>,
    /// They replace the ones there are.
    properties: Option<BTreeMap<String, String>>,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(Permission::Workspace(Action::JobsRead), routes!(list_jobs));
    routes.rest(
        Permission::Workspace(Action::JobsWrite),
        routes!(create_job),
    );
    routes.rest(Permission::Workspace(Action::JobsRead), routes!(get_job));
    routes.rest(Permission::Workspace(Action::JobsWrite), routes!(put_job));
    routes.rest(
        Permission::Workspace(Action::JobsWrite),
        routes!(update_job),
    );
    routes.rest(
        Permission::Workspace(Action::JobsDelete),
        routes!(delete_job),
    );
    routes.rest(
        Permission::Workspace(Action::JobsCancel),
        routes!(cancel_job),
    );
    routes.rest(
        Permission::Workspace(Action::JobsWrite),
        routes!(archive_job),
    );
    routes.rest(
        Permission::Workspace(Action::JobsWrite),
        routes!(restore_job),
    );
    super::job_logs::add_routes(routes);
}

/// A body as a document, so that a mistake in it is told with its field.
pub(super) fn document(body: &Bytes) -> Result<Document> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Error::new(ErrorCode::MalformedBody, "the body is not UTF-8 text"))?;
    Document::parse("request body", text).map_err(|error| {
        let mut told = mistake(error.clone());
        told.code = ErrorCode::MalformedBody;
        told.message = error.to_string().into();
        told
    })
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/jobs", tag = "jobs",
    params(("workspace" = String, Path), JobQuery), responses((status = 200, body = JobList), (status = "4XX", body = ProblemDetails)))]
async fn list_jobs(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Query(query): Query<JobQuery>,
) -> RestResult<Json<JobList>> {
    let (filter, order) = query.filter()?;
    if query.parent_job_name.is_some() {
        return Ok(Json(JobList {
            items: Vec::new(),
            next_page_token: None,
        }));
    }
    let paging = PageRequest {
        limit: query.limit,
        page_token: query.page_token,
    };
    let page = app
        .core
        .list_jobs(&caller, &workspace, filter, order, paging)
        .await?
        .map(JobView::from);
    Ok(Json(JobList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// Submits a command job, in the fields of Azure ML's command job YAML (as JSON or YAML).
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/jobs", tag = "jobs",
    params(("workspace" = String, Path)), request_body(content = String, content_type = "application/json"),
    responses((status = 201, body = JobView), (status = "4XX", body = ProblemDetails)))]
async fn create_job(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    body: Bytes,
) -> RestResult<(StatusCode, Tagged<JobView>)> {
    let job = CommandJob::read(&document(&body)?).map_err(mistake)?;
    let made = app.core.submit_job(&caller, &workspace, job).await?;
    Ok((StatusCode::CREATED, tagged(made)))
}

/// Submits a command job under a name of one's own.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/jobs/{name}", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path)), request_body(content = String, content_type = "application/json"),
    responses((status = 201, body = JobView), (status = "4XX", body = ProblemDetails)))]
async fn put_job(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    body: Bytes,
) -> RestResult<(StatusCode, Tagged<JobView>)> {
    let mut document = document(&body)?;
    document.put("name", &name).map_err(mistake)?;
    let job = CommandJob::read(&document).map_err(mistake)?;
    let made = app.core.submit_job(&caller, &workspace, job).await?;
    Ok((StatusCode::CREATED, tagged(made)))
}

/// One job.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/jobs/{name}", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = JobView), (status = "4XX", body = ProblemDetails)))]
async fn get_job(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Tagged<JobView>> {
    Ok(tagged(app.core.get_job(&caller, &workspace, &name).await?))
}

/// Changes a job's names, description, tags or properties.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/jobs/{name}", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path)), request_body = UpdateJob,
    responses((status = 200, body = JobView), (status = "4XX", body = ProblemDetails)))]
async fn update_job(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    IfMatch(etag): IfMatch,
    Json(body): Json<UpdateJob>,
) -> RestResult<Tagged<JobView>> {
    let change = JobChange {
        display_name: body.display_name,
        description: body.description,
        tags: body.tags,
        properties: body.properties,
    };
    Ok(tagged(
        app.core
            .update_job(&caller, &workspace, &name, change, etag.map(|etag| etag.0))
            .await?,
    ))
}

/// Deletes a job that has ended.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/jobs/{name}", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path)), responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn delete_job(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<StatusCode> {
    app.core.delete_job(&caller, &workspace, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks a job to end.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/jobs/{name}/cancel", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 202, body = JobView), (status = "4XX", body = ProblemDetails)))]
async fn cancel_job(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<(StatusCode, Tagged<JobView>)> {
    let job = app.core.cancel_job(&caller, &workspace, &name).await?;
    Ok((StatusCode::ACCEPTED, tagged(job)))
}

/// Leaves a job out of lists.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/jobs/{name}/archive", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = JobView), (status = "4XX", body = ProblemDetails)))]
async fn archive_job(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Tagged<JobView>> {
    Ok(tagged(
        app.core
            .archive_job(&caller, &workspace, &name, true)
            .await?,
    ))
}

/// Takes an archived job back into lists.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/jobs/{name}/restore", tag = "jobs",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = JobView), (status = "4XX", body = ProblemDetails)))]
async fn restore_job(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Tagged<JobView>> {
    Ok(tagged(
        app.core
            .archive_job(&caller, &workspace, &name, false)
            .await?,
    ))
}

fn tagged(details: lazuli_core::jobs::JobDetails) -> Tagged<JobView> {
    Tagged(Timestamp(details.job.revision), details.into())
}
