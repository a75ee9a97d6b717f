//! Addresses that need no token: of one file of a run or a logged model, to read it or to write it, for a while.

use std::time::Duration;

use axum::http::Method;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Json, Response};
use lazuli_core::Error;
use lazuli_core::links::{LONGEST_LIFETIME, Link, LinkTarget, USUAL_LIFETIME};
use lazuli_spec::{Action, ErrorCode};
use serde_json::{Value, json};

use super::errors::{MlflowResult, Path};
use super::json::invalid;
use super::{Call, Paths};
use crate::address::Address;
use crate::routing::{Permission, Routes};

/// How long an address to write to works when nothing is said.
const UPLOAD_LIFETIME: Duration = Duration::from_mins(15);
/// How long an address to read from works when nothing is said.
const DOWNLOAD_LIFETIME: Duration = Duration::from_mins(5);

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::RunsRead);
    let write = Permission::Workspace(Action::RunsWrite);
    let mut paths = Paths::below(routes, "2.0/");
    let presigned = "mlflow-artifacts/presigned/{*path}";
    paths.add(Method::GET, presigned, read, of_path);
    let download = "mlflow/artifacts/presigned-download-url";
    paths.add(Method::POST, download, read, to_read);
    let upload = "mlflow/artifacts/presigned-upload-url";
    paths.add(Method::POST, upload, write, to_write);
}

/// For clients that fetch a large file in pieces side by side.
async fn of_path(Path(path): Path<String>, address: Address, call: Call) -> MlflowResult<Response> {
    if call.caller.job().is_some() {
        // it then downloads in one stream, with its token
        let words = "Presigned download is not supported with a job's token";
        return Err(Error::new(ErrorCode::Unsupported, words).into());
    }
    let target = LinkTarget::Artifact { path };
    let link = link(&call, target, USUAL_LIFETIME).await?;
    let answer = json!({ "url": address.of(&link.url), "headers": {}, "file_size": link.size });
    Ok(kept_by_nobody(&answer))
}

async fn to_read(address: Address, call: Call) -> MlflowResult<Response> {
    let target = LinkTarget::Run {
        run_id: call.fields.required("run_id")?.to_owned(),
        path: call.fields.required("path")?.to_owned(),
    };
    let lifetime = lifetime(&call, DOWNLOAD_LIFETIME)?;
    let link = link(&call, target, lifetime).await?;
    let url = address.of(&link.url);
    let answer = json!({ "presigned_url": url, "headers": {}, "file_size": link.size });
    Ok(kept_by_nobody(&answer))
}

async fn to_write(address: Address, call: Call) -> MlflowResult<Response> {
    let run_id = call.fields.text_or_empty("run_id")?;
    let model_id = call.fields.text_or_empty("model_id")?;
    let file = call.fields.required("path")?;
    let (core, caller, workspace) = (&call.core, &call.caller, &*call.workspace);
    let path = match (run_id, model_id) {
        ("", "") => Err(invalid(ONE_OF_TWO))?,
        (run_id, "") => {
            core.run_artifact_path(caller, workspace, run_id, file)
                .await?
        }
        ("", model_id) => {
            core.logged_model_file_path(caller, workspace, model_id, file)
                .await?
        }
        _ => Err(invalid(ONE_OF_TWO))?,
    };
    let lifetime = lifetime(&call, UPLOAD_LIFETIME)?;
    let link = core
        .create_upload_link(caller, workspace, &path, lifetime)
        .await?;
    let answer = json!({ "presigned_url": address.of(&link.url), "headers": {} });
    Ok(kept_by_nobody(&answer))
}

const ONE_OF_TWO: &str = "Exactly one of run_id and model_id must be provided.";

async fn link(call: &Call, target: LinkTarget, lifetime: Duration) -> MlflowResult<Link> {
    let made = call
        .core
        .create_link(&call.caller, &call.workspace, target, lifetime)
        .await?;
    Ok(made)
}

fn lifetime(call: &Call, usual: Duration) -> MlflowResult<Duration> {
    let Some(seconds) = call.fields.int("expiration")? else {
        return Ok(usual);
    };
    let most = LONGEST_LIFETIME.as_secs();
    let asked = u64::try_from(seconds)
        .ok()
        .filter(|s| (1..=most).contains(s));
    asked.map(Duration::from_secs).ok_or_else(|| {
        invalid(format!(
            "expiration must be between 1 and {most} seconds (got {seconds})."
        ))
    })
}

/// An answer that holds an address which is as good as a key.
fn kept_by_nobody(answer: &Value) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}
