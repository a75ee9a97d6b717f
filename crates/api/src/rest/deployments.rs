//! `/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::Error;
use lazuli_core::deployments::{DeploymentChange, LogContainer};
use lazuli_spec::Action;
use lazuli_spec::deployments::{Deployment, DeploymentSpec, ModelSource};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::endpoints::{document, mistake};
use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged, put_status};
use super::list_queries::ListQuery;
use super::text::Text;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// A deployment as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentView {
    #[schema(example = "blue")]
    name: String,
    endpoint_name: String,
    description: String,
    tags: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    /// The model, with the version that was found when the deployment was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "azureml:tumours:3")]
    model: Option<String>,
    #[schema(example = "mlflow_model")]
    model_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_configuration: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<serde_json::Value>,
    environment_variables: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_type: Option<String>,
    instance_count: u32,
    app_insights_enabled: bool,
    request_settings: serde_json::Value,
    liveness_probe: serde_json::Value,
    readiness_probe: serde_json::Value,
    /// `Creating`, `Updating`, `Succeeded` or `Failed`.
    #[schema(example = "Succeeded")]
    provisioning_state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<DeploymentError>,
    /// RFC 3339.
    created_at: String,
    created_by: String,
    /// RFC 3339.
    modified_at: String,
}

/// Why a deployment failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentError {
    message: String,
    /// Python's traceback, or the resolver's last words.
    #[serde(skip_serializing_if = "String::is_empty")]
    traceback: String,
}

impl From<Deployment> for DeploymentView {
    fn from(deployment: Deployment) -> Self {
        let model = shown_model(&deployment);
        let json = |value: Result<serde_json::Value, serde_json::Error>| value.unwrap_or_default();
        let Deployment {
            spec,
            binding,
            state,
            message,
            traceback,
            ..
        } = deployment;
        Self {
            model,
            model_type: binding.model_type,
            code_configuration: spec
                .code_configuration
                .map(|code| json(serde_json::to_value(code))),
            environment: spec
                .environment
                .map(|environment| json(serde_json::to_value(environment))),
            request_settings: json(serde_json::to_value(spec.request_settings)),
            liveness_probe: json(serde_json::to_value(spec.liveness_probe)),
            readiness_probe: json(serde_json::to_value(spec.readiness_probe)),
            name: spec.name,
            endpoint_name: spec.endpoint_name,
            description: spec.description,
            tags: spec.tags,
            properties: spec.properties,
            environment_variables: spec.environment_variables,
            instance_type: spec.instance_type,
            instance_count: spec.instance_count,
            app_insights_enabled: spec.app_insights_enabled,
            provisioning_state: state.as_str().to_owned(),
            error: (!message.is_empty()).then_some(DeploymentError { message, traceback }),
            created_at: deployment.created_at.to_string(),
            created_by: deployment.created_by,
            modified_at: deployment.modified_at.to_string(),
        }
    }
}

fn shown_model(deployment: &Deployment) -> Option<String> {
    let binding = &deployment.binding;
    match (
        &binding.model_name,
        &binding.model_version,
        &deployment.spec.model,
    ) {
        (Some(name), Some(version), _) => Some(format!("azureml:{name}:{version}")),
        (_, _, Some(ModelSource::Reference(text))) => Some(text.clone()),
        (_, _, Some(ModelSource::Inline(model))) => Some(model.path.clone()),
        (_, _, None) => None,
    }
}

/// The deployments of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentList {
    items: Vec<DeploymentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// What is to change. Absent fields stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateDeployment {
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    instance_count: Option<u32>,
}

/// The end of a log.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentLogs {
    content: String,
}

/// Which part of which log.
#[derive(Debug, Deserialize)]
struct LogQuery {
    /// The last lines only; 50 when not said.
    lines: Option<u32>,
    /// `inference-server` (what the model's processes wrote) or `storage-initializer` (how they were prepared).
    container_type: Option<String>,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(
        Permission::Workspace(Action::DeploymentsRead),
        routes!(list_deployments),
    );
    routes.rest(
        Permission::Workspace(Action::DeploymentsRead),
        routes!(get_deployment),
    );
    routes.rest(
        Permission::Workspace(Action::DeploymentsWrite),
        routes!(put_deployment),
    );
    routes.rest(
        Permission::Workspace(Action::DeploymentsWrite),
        routes!(update_deployment),
    );
    routes.rest(
        Permission::Workspace(Action::DeploymentsDelete),
        routes!(delete_deployment),
    );
    routes.rest(
        Permission::Workspace(Action::DeploymentsLogs),
        routes!(get_deployment_logs),
    );
    routes.rest(
        Permission::Workspace(Action::DeploymentsRead),
        routes!(get_deployment_metrics),
    );
    routes.rest(
        Permission::Workspace(Action::DeploymentsRead),
        routes!(get_deployment_lineage),
    );
}

type Names = Path<(String, String, String)>;

/// The deployments of an endpoint, by name.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments", tag = "online deployments",
    params(("workspace" = String, Path), ("endpoint" = String, Path), ListQuery),
    responses((status = 200, body = DeploymentList), (status = "4XX", body = ProblemDetails)))]
