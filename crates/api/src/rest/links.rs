//! Signed links: made with the caller's rights, opened by whoever has them. Those to write to are made by MLflow's dialect.
//!
//! The door of the second route checks the signature (`Permission::Signed`) and leaves what it proves in the request, so
//! that the handler cannot open anything else.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, RANGE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lazuli_core::Error;
use lazuli_core::links::{LinkTarget, SignedLink, USUAL_LIFETIME};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::content::FileBytes;
use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path};
use super::streams::{self, Wanted};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// What a link is to be for: `artifact`, `run` with `path`, `data` with `version`, or `job` with `log`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLink {
    /// A path as in `mlflow-artifacts`: `<experiment>/<run>/artifacts/<path>`.
    artifact: Option<String>,
    /// A run's id; `path` is below its artifacts.
    run: Option<String>,
    /// A data asset's name.
    data: Option<String>,
    /// The data asset's version, or a label.
    version: Option<String>,
    /// A file of the run or of the data asset; may be left out when the data asset has only one.
    path: Option<String>,
    /// A job's name.
    job: Option<String>,
    /// One of the job's logs.
    #[schema(example = "user_logs/std_log.txt")]
    log: Option<String>,
    /// How long it works: an hour if nothing is said, seven days at most.
    expires_in_seconds: Option<u64>,
}

/// A link.
#[derive(Serialize, ToSchema)]
pub struct LinkView {
    /// Path and query on this server. Whoever has it can read the file.
    url: String,
    /// RFC 3339.
    expires_at: String,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    // which action it takes depends on what is linked to: the core asks for it
    routes.rest(Permission::Authenticated, routes!(create_link));
    routes.rest(Permission::Signed, routes!(open_link));
    routes.rest(Permission::Signed, routes!(put_link));
}

/// Makes a link that reads one file without a token, until it expires.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/links", tag = "links", params(("workspace" = String, Path)),
    request_body = CreateLink, responses((status = 201, body = LinkView), (status = "4XX", body = ProblemDetails)))]
async fn create_link(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Json(body): Json<CreateLink>,
) -> RestResult<(StatusCode, Json<LinkView>)> {
    let lifetime = body
        .expires_in_seconds
        .map_or(USUAL_LIFETIME, Duration::from_secs);
    let target = target(body)?;
    let link = app
        .core
        .create_link(&caller, &workspace, target, lifetime)
        .await?;
    let made = LinkView {
        url: link.url,
        expires_at: link.expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// The file of a link; `Range` is honoured. The query, made by the server, is all that is needed.
#[utoipa::path(get, path = "/api/v1/links/{workspace_id}/{kind}/{*path}", tag = "links", security(()),
    params(("workspace_id" = String, Path), ("kind" = String, Path, description = "`artifacts`, `data` or `logs`"),
        ("path" = String, Path), ("lz-expires" = i64, Query), ("lz-signature" = String, Query)),
    responses((status = 200, body = FileBytes, content_type = "application/octet-stream"),
        (status = 206, body = FileBytes, content_type = "application/octet-stream"), (status = "4XX", body = ProblemDetails)))]
async fn open_link(
    State(app): State<AppState>,
    Extension(link): Extension<SignedLink>,
    headers: HeaderMap,
) -> RestResult<Response> {
    let asked = headers
        .get(RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(streams::parse_range);
    let mut file = app.core.open_link(&link, asked).await?;
    let wanted = Wanted::read(&headers, &file.etag);
    if wanted.not_modified {
        return Ok(streams::not_modified(&file.etag));
    }
    if wanted.range != asked {
        // `If-Range` names another version: the whole of this one
        file = app.core.open_link(&link, None).await?;
    }
    let partial = wanted.range.is_some();
    let mut response = streams::respond(file.read, &file.etag, &file.name, partial);
    let headers = response.headers_mut();
    // the address is the key: nothing on the way should keep what it opens
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if has_text(&file.name) {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, text);
    }
    Ok(response)
}

