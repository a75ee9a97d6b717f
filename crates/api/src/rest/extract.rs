//! Extractors of the native dialect: axum's own, with our errors, and what the handlers share.

use axum::extract::{FromRequest, FromRequestParts};
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lazuli_core::Error;
use lazuli_spec::Timestamp;
use serde::Serialize;

use super::errors::Problem;

/// A JSON body, read or written.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Path parameters.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

/// Query parameters.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);

/// The `If-Match` header, if there is one: an etag is the moment of the last change.
#[derive(Clone, Copy, Debug)]
pub struct IfMatch(pub Option<Timestamp>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IF_MATCH) else {
            return Ok(Self(None));
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let micros = text.trim_start_matches("W/").trim_matches('"').parse().ok();
        let wrong = || {
            Error::invalid(
                "If-Match",
                "this is not an etag of this server; send the one that was read",
            )
        };
        Ok(Self(Some(Timestamp(micros.ok_or_else(wrong)?))))
    }
}

/// The status of a request that makes a thing unless it is there: 201 when it was made, 200 when it was there.
pub(crate) fn put_status(made: bool) -> StatusCode {
    if made {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    }
}

/// A body with its etag.
#[derive(Debug)]
pub struct Tagged<T>(pub Timestamp, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", self.0.0)) {
            headers.insert(ETAG, value);
        }
        (headers, axum::Json(self.1)).into_response()
    }
}
