//! `/api/v1/openapi.json`: the native interface described by itself. It tells nothing that the documentation does not.

use axum::http::header::CONTENT_TYPE;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use utoipa::openapi::OpenApi;

use crate::AppState;

/// Where the description is found.
pub(crate) const PATH: &str = "/api/v1/openapi.json";

/// The route of the description; its text is made once.
pub(crate) fn route(openapi: &OpenApi) -> MethodRouter<AppState> {
    let text = Bytes::from(openapi.to_pretty_json().unwrap_or_default());
    get(move || std::future::ready(([(CONTENT_TYPE, "application/json")], text.clone())))
}
