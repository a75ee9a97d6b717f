//! What MLflow's UI downloads of a trace: its spans, or one of its attachments.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::response::Response;

use super::READ;
use crate::mlflow::Call;
use crate::mlflow::artifacts::sent;
use crate::mlflow::errors::MlflowResult;
use crate::mlflow::json::invalid;
use crate::mlflow::registered_models::given;
use crate::routing::{Dialect, Routes};

pub(super) fn add_routes(routes: &mut Routes) {
    for path in [
        "/ajax-api/2.0/mlflow/get-trace-artifact",
        "/ajax-api/3.0/mlflow/get-trace-artifact",
    ] {
        routes.raw(Dialect::Mlflow, Method::GET, path, READ, artifact);
    }
}

async fn artifact(call: Call) -> MlflowResult<Response> {
    let trace_id = call.fields.text_or_empty("request_id")?;
    if trace_id.is_empty() {
        return Err(invalid(
            "Request must include the \"request_id\" query parameter.",
        ));
    }
    let attachment = given(&call.fields, "path")?;
    let (core, caller, workspace) = (&call.core, &call.caller, &call.workspace);
    if attachment.is_none()
        && let Some(spans) = core.trace_data_json(caller, workspace, trace_id).await?
    {
        return Ok(spans_file(spans));
    }
    let path = core
        .trace_file_path(caller, workspace, trace_id, attachment.as_deref())
        .await?;
    let read = core.get_artifact(caller, workspace, &path, None).await?;
    Ok(sent(&path, read, false))
}

fn spans_file(spans: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(spans));
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_DISPOSITION, "attachment; filename=traces.json"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