/// Writes the file of a link that was made for writing, or a part of an upload. The `ETag` names what was stored.
#[utoipa::path(put, path = "/api/v1/links/{workspace_id}/{kind}/{*path}", tag = "links", security(()),
    params(("workspace_id" = String, Path), ("kind" = String, Path, description = "`artifacts` or `parts`"),
        ("path" = String, Path), ("lz-expires" = i64, Query), ("lz-signature" = String, Query)),
    request_body(content = FileBytes, content_type = "application/octet-stream"),
    responses((status = 200), (status = "4XX", body = ProblemDetails)))]
async fn put_link(
    State(app): State<AppState>,
    Extension(link): Extension<SignedLink>,
    request: Request,
) -> RestResult<Response> {
    let bytes = request.into_body().into_data_stream();
    let etag = app.core.put_linked(&link, bytes).await?;
    let etag = format!("\"{}\"", etag.trim_matches('"'));
    let etag = HeaderValue::from_str(&etag)
        .map_err(|error| Error::internal("the storage's etag cannot be sent").caused_by(error))?;
    let headers = [
        (ETAG, etag),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok(headers.into_response())
}

fn has_text(name: &str) -> bool {
    [".txt", ".log", ".csv", ".json", ".md", ".yml", ".yaml"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Exactly one kind of thing, with the fields that belong to it.
fn target(body: CreateLink) -> Result<LinkTarget, Error> {
    let stray = |field: &str, needs: &str| {
        Err(Error::invalid(
            field,
            format!("`{field}` belongs to {needs}"),
        ))
    };
    let CreateLink {
        artifact,
        run,
        data,
        version,
        path,
        job,
        log,
        ..
    } = body;
    if version.is_some() && data.is_none() {
        return stray("version", "`data`");
    }
    if log.is_some() && job.is_none() {
        return stray("log", "`job`");
    }
    if path.is_some() && run.is_none() && data.is_none() {
        return stray("path", "`run` or `data`");
    }
    let needed = |value: Option<String>, field: &str| {
        value.ok_or_else(|| Error::invalid(field, format!("`{field}` is missing")))
    };
    match (artifact, run, data, job) {
        (Some(path), None, None, None) => Ok(LinkTarget::Artifact { path }),
        (None, Some(run_id), None, None) => {
            let path = needed(path, "path")?;
            Ok(LinkTarget::Run { run_id, path })
        }
        (None, None, Some(name), None) => Ok(LinkTarget::Data {
            name,
            version: needed(version, "version")?,
            path,
        }),
        (None, None, None, Some(job)) => {
            let log = needed(log, "log")?;
            Ok(LinkTarget::Log { job, log })
        }
        _ => Err(Error::invalid(
            "artifact",
            "a link is for exactly one of `artifact`, `run`, `data` and `job`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LinkTarget, String> {
        target(serde_json::from_str(text).unwrap()).map_err(|error| error.field.unwrap_or_default())
    }

    #[test]
    fn a_link_is_for_one_thing() {
        let log = read(r#"{"job": "j", "log": "user_logs/std_log.txt"}"#);
        assert!(matches!(log, Ok(LinkTarget::Log { .. })));
        let run = read(r#"{"run": "r", "path": "model/MLmodel"}"#);
        assert!(matches!(run, Ok(LinkTarget::Run { .. })));
        let data = read(r#"{"data": "d", "version": "1"}"#);
        assert!(matches!(data, Ok(LinkTarget::Data { path: None, .. })));
        for (text, field) in [
            ("{}", "artifact"),
            (r#"{"artifact": "a", "job": "j", "log": "l"}"#, "artifact"),
            (r#"{"artifact": "a", "path": "p"}"#, "path"),
            (r#"{"artifact": "a", "version": "1"}"#, "version"),
            (r#"{"artifact": "a", "log": "l"}"#, "log"),
            (r#"{"data": "d"}"#, "version"),
            (r#"{"run": "r"}"#, "path"),
            (r#"{"job": "j"}"#, "log"),
        ] {
            assert_eq!(read(text), Err(field.to_owned()), "{text}");
        }
    }
}
