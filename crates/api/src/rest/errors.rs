//! The native dialect's errors: problem details (RFC 9457) with a stable code.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lazuli_core::Error;
use lazuli_spec::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The body of every error of the native interface.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDetails {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(example = "urn:lazuli:error:not_found")]
    kind: String,
    /// One line on the code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The stable code.
    #[schema(example = "not_found")]
    code: &'static str,
    /// What was wrong with this very request.
    #[schema(example = "there is no data asset `iris:7`")]
    detail: String,
    /// Which field of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// An error on its way out.
#[derive(Debug)]
pub struct Problem(Error);

/// What a native handler returns.
pub type RestResult<T> = Result<T, Problem>;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UnsupportedMediaType,
            StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
            _ => ErrorCode::MalformedBody,
        };
        Self(Error::new(code, rejection.body_text()))
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self(Error::invalid("query", rejection.body_text()))
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self(Error::invalid("path", rejection.body_text()))
    }
}

/// The one table from code to status.
pub const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidArgument
        | ErrorCode::MalformedBody
        | ErrorCode::ContentMismatch
        | ErrorCode::EnvironmentUnresolvable => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorCode::NotFound | ErrorCode::RouteNotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::AlreadyExists | ErrorCode::Conflict | ErrorCode::ImmutableContent => {
            StatusCode::CONFLICT
        }
        ErrorCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::ModelError => StatusCode::FAILED_DEPENDENCY,
        ErrorCode::Timeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = self.0;
        let status = status(error.code);
        log(&error);
        let body = ProblemDetails {
            kind: format!("urn:lazuli:error:{}", error.code),
            title: error.code.title(),
            status: status.as_u16(),
            code: error.code.as_str(),
            detail: error.message.into_owned(),
            field: error.field,
            hint: error.hint.map(std::borrow::Cow::into_owned),
        };
        let mut response = (status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// A defect of ours, and every cause that is not shown, goes to the log with its whole chain.
pub(crate) fn log(error: &Error) {
    let mut chain = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    if error.code == ErrorCode::Internal {
        tracing::error!(code = error.code.as_str(), "{error}{chain}");
    } else if !chain.is_empty() {
        tracing::warn!(code = error.code.as_str(), "{error}{chain}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as data: a change of a status shows in review.
    #[test]
    fn every_code_has_its_status() {
        let rows: Vec<String> = ErrorCode::ALL
            .iter()
            .map(|code| format!("{} {}", status(*code).as_u16(), code.as_str()))
            .collect();
        insta::assert_snapshot!(rows.join("\n"));
    }
}
