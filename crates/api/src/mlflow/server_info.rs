//! What the client asks first: which server this is and what it can do.

use axum::http::Method;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use super::Paths;
use crate::routing::{Dialect, Permission, Routes};

/// The version of MLflow whose protocol is spoken; the client compares it with its own.
pub const MLFLOW_VERSION: &str = "3.17.2";

pub(crate) fn add_routes(routes: &mut Routes) {
    routes.raw(
        Dialect::Mlflow,
        Method::GET,
        "/version",
        Permission::Public,
        version,
    );
    routes.raw(
        Dialect::Mlflow,
        Method::GET,
        "/health",
        Permission::Public,
        health,
    );
    let mut paths = Paths::below(routes, "3.0/mlflow/");
    paths.add(Method::GET, "server-info", Permission::Public, server_info);
}

async fn version() -> &'static str {
    MLFLOW_VERSION
}

async fn health() -> &'static str {
    "OK"
}

/// Files go through the proxy in one stream each, so the client has no need to cut them into parts.
async fn server_info() -> Response {
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": false,
        "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": false,
        "presigned_upload_model_id_supported": false,
        "features_enabled": { "gateway": false },
    }))
    .into_response()
}
