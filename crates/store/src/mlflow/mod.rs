//! MLflow's own database, read and written: what `lazuli import mlflow` and `lazuli export mlflow` move between it and ours.
//!
//! Every table is a [`Pipe`]: which columns are read on one side, what becomes of a row, how rows are written on the other
//! side. Rows travel in pages by key, so that memory stays flat and an interrupted move goes on where it stopped. Each
//! noun's pipes, in both directions, stand in that noun's file; [`imports`] and [`exports`] list them in an order in which
//! what is referred to comes first.
//!
//! Older databases lack columns and tables; a pipe asks the [`Schema`] for what there is.

mod address;
mod census;
mod datasets;
mod evaluation;
mod experiments;
mod fields;
mod issues;
mod logged_models;
mod metrics;
mod model_versions;
mod pipe;
mod places;
mod registered_models;
mod run_values;
mod runs;
mod schema;
mod spans;
mod traces;

pub use address::{Address, parse_address};
pub use census::{
    Clash, Leftover, clashes, clear_default, count_on, has_default, leftovers, long_run_ids,
    version_trees,
};
pub use metrics::{SeriesPage, settle_series};
pub use pipe::{Context, Page, Pipe, Place, Skipped};
pub use places::{Moved, Places, Root, Roots, roots};
pub use schema::{Purpose, Schema};

/// The pipes from MLflow's tables into ours.
pub fn imports(schema: &Schema) -> Vec<Pipe> {
    [
        experiments::imports(schema),
        runs::imports(schema),
        run_values::imports(schema),
        metrics::imports(schema),
        datasets::imports(schema),
        logged_models::imports(schema),
        registered_models::imports(schema),
        model_versions::imports(schema),
        traces::imports(schema),
        spans::imports(schema),
        evaluation::imports(schema),
        issues::imports(schema),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The pipes from our tables into MLflow's.
pub fn exports() -> Vec<Pipe> {
    [
        experiments::exports(),
        runs::exports(),
        run_values::exports(),
        metrics::exports(),
        datasets::exports(),
        logged_models::exports(),
        registered_models::exports(),
        model_versions::exports(),
        traces::exports(),
        spans::exports(),
        evaluation::exports(),
        issues::exports(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests;
