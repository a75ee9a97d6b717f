//! MLflow's dialect, at the server's root and under `/ajax-api`: one file a noun.
//!
//! Handlers take a [`Call`], call one core method, and answer in the shapes of `views.rs`. Which workspace a request
//! is about stands in the header `X-MLFLOW-WORKSPACE`; without it, it is the default one.

pub mod absent;
pub mod artifacts;
pub mod assessments;
mod call;
pub mod downloads;
pub mod errors;
pub mod evaluation_datasets;
pub mod experiments;
pub mod gateway;
mod graphql;
pub mod issues;
pub mod json;
pub mod logged_models;
pub mod metric_history;
pub mod metrics;
pub mod model_versions;
pub mod otlp;
pub mod presigned;
pub mod registered_models;
pub mod roles;
pub mod runs;
pub mod scorers;
pub mod server_info;
pub mod spans;
pub mod traces;
pub mod uploads;
pub mod users;
pub mod views;
pub mod webhooks;
pub mod workspaces;

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
    uploads::add_routes(routes);
    presigned::add_routes(routes);
    registered_models::add_routes(routes);
    model_versions::add_routes(routes);
    logged_models::add_routes(routes);
    otlp::add_routes(routes);
    assessments::add_routes(routes);
    traces::add_routes(routes);
    spans::add_routes(routes);
    evaluation_datasets::add_routes(routes);
    scorers::add_routes(routes);
    issues::add_routes(routes);
    gateway::add_routes(routes);
    graphql::add_routes(routes);
    absent::add_routes(routes);
    webhooks::add_routes(routes);
    users::add_routes(routes);
    roles::add_routes(routes);
    workspaces::add_routes(routes);
}

/// Adds the routes below a path, each twice, as MLflow's server does: under `/api` for clients and under `/ajax-api` for
/// browsers.
pub(crate) struct Paths<'r> {
    routes: &'r mut Routes,
    below: &'static str,
}

impl<'r> Paths<'r> {
    pub(crate) fn below(routes: &'r mut Routes, below: &'static str) -> Self {
        Self { routes, below }
    }

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
        let below = self.below;
        let mut add = |root: &str, method, handler| {
            let path = format!("{root}/{below}{path}");
            self.routes
                .raw(Dialect::Mlflow, method, &path, permission, handler);
        };
        add("/api", method.clone(), handler.clone());
        add("/ajax-api", method, handler);
    }
}
