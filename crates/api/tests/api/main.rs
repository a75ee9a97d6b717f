//! The interface over the router, without sockets: native and MLflow's, door by door and noun by noun.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod assets;
mod bench;
mod identity;
mod links;
mod lists;
mod mlflow;
mod mlflow_reference;
mod models;
mod reference;
mod route_table;
