//! What the client asks first: which server this is and what it can do.

use axum::http::Method;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use super::Paths;
use crate::address::TrustedByAll;
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

/// Large files may come in parts, side by side, where the client's way of sending them trusts this connection. Downloads in
/// pieces work too, but to announce them would cost every small file one more request.
async fn server_info(TrustedByAll(trusted): TrustedByAll) -> Response {
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": true,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": trusted,
        "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": true,
        "presigned_upload_model_id_supported": true,
        "features_enabled": { "gateway": false },
    }))
    .into_response()
}