async fn list_deployments(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> RestResult<Json<DeploymentList>> {
    let (filter, page) = query.read()?;
    let page = app
        .core
        .list_deployments(&caller, &workspace, &endpoint, filter, page)
        .await?
        .map(DeploymentView::from);
    Ok(Json(DeploymentList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// One deployment: what it is to be and what became of it.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments/{deployment}", tag = "online deployments",
    params(("workspace" = String, Path), ("endpoint" = String, Path), ("deployment" = String, Path)),
    responses((status = 200, body = DeploymentView), (status = "4XX", body = ProblemDetails)))]
async fn get_deployment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint, deployment)): Names,
) -> RestResult<Tagged<DeploymentView>> {
    let found = app
        .core
        .get_deployment(&caller, &workspace, &endpoint, &deployment)
        .await?;
    Ok(Tagged(found.modified_at, found.into()))
}

/// Makes a deployment, or replaces it: the old processes answer until the new ones are ready. The body is Azure ML's deployment
/// YAML, or the same as JSON, with local paths replaced by `tree:<id>`.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments/{deployment}", tag = "online deployments",
    params(("workspace" = String, Path), ("endpoint" = String, Path), ("deployment" = String, Path)), request_body = String,
    responses((status = 200, body = DeploymentView), (status = 201, body = DeploymentView), (status = "4XX", body = ProblemDetails)))]
async fn put_deployment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint, deployment)): Names,
    IfMatch(etag): IfMatch,
    Text(body): Text,
) -> RestResult<(StatusCode, Tagged<DeploymentView>)> {
    let spec = DeploymentSpec::read(&document(&body)?, Some(&endpoint), Some(&deployment))
        .map_err(mistake)?;
    let (made, is_new) = app
        .core
        .put_deployment(&caller, &workspace, spec, etag)
        .await?;
    let status = put_status(is_new);
    Ok((status, Tagged(made.modified_at, made.into())))
}

/// Changes the number of instances, the description or the tags.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments/{deployment}", tag = "online deployments",
    params(("workspace" = String, Path), ("endpoint" = String, Path), ("deployment" = String, Path)), request_body = UpdateDeployment,
    responses((status = 200, body = DeploymentView), (status = "4XX", body = ProblemDetails)))]
async fn update_deployment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint, deployment)): Names,
    IfMatch(etag): IfMatch,
    Json(body): Json<UpdateDeployment>,
) -> RestResult<Tagged<DeploymentView>> {
    let change = DeploymentChange {
        description: body.description,
        tags: body.tags,
        instance_count: body.instance_count,
    };
    let changed = app
        .core
        .update_deployment(&caller, &workspace, (&endpoint, &deployment), change, etag)
        .await?;
    Ok(Tagged(changed.modified_at, changed.into()))
}

/// Deletes a deployment that takes no traffic.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments/{deployment}", tag = "online deployments",
    params(("workspace" = String, Path), ("endpoint" = String, Path), ("deployment" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn delete_deployment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint, deployment)): Names,
) -> RestResult<StatusCode> {
    app.core
        .delete_deployment(&caller, &workspace, &endpoint, &deployment)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The end of what a deployment's processes wrote.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments/{deployment}/logs", tag = "online deployments",
    params(("workspace" = String, Path), ("endpoint" = String, Path), ("deployment" = String, Path),
        ("lines" = Option<u32>, Query, description = "The last lines only; 50 when not said."),
        ("container_type" = Option<String>, Query, description = "`inference-server`, or `storage-initializer`.")),
    responses((status = 200, body = DeploymentLogs), (status = "4XX", body = ProblemDetails)))]
async fn get_deployment_logs(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint, deployment)): Names,
    Query(query): Query<LogQuery>,
) -> RestResult<Json<DeploymentLogs>> {
    let container = query
        .container_type
        .as_deref()
        .unwrap_or("inference-server");
    let unknown = || {
        Error::invalid(
            "container_type",
            format!(
                "`{container}` is not a container; there are `inference-server` and `storage-initializer`"
            ),
        )
    };
    let container = LogContainer::parse(container).ok_or_else(unknown)?;
    let lines = query.lines.unwrap_or(50).min(100_000) as usize;
    let content = app
        .core
        .deployment_logs(
            &caller,
            &workspace,
            (&endpoint, &deployment),
            container,
            lines,
        )
        .await?;
    Ok(Json(DeploymentLogs { content }))
}

/// Requests, latency and processes of a deployment since the server started.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments/{deployment}/metrics", tag = "online deployments",
    params(("workspace" = String, Path), ("endpoint" = String, Path), ("deployment" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = ProblemDetails)))]
async fn get_deployment_metrics(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint, deployment)): Names,
) -> RestResult<Json<lazuli_core::deployments::DeploymentMetrics>> {
    Ok(Json(
        app.core
            .deployment_metrics(&caller, &workspace, &endpoint, &deployment)
            .await?,
    ))
}

/// What a deployment was made from: its model, the run that made it, and the data and code that run read.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/online-endpoints/{endpoint}/deployments/{deployment}/lineage", tag = "online deployments",
    params(("workspace" = String, Path), ("endpoint" = String, Path), ("deployment" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = ProblemDetails)))]
async fn get_deployment_lineage(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, endpoint, deployment)): Names,
) -> RestResult<Json<lazuli_core::lineage::LineageNode>> {
    Ok(Json(
        app.core
            .deployment_lineage(&caller, &workspace, &endpoint, &deployment)
            .await?,
    ))
}
