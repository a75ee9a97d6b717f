//! The native REST interface, `/api/v1`: one file a noun.

pub(crate) mod asset_routes;
pub mod assets;
pub mod audit;
pub mod code;
pub mod computes;
pub mod content;
pub mod data;
pub mod data_files;
pub mod deployments;
pub(crate) mod description;
pub mod endpoints;
pub mod environments;
pub mod errors;
pub mod extract;
pub mod job_logs;
pub mod job_query;
pub mod job_view;
pub mod jobs;
pub mod links;
pub mod list_queries;
pub mod model_views;
pub mod models;
pub(crate) mod openapi;
pub mod principals;
pub mod purges;
pub mod roles;
pub mod runner;
pub(crate) mod streams;
pub mod text;
pub mod tokens;
pub mod workspaces;

use crate::routing::Routes;

/// All native routes, grouped by noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    workspaces::add_routes(routes);
    principals::add_routes(routes);
    tokens::add_routes(routes);
    roles::add_routes(routes);
    audit::add_routes(routes);
    purges::add_routes(routes);
    content::add_routes(routes);
    data::add_routes(routes);
    models::add_routes(routes);
    data_files::add_routes(routes);
    environments::add_routes(routes);
    code::add_routes(routes);
    computes::add_routes(routes);
    jobs::add_routes(routes);
    runner::add_routes(routes);
    links::add_routes(routes);
    endpoints::add_routes(routes);
    deployments::add_routes(routes);
}
