//! The native REST interface, `/api/v1`: one file a noun.

pub mod audit;
pub mod deployments;
pub(crate) mod description;
pub mod endpoints;
pub mod errors;
pub mod extract;
pub(crate) mod openapi;
pub mod principals;
pub mod roles;
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
    endpoints::add_routes(routes);
    deployments::add_routes(routes);
}
