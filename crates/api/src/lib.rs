//! The doors of Lazuli: three dialects over one core. Handlers extract, call one core method, map the answer.
//!
//! Every route is added through [`routing::Routes`], which demands a permission: a route without one does not compile.
//! The table of routes that results is what the tests walk, route by route and role by role.

pub mod address;
pub mod auth;
pub mod mlflow;
pub mod rest;
pub mod routing;

use axum::Router;
use lazuli_core::Core;
use utoipa::openapi::OpenApi;

use crate::routing::{RouteTable, Routes};

/// What every handler can get at.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The product.
    pub core: Core,
    /// What the server lets strangers send.
    pub limits: Limits,
}

/// Limits on what is sent to us.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest JSON body, in bytes.
    pub json_body: usize,
    /// The largest upload in one request, in bytes.
    pub upload: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json_body: 16 << 20,
            upload: 1 << 40,
        }
    }
}

/// The whole surface: the router, what it consists of, and its description.
pub struct Surface {
    /// To be served.
    pub router: Router,
    /// Every route with its permission.
    pub table: RouteTable,
    /// The native dialect, described.
    pub openapi: OpenApi,
}

/// Builds the surface over a core.
pub fn surface(state: AppState) -> Surface {
    let mut routes = Routes::default();
    rest::add_routes(&mut routes);
    mlflow::add_routes(&mut routes);
    routes.finish(state)
}
