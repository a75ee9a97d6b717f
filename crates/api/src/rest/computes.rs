//! `/api/v1/workspaces/{workspace}/computes`.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::Error;
use lazuli_core::computes::ComputeDetails;
use lazuli_spec::computes::ComputeSpec;
use lazuli_spec::{Action, ErrorCode, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::endpoints::mistake;
use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged, put_status};
use super::jobs::document;
use super::list_queries::ListQuery;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// A cluster as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComputeView {
    #[schema(example = "cpu-cluster")]
    name: String,
    /// `amlcompute`.
    #[serde(rename = "type")]
    kind: &'static str,
    #[schema(example = "2c8g")]
    size: String,
    /// Processor cores of a node.
    cores: u32,
    /// Memory of a node in bytes; absent when not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    min_instances: u32,
    max_instances: u32,
    /// Seconds.
    idle_time_before_scale_down: u64,
    description: String,
    tags: BTreeMap<String, String>,
    /// Nodes there are now.
    current_nodes: usize,
    /// Nodes that run a job now.
    busy_nodes: usize,
    #[schema(example = "Succeeded")]
    provisioning_state: &'static str,
    /// RFC 3339.
    created_at: String,
    created_by: String,
    /// RFC 3339.
    modified_at: String,
}

impl From<ComputeDetails> for ComputeView {
    fn from(details: ComputeDetails) -> Self {
        let ComputeDetails { compute, nodes } = details;
        let size = compute.spec.node_size();
        Self {
            kind: "amlcompute",
            cores: size.cores,
            memory_bytes: size.memory_bytes,
            name: compute.spec.name,
            size: compute.spec.size,
            min_instances: compute.spec.min_instances,
            max_instances: compute.spec.max_instances,
            idle_time_before_scale_down: compute.spec.idle_time_before_scale_down,
            description: compute.spec.description,
            tags: compute.spec.tags,
            current_nodes: nodes.len(),
            busy_nodes: nodes.iter().filter(|node| node.job.is_some()).count(),
            provisioning_state: "Succeeded",
            created_at: compute.created_at.to_string(),
            created_by: compute.created_by,
            modified_at: compute.modified_at.to_string(),
        }
    }
}

/// A page of clusters.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComputeList {
    items: Vec<ComputeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(
        Permission::Workspace(Action::ComputesRead),
        routes!(list_computes),
    );
    routes.rest(
        Permission::Workspace(Action::ComputesWrite),
        routes!(create_compute),
    );
    routes.rest(
        Permission::Workspace(Action::ComputesRead),
        routes!(get_compute),
    );
    routes.rest(
        Permission::Workspace(Action::ComputesWrite),
        routes!(put_compute),
    );
    routes.rest(
        Permission::Workspace(Action::ComputesDelete),
        routes!(delete_compute),
    );
}

/// The clusters of a workspace, by name.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/computes", tag = "computes",
    params(("workspace" = String, Path), ListQuery), responses((status = 200, body = ComputeList), (status = "4XX", body = ProblemDetails)))]
async fn list_computes(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Query(query): Query<ListQuery>,
) -> RestResult<Json<ComputeList>> {
    let (filter, page) = query.read()?;
    let page = app
        .core
        .list_computes(&caller, &workspace, filter, page)
        .await?
        .map(ComputeView::from);
    Ok(Json(ComputeList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// Makes a cluster from an `amlcompute` document; its name must be free.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/computes", tag = "computes",
    params(("workspace" = String, Path)), request_body(content = String, content_type = "application/json"),
    responses((status = 201, body = ComputeView), (status = "4XX", body = ProblemDetails)))]
async fn create_compute(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    body: Bytes,
) -> RestResult<(StatusCode, Tagged<ComputeView>)> {
    let spec = ComputeSpec::read(&document(&body)?, None).map_err(mistake)?;
    match app.core.get_compute(&caller, &workspace, &spec.name).await {
        Ok(_) => {
            return Err(Error::already_exists("compute", &spec.name)
                .in_field("name")
                .hint("PUT changes one")
                .into());
        }
        Err(error) if error.code == ErrorCode::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let (details, _) = app
        .core
        .put_compute(&caller, &workspace, spec, None)
        .await?;
    Ok((StatusCode::CREATED, tagged(details)))
}

/// One cluster.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/computes/{name}", tag = "computes",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ComputeView), (status = "4XX", body = ProblemDetails)))]
async fn get_compute(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Tagged<ComputeView>> {
    Ok(tagged(
        app.core.get_compute(&caller, &workspace, &name).await?,
    ))
}

/// Makes a cluster, or changes the one of that name.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/computes/{name}", tag = "computes",
    params(("workspace" = String, Path), ("name" = String, Path)), request_body(content = String, content_type = "application/json"),
    responses((status = 200, body = ComputeView), (status = 201, body = ComputeView), (status = "4XX", body = ProblemDetails)))]
async fn put_compute(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    IfMatch(etag): IfMatch,
    body: Bytes,
) -> RestResult<(StatusCode, Tagged<ComputeView>)> {
    let spec = ComputeSpec::read(&document(&body)?, Some(&name)).map_err(mistake)?;
    let (details, is_new) = app
        .core
        .put_compute(&caller, &workspace, spec, etag.map(|etag| etag.0))
        .await?;
    let status = put_status(is_new);
    Ok((status, tagged(details)))
}

/// Removes a cluster that no job waits for or runs on.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/computes/{name}", tag = "computes",
    params(("workspace" = String, Path), ("name" = String, Path)), responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn delete_compute(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<StatusCode> {
    app.core.delete_compute(&caller, &workspace, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn tagged(details: ComputeDetails) -> Tagged<ComputeView> {
    Tagged(Timestamp(details.compute.revision), details.into())
}
