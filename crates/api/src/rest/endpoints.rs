//! `/api/v1/workspaces/{workspace}/online-endpoints`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::Error;
use lazuli_core::endpoints::EndpointChange;
use lazuli_spec::Action;
use lazuli_spec::endpoints::{
    Endpoint, EndpointKeys, EndpointSpec, KeyType, Traffic, openapi_path, scoring_path,
};
use lazuli_spec::yaml::{Document, YamlError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged, put_status};
use super::list_queries::ListQuery;
use super::text::Text;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// An endpoint as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointView {
    #[schema(example = "tumours")]
    name: String,
    description: String,
    tags: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    #[schema(example = "key")]
    auth_mode: String,
    /// Percent of the calls by deployment.
    traffic: BTreeMap<String, u8>,
    /// Percent of the calls that a deployment also gets, without answering.
    mirror_traffic: BTreeMap<String, u8>,
    /// The path to call, on this server's address.
    #[schema(example = "/endpoints/tumours/score")]
    scoring_uri: String,
    /// The path of the OpenAPI document.
    openapi_uri: String,
    #[schema(example = "Succeeded")]
    provisioning_state: String,
    /// RFC 3339.
    created_at: String,
    created_by: String,
    /// RFC 3339.
    modified_at: String,
}

impl From<Endpoint> for EndpointView {
    fn from(endpoint: Endpoint) -> Self {
        let Endpoint {
            spec,
            created_at,
            created_by,
            modified_at,
            ..
        } = endpoint;
        Self {
            scoring_uri: scoring_path(&spec.name),
            openapi_uri: openapi_path(&spec.name),
            name: spec.name,
            description: spec.description,
            tags: spec.tags,
            properties: spec.properties,
            auth_mode: spec.auth_mode,
            traffic: spec.traffic,
            mirror_traffic: spec.mirror_traffic,
            provisioning_state: "Succeeded".to_owned(),
            created_at: created_at.to_string(),
            created_by,
            modified_at: modified_at.to_string(),
        }
    }
}

/// A page of endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointList {
    items: Vec<EndpointView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// What is to change. Absent fields stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateEndpoint {
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<BTreeMap<String, String>>,
    /// Must add up to 100, or to 0.
    traffic: Option<Traffic>,
    /// One deployment, at most 50.
    mirror_traffic: Option<Traffic>,
}

/// An endpoint's keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointKeysView {
    primary_key: String,
    secondary_key: String,
}

impl From<EndpointKeys> for EndpointKeysView {
    fn from(keys: EndpointKeys) -> Self {
        Self {
            primary_key: keys.primary_key,
            secondary_key: keys.secondary_key,
        }
    }
}

/// Which key to replace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegenerateKey {
    /// `primary` or `secondary`.
    #[schema(example = "primary")]
    key_type: String,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(
        Permission::Workspace(Action::EndpointsRead),
        routes!(list_endpoints),
    );
    routes.rest(
        Permission::Workspace(Action::EndpointsRead),
        routes!(get_endpoint),
    );
    routes.rest(
        Permission::Workspace(Action::EndpointsWrite),
        routes!(put_endpoint),
    );
    routes.rest(
        Permission::Workspace(Action::EndpointsWrite),
        routes!(update_endpoint),
    );
    routes.rest(
        Permission::Workspace(Action::EndpointsDelete),
        routes!(delete_endpoint),
    );
    routes.rest(
        Permission::Workspace(Action::EndpointsListKeys),
        routes!(get_endpoint_keys),
    );
    routes.rest(
        Permission::Workspace(Action::EndpointsRegenerateKeys),
        routes!(regenerate_endpoint_key),
    );
}

/// The document in a request's body: JSON or YAML.
pub(crate) fn document(body: &str) -> Result<Document, Error> {
    Document::parse("request body", body).map_err(mistake)
}

/// A mistake in a document, in the interface's words: the place goes into the field.
pub(crate) fn mistake(error: YamlError) -> Error {
    let field = error.field.clone().unwrap_or_default();
    let mut told = Error::invalid(&field, error.message.clone());
    if field.is_empty() {
        told.field = None;
    }
    match error.hint {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

/// The endpoints of a workspace, by name.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/online-endpoints", tag = "online endpoints",
    params(("workspace" = String, Path), ListQuery), responses((status = 200, body = EndpointList), (status = "4XX", body = ProblemDetails)))]
