//! `POST /v1/traces`: spans by OTLP over HTTP, from MLflow's client and from any other exporter of OpenTelemetry.
//!
//! The experiment stands in the header `x-mlflow-experiment-id`, a run to link with in `x-mlflow-run-id`. What is wrong is said in
//! MLflow's shape, with the field `detail` beside it that this path's clients look at.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use lazuli_core::Error;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::otlp::{self, Export, OtlpError};
use lazuli_spec::spans::{Received, received};
use lazuli_spec::{Action, ErrorCode};
use serde_json::json;

use super::MlflowCaller;
use super::errors::MlflowError;
use crate::AppState;
use crate::routing::{Dialect, Permission, Routes};

const PATH: &str = "/v1/traces";
const EXPERIMENT: &str = "x-mlflow-experiment-id";
const RUN: &str = "x-mlflow-run-id";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// Requests up to this size are read at once; larger ones by a thread that may take its time.
const SMALL: usize = 64 << 10;

pub(crate) fn add_routes(routes: &mut Routes) {
    let permission = Permission::Workspace(Action::TracesWrite);
    routes.raw(Dialect::Mlflow, Method::POST, PATH, permission, export);
}

async fn export(
    State(app): State<AppState>,
    who: MlflowCaller,
    request: Request,
) -> Result<Response, Refusal> {
    let (headers, body) = (request.headers().clone(), request.into_body());
    let experiment = required(&headers, EXPERIMENT)?;
    let kind = kind(&headers)?;
    let limit = app.limits.json_body.max(otlp::MOST_BYTES);
    let body = axum::body::to_bytes(body, limit).await;
    let body = body.map_err(|_| Refusal::too_large(limit))?;
    let encoding = text(&headers, CONTENT_ENCODING.as_str()).unwrap_or_default();
    let spans = read(body, encoding.to_owned(), kind == JSON).await?;
    let experiment_id = ExperimentId::parse(experiment)
        .map_err(|error| Refusal::Core(Error::new(ErrorCode::InvalidArgument, error.0)))?;
    let run_id = text(&headers, RUN).filter(|run_id| !run_id.is_empty());
    if !spans.is_empty() {
        app.core
            .log_spans(
                &who.caller,
                &who.workspace,
                experiment_id,
                spans,
                run_id.map(str::to_owned),
            )
            .await
            .map_err(Refusal::Core)?;
    }
    Ok(accepted(kind))
}

/// The protocol's answer without a complaint, in the request's own encoding.
fn accepted(kind: &'static str) -> Response {
    let body = if kind == JSON { "{}" } else { "" };
    let mut response = body.into_response();
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn read(body: Bytes, encoding: String, is_json: bool) -> Result<Vec<Received>, Refusal> {
    // a compressed body may be much larger than it looks
    let small = body.len() <= SMALL && encoding.is_empty();
    let parse = move || -> Result<Vec<Received>, OtlpError> {
        let plain;
        let bytes = if encoding.is_empty() {
            &body
        } else {
            plain = otlp::decompress(&body, &encoding)?;
            plain.as_slice()
        };
        let export = if is_json {
            Export::from_json(bytes)?
        } else {
            Export::from_protobuf(bytes)?
        };
        received(export)
    };
    let outcome = if small {
        parse()
    } else {
        let ended = tokio::task::spawn_blocking(parse).await;
        ended.map_err(|_| Refusal::Core(Error::internal("reading the spans failed")))?
    };
    outcome.map_err(Refusal::Otlp)
}

fn required<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Refusal> {
    text(headers, name).ok_or_else(|| {
        let message = format!("The header `{name}` must name an experiment");
        Refusal::Otlp(OtlpError::Span(message))
    })
}

fn kind(headers: &HeaderMap) -> Result<&'static str, Refusal> {
    let given = text(headers, CONTENT_TYPE.as_str());
    let media = given
        .and_then(|given| given.split(';').next())
        .map(str::trim);
    match media {
        Some(PROTOBUF) => Ok(PROTOBUF),
        Some(JSON) => Ok(JSON),
        _ => Err(Refusal::Otlp(OtlpError::Malformed(format!(
            "Invalid Content-Type: {}. Expected: {PROTOBUF} or {JSON}",
            given.unwrap_or("None")
        )))),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Why spans are not taken.
#[derive(Debug)]
enum Refusal {
    /// The request itself.
    Otlp(OtlpError),
    /// What it asks for.
    Core(Error),
}

impl Refusal {
    fn too_large(limit: usize) -> Self {
        let message = format!("The body could not be read whole, or is larger than {limit} bytes");
        Self::Otlp(OtlpError::TooLarge(message))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Core(error) => return MlflowError::from(error).into_response(),
            Self::Otlp(error) => error,
        };
        let (status, code) = match &error {
            OtlpError::Malformed(_) => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            OtlpError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_PARAMETER_VALUE"),
            OtlpError::Span(_) => (StatusCode::UNPROCESSABLE_ENTITY, "INVALID_PARAMETER_VALUE"),
        };
        let message = error.to_string();
        let body = json!({ "error_code": code, "message": message, "detail": message });
        (status, Json(body)).into_response()
    }
}
