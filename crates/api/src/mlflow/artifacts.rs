//! Artifacts: `mlflow/artifacts/list`, the proxy `mlflow-artifacts/artifacts/*`, and the UI's upload (its
//! downloads are in `downloads.rs`). Bytes are
//! streamed both ways; nothing of a file is held but a few pieces.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use lazuli_core::artifacts::{ArtifactEntry, BlobRead};
use lazuli_spec::Action;
use serde_json::{Value, json};

use super::errors::{MlflowResult, Path};
use super::experiments::Empty;
use super::json::{Message, invalid};
use super::{Call, MlflowCaller, Paths};
use crate::AppState;
use crate::rest::streams::{self, Wanted};
use crate::routing::{Permission, Routes};

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::RunsRead);
    let write = Permission::Workspace(Action::RunsWrite);
    let mut paths = Paths::below(routes, "2.0/");
    paths.add(Method::GET, "mlflow/artifacts/list", read, list_of_run);
    paths.add(Method::POST, "mlflow/upload-artifact", write, upload_by_run);
    paths.add(Method::GET, "mlflow-artifacts/artifacts", read, list);
    paths.add(
        Method::GET,
        "mlflow-artifacts/artifacts/{*path}",
        read,
        download,
    );
    paths.add(
        Method::PUT,
        "mlflow-artifacts/artifacts/{*path}",
        write,
        upload,
    );
    paths.add(
        Method::DELETE,
        "mlflow-artifacts/artifacts/{*path}",
        write,
        remove,
    );
}

async fn list_of_run(call: Call) -> MlflowResult<Response> {
    Ok(Json(listed(&call).await?).into_response())
}

/// What lies in a folder of a run's artifacts.
pub(super) async fn listed(call: &Call) -> MlflowResult<Value> {
    let path = call.fields.text("path")?;
    let run_id = call.fields.run_id()?;
    let (root, entries) = call
        .core
        .list_run_artifacts(&call.caller, &call.workspace, run_id, path)
        .await?;
    let mut answer = json!({ "root_uri": root });
    if let (false, Some(fields)) = (entries.is_empty(), answer.as_object_mut()) {
        fields.insert("files".to_owned(), shown(&entries));
    }
    Ok(answer)
}

async fn list(call: Call) -> MlflowResult<Response> {
    let path = call.fields.text_or_empty("path")?;
    let entries = call
        .core
        .list_artifact_folder(&call.caller, &call.workspace, path)
        .await?;
    let answer = if entries.is_empty() {
        json!({})
    } else {
        json!({ "files": shown(&entries) })
    };
    Ok(Json(answer).into_response())
}

fn shown(entries: &[ArtifactEntry]) -> Value {
    let one = |entry: &ArtifactEntry| match entry.size {
        Some(size) => json!({ "path": entry.path, "is_dir": false, "file_size": size }),
        None => json!({ "path": entry.path, "is_dir": true }),
    };
    entries.iter().map(one).collect()
}

async fn upload(
    State(state): State<AppState>,
    who: MlflowCaller,
    Path(path): Path<String>,
    request: Request,
) -> MlflowResult<StatusCode> {
    if path.ends_with('/') {
        return Err(invalid(
            "Artifact path must include a filename (cannot end with '/').",
        ));
    }
    let bytes = request.into_body().into_data_stream();
    state
        .core
        .put_artifact(&who.caller, &who.workspace, &path, bytes)
        .await?;
    Ok(StatusCode::OK)
}

async fn remove(
    State(state): State<AppState>,
    who: MlflowCaller,
    Path(path): Path<String>,
) -> MlflowResult<Json<Empty>> {
    state
        .core
        .delete_artifact(&who.caller, &who.workspace, &path)
        .await?;
    Ok(Json(Empty {}))
}

async fn download(
    State(state): State<AppState>,
    who: MlflowCaller,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> MlflowResult<Response> {
    let range = headers
        .get(RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(streams::parse_range);
    let open = |range| {
        state
            .core
            .get_artifact(&who.caller, &who.workspace, &path, range)
    };
    let mut read = open(range).await?;
    let etag = read.meta.etag.clone().unwrap_or_default();
    let wanted = Wanted::read(&headers, etag.trim_matches('"'));
    if wanted.not_modified {
        return Ok(streams::not_modified(etag.trim_matches('"')));
    }
    if wanted.range != range {
        // `If-Range` names what was there before: the whole of what is there now
        read = open(None).await?;
    }
    Ok(sent(&path, read, wanted.range.is_some()))
}

/// The UI's upload of something small: the run and the path stand in the query, the bytes are the body.
async fn upload_by_run(
    State(state): State<AppState>,
    who: MlflowCaller,
    request: Request,
) -> MlflowResult<Json<Empty>> {
    const MOST: usize = 10 << 20;
    let query = Message::from_query(request.uri().query().unwrap_or_default());
    let run_id = query.text_or_empty("run_uuid")?;
    let path = query.text_or_empty("path")?;
    for (name, value) in [("run_uuid", run_id), ("path", path)] {
        if value.is_empty() {
            return Err(invalid(format!("Request must specify {name}.")));
        }
    }
    let (core, caller, workspace) = (&state.core, &who.caller, &who.workspace);
    let path = core
        .run_artifact_path(caller, workspace, run_id, path)
        .await?;
    core.check_artifact_path(caller, workspace, &path).await?;
    let bytes = axum::body::to_bytes(request.into_body(), MOST).await;
    let bytes = bytes.map_err(|_| invalid("Artifact size is too large. Max size is 10MB."))?;
    if bytes.is_empty() {
        return Err(invalid("Request must specify data."));
    }
    let body = futures::stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    core.put_artifact(caller, workspace, &path, body).await?;
    Ok(Json(Empty {}))
}

/// A file on its way out. It is named as an attachment and may not be taken for a page of this site.
pub(super) fn sent(path: &str, read: BlobRead, partial: bool) -> Response {
    let name = path.rsplit('/').next().unwrap_or(path);
    let etag = read.meta.etag.clone().unwrap_or_default();
    let mut response = streams::respond(read, etag.trim_matches('"'), name, partial);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    // shown in a frame all the same, it may run nothing and knows nothing of this site
    let policy = HeaderValue::from_static("sandbox; default-src 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// The type by the name's ending. Whatever a browser would run is shown as plain text.
fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "txt" | "log" | "err" | "cfg" | "conf" | "cnf" | "cf" | "ini" | "properties" | "prop"
        | "hocon" | "toml" | "yaml" | "yml" | "xml" | "json" | "js" | "py" | "py3" | "csv"
        | "tsv" | "md" | "rst" | "ipynb" | "mlmodel" | "mlproject" => "text/plain",
        "html" | "htm" => "text/html",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        "wav" => "audio/x-wav",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "parquet" => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_by_the_names_ending() {
        assert_eq!(content_type("MLmodel"), "text/plain");
        assert_eq!(content_type("x.PNG"), "image/png");
        assert_eq!(content_type("x.pkl"), "application/octet-stream");
    }
}
