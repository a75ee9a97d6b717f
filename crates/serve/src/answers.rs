//! Answers of the gateway: Azure ML's status codes, and what the model said passed on.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::pool::{ScoreError, ScoreReply};

/// Headers that belong to one connection, or that the server writes itself.
const NOT_PASSED_ON: [&str; 6] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
];
const MODEL_STATUS: HeaderName = HeaderName::from_static("ms-azureml-model-error-statuscode");
const MODEL_REASON: HeaderName = HeaderName::from_static("ms-azureml-model-error-reason");

/// A refusal by the gateway itself.
pub(crate) fn refusal(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "detail": detail,
        "error": { "code": code, "message": detail },
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        "content-type",
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

/// What the pool answers, as Azure ML's front end would pass it on: a model that does not say 2xx is a failed dependency.
pub(crate) fn scored(outcome: Result<ScoreReply, ScoreError>) -> Response {
    match outcome {
        Ok(reply) => passed_on(reply),
        Err(error @ ScoreError::Busy(_)) => refusal(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            &error.to_string(),
        ),
        Err(error @ ScoreError::Timeout(_)) => {
            refusal(StatusCode::REQUEST_TIMEOUT, "timeout", &error.to_string())
        }
        Err(error @ ScoreError::NoWorker) => refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            &error.to_string(),
        ),
        Err(error @ ScoreError::WorkerDied) => {
            let mut response = refusal(
                StatusCode::FAILED_DEPENDENCY,
                "model_error",
                &error.to_string(),
            );
            blame(response.headers_mut(), 502, "worker died");
            response
        }
    }
}

fn passed_on(reply: ScoreReply) -> Response {
    let failed = !(200..300).contains(&reply.status);
    let reason = failed.then(|| reason(&reply));
    let mut response = Response::new(Body::from(reply.body));
    for (name, value) in &reply.headers {
        let name = HeaderName::try_from(name.as_str())
            .ok()
            .filter(|name| !NOT_PASSED_ON.contains(&name.as_str()));
        if let (Some(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(reason) = reason {
        *response.status_mut() = StatusCode::FAILED_DEPENDENCY;
        blame(response.headers_mut(), reply.status, &reason);
    } else {
        *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    }
    response
}

/// The first words of the model's body, fit for a header.
fn reason(reply: &ScoreReply) -> String {
    let words: String = String::from_utf8_lossy(&reply.body)
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| (' '..='~').contains(c))
        .take(200)
        .collect();
    if words.is_empty() {
        "the model answered with an error".to_owned()
    } else {
        words
    }
}

fn blame(headers: &mut HeaderMap, status: u16, reason: &str) {
    headers.insert(MODEL_STATUS, HeaderValue::from(status));
    if let Ok(value) = HeaderValue::try_from(reason) {
        headers.insert(MODEL_REASON, value);
    }
}