async fn list_endpoints(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Query(query): Query<ListQuery>,
) -> RestResult<Json<EndpointList>> {
    let (filter, page) = query.read()?;
    let page = app
        .core
        .list_endpoints(&caller, &workspace, filter, page)
        .await?
        .map(EndpointView::from);
    Ok(Json(EndpointList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// One endpoint.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}", tag = "online endpoints",
    params(("workspace" = String, Path), ("endpoint" = String, Path)),
    responses((status = 200, body = EndpointView), (status = "4XX", body = ProblemDetails)))]
async fn get_endpoint(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint)): Path<(String, String)>,
) -> RestResult<Tagged<EndpointView>> {
    let found = app
        .core
        .get_endpoint(&caller, &workspace, &endpoint)
        .await?;
    Ok(Tagged(found.modified_at, found.into()))
}

/// Makes an endpoint, or replaces what it is to be. The body is Azure ML's endpoint YAML, or the same as JSON.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}", tag = "online endpoints",
    params(("workspace" = String, Path), ("endpoint" = String, Path)), request_body = String,
    responses((status = 200, body = EndpointView), (status = 201, body = EndpointView), (status = "4XX", body = ProblemDetails)))]
async fn put_endpoint(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint)): Path<(String, String)>,
    IfMatch(etag): IfMatch,
    Text(body): Text,
) -> RestResult<(StatusCode, Tagged<EndpointView>)> {
    let spec = EndpointSpec::read(&document(&body)?, Some(&endpoint)).map_err(mistake)?;
    let (made, is_new) = app
        .core
        .put_endpoint(&caller, &workspace, spec, etag)
        .await?;
    let status = put_status(is_new);
    Ok((status, Tagged(made.modified_at, made.into())))
}

/// Changes an endpoint: the shares of traffic, the description, the tags.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}", tag = "online endpoints",
    params(("workspace" = String, Path), ("endpoint" = String, Path)), request_body = UpdateEndpoint,
    responses((status = 200, body = EndpointView), (status = "4XX", body = ProblemDetails)))]
async fn update_endpoint(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint)): Path<(String, String)>,
    IfMatch(etag): IfMatch,
    Json(body): Json<UpdateEndpoint>,
) -> RestResult<Tagged<EndpointView>> {
    let change = EndpointChange {
        description: body.description,
        tags: body.tags,
        properties: body.properties,
        traffic: body.traffic,
        mirror_traffic: body.mirror_traffic,
    };
    let changed = app
        .core
        .update_endpoint(&caller, &workspace, &endpoint, change, etag)
        .await?;
    Ok(Tagged(changed.modified_at, changed.into()))
}

/// Deletes an endpoint and its deployments.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}", tag = "online endpoints",
    params(("workspace" = String, Path), ("endpoint" = String, Path)), responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn delete_endpoint(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint)): Path<(String, String)>,
) -> RestResult<StatusCode> {
    app.core
        .delete_endpoint(&caller, &workspace, &endpoint)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The keys with which the endpoint is called.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/keys", tag = "online endpoints",
    params(("workspace" = String, Path), ("endpoint" = String, Path)),
    responses((status = 200, body = EndpointKeysView), (status = "4XX", body = ProblemDetails)))]
async fn get_endpoint_keys(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint)): Path<(String, String)>,
) -> RestResult<Json<EndpointKeysView>> {
    Ok(Json(
        app.core
            .endpoint_keys(&caller, &workspace, &endpoint)
            .await?
            .into(),
    ))
}

/// Replaces one of the keys; the old one stops working.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/keys/regenerate", tag = "online endpoints",
    params(("workspace" = String, Path), ("endpoint" = String, Path)), request_body = RegenerateKey,
    responses((status = 200, body = EndpointKeysView), (status = "4XX", body = ProblemDetails)))]
async fn regenerate_endpoint_key(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint)): Path<(String, String)>,
    Json(body): Json<RegenerateKey>,
) -> RestResult<Json<EndpointKeysView>> {
    let unknown = || {
        Error::invalid(
            "key_type",
            format!(
                "`{}` is not a key; there are `primary` and `secondary`",
                body.key_type
            ),
        )
    };
    let which = KeyType::parse(&body.key_type).ok_or_else(unknown)?;
    Ok(Json(
        app.core
            .regenerate_endpoint_key(&caller, &workspace, &endpoint, which)
            .await?
            .into(),
    ))
}
