//! MLflow's dialect, at the server's root and under `/ajax-api`: one file a noun.

pub mod errors;

use crate::routing::Routes;

/// All of MLflow's routes.
pub(crate) fn add_routes(_routes: &mut Routes) {}
