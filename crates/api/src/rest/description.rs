//! `/api/v1/openapi.json`: the native interface described by itself.

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::OpenApi;

use crate::routing::{Dialect, Permission, Routes};

/// The text, made once when the routes are closed.
static TEXT: OnceLock<String> = OnceLock::new();

/// The route of the description. It tells nothing that the documentation does not.
pub(crate) fn add_routes(routes: &mut Routes) {
    let method = axum::http::Method::GET;
    routes.raw(
        Dialect::Rest,
        method,
        "/api/v1/openapi.json",
        Permission::Public,
        show,
    );
}

/// Keeps the finished description for the route above.
pub(crate) fn publish(openapi: &OpenApi) {
    let text = openapi.to_pretty_json().unwrap_or_default();
    TEXT.get_or_init(|| text);
}

async fn show() -> impl IntoResponse {
    let text = TEXT.get().map_or("", String::as_str);
    ([(CONTENT_TYPE, "application/json")], text)
}
