//! MLflow's dialect, at the server's root and under `/ajax-api`: one file a noun.
//!
//! Handlers take a [`Call`], call one core method, and answer in the shapes of `views.rs`. Which workspace a request
//! is about stands in the header `X-MLFLOW-WORKSPACE`; without it, it is the default one.

pub mod artifacts;
mod call;
pub mod downloads;
pub mod errors;
pub mod experiments;
pub mod json;
pub mod logged_models;
pub mod metric_history;
pub mod metrics;
pub mod model_versions;
pub mod registered_models;
pub mod runs;
pub mod server_info;
pub mod views;

use axum::handler::Handler;
use axum::http::Method;

pub use call::{Call, MlflowCaller};

use crate::AppState;
use crate::routing::{Dialect, Permission, Routes};

/// All of MLflow's routes.
pub(crate) fn add_routes(routes: &mut Routes) {
    server_info::add_routes(routes);
    experiments::add_routes(routes);
    runs::add_routes(routes);
    metric_history::add_routes(routes);
    metrics::add_routes(routes);
    artifacts::add_routes(routes);
    downloads::add_routes(routes);
    registered_models::add_routes(routes);
    model_versions::add_routes(routes);
    logged_models::add_routes(routes);
}

/// Adds a route twice, as MLflow's server does: under `/api` for clients and under `/ajax-api` for browsers.
pub(crate) fn on_both<H, T>(
    routes: &mut Routes,
    method: Method,
    path: &str,
    permission: Permission,
    handler: H,
) where
    H: Handler<T, AppState>,
    T: 'static,
{
    let add = |routes: &mut Routes, root: &str, method, handler| {
        let path = format!("{root}/{path}");
        routes.raw(Dialect::Mlflow, method, &path, permission, handler);
    };
    add(routes, "/api", method.clone(), handler.clone());
    add(routes, "/ajax-api", method, handler);
}

/// The same, for a list of routes.
pub(crate) struct Paths<'a>(pub(crate) &'a mut Routes);

impl Paths<'_> {
    pub(crate) fn add<H, T>(
        &mut self,
        method: Method,
        path: &str,
        permission: Permission,
        handler: H,
    ) where
        H: Handler<T, AppState>,
        T: 'static,
    {
        on_both(self.0, method, path, permission, handler);
    }
}
