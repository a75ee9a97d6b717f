//! A body that is a document for people: YAML, or the same as JSON. Read as text, so that mistakes are told with their place.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use lazuli_core::Error;
use lazuli_spec::ErrorCode;

use super::errors::Problem;

/// The whole body as text.
#[derive(Debug)]
pub struct Text(pub String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| {
                let code = if rejection.status().as_u16() == 413 {
                    ErrorCode::PayloadTooLarge
                } else {
                    ErrorCode::MalformedBody
                };
                Problem::from(Error::new(code, rejection.body_text()))
            })?;
        let text = String::from_utf8(bytes.into());
        text.map(Self).map_err(|_| {
            Problem::from(Error::new(
                ErrorCode::MalformedBody,
                "the body is not UTF-8 text",
            ))
        })
    }
}
