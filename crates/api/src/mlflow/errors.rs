//! MLflow's errors: `{"error_code": …, "message": …}` with the status its client expects.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lazuli_core::Error;
use lazuli_spec::ErrorCode;
use serde_json::json;

use crate::rest;

/// An error on its way to an MLflow client.
#[derive(Debug)]
pub struct MlflowError(Error);

impl MlflowError {
    /// What it says.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The same for an answer that tells errors beside data: its cause goes to the log.
    pub(super) fn told(self) -> String {
        rest::errors::log(&self.0);
        with_hint(self.0)
    }
}

fn with_hint(error: Error) -> String {
    match error.hint {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message.into_owned(),
    }
}

/// What a handler of this dialect returns.
pub type MlflowResult<T> = Result<T, MlflowError>;

impl From<Error> for MlflowError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<PathRejection> for MlflowError {
    fn from(rejection: PathRejection) -> Self {
        Self(Error::invalid("path", rejection.body_text()))
    }
}

/// Path parameters; one that is no text is told in this dialect's words.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(MlflowError))]
pub struct Path<T>(pub T);

impl From<lazuli_spec::invalid::Invalid> for MlflowError {
    fn from(invalid: lazuli_spec::invalid::Invalid) -> Self {
        Self(invalid.into())
    }
}

/// The one table from our code to MLflow's.
pub const fn mlflow_code(code: ErrorCode) -> (StatusCode, &'static str) {
    match code {
        ErrorCode::InvalidArgument
        | ErrorCode::ImmutableContent
        | ErrorCode::ContentMismatch
        | ErrorCode::EnvironmentUnresolvable
        | ErrorCode::PayloadTooLarge
        | ErrorCode::RangeNotSatisfiable => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE"),
        ErrorCode::MalformedBody | ErrorCode::UnsupportedMediaType => {
            (StatusCode::BAD_REQUEST, "BAD_REQUEST")
        }
        ErrorCode::AlreadyExists => (StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS"),
        ErrorCode::Unauthenticated => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        ErrorCode::PermissionDenied => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
        ErrorCode::NotFound => (StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST"),
        ErrorCode::RouteNotFound => (StatusCode::NOT_FOUND, "ENDPOINT_NOT_FOUND"),
        ErrorCode::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "ENDPOINT_NOT_FOUND"),
        ErrorCode::Conflict | ErrorCode::PreconditionFailed => {
            (StatusCode::CONFLICT, "RESOURCE_CONFLICT")
        }
        ErrorCode::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "REQUEST_LIMIT_EXCEEDED"),
        ErrorCode::Unsupported => (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED"),
        ErrorCode::ModelError | ErrorCode::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR")
        }
        ErrorCode::Timeout => (StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED"),
        ErrorCode::Unavailable | ErrorCode::StorageFull => {
            (StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE")
        }
    }
}

impl IntoResponse for MlflowError {
    fn into_response(self) -> Response {
        rest::errors::log(&self.0);
        let (status, code) = mlflow_code(self.0.code);
        let message = with_hint(self.0);
        (
            status,
            Json(json!({ "error_code": code, "message": message })),
        )
            .into_response()
    }
}
