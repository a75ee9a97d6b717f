//! Metadata: schema, migrations and queries, for SQLite and PostgreSQL behind one concrete [`Store`].
//!
//! `core` opens a [`Store`] and runs closures over [`Tx`]; the functions of a noun stand in that noun's module. One SQL
//! text serves both back ends: TEXT ids, BIGINT microseconds, DOUBLE PRECISION, BYTEA, JSON as TEXT, `$n` placeholders,
//! `ON CONFLICT`, `RETURNING`; the few differences are in [`Dialect`]. A transaction is one closure, run on the back
//! end's own threads: nothing is held across an await.

pub mod assessments;
pub mod asset_lists;
pub mod assets;
#[cfg(test)]
mod assets_tests;
pub mod audit;
mod backup;
mod catalog;
pub mod computes;
pub mod contents;
pub mod datasets;
pub mod deployments;
mod dialect;
pub mod endpoints;
mod error;
pub mod evaluation_dataset_search;
pub mod evaluation_datasets;
pub mod evaluation_records;
pub mod events;
pub mod experiments;
pub mod gateway;
pub mod imports;
pub mod issues;
pub mod jobs;
mod json;
pub mod lineage;
pub mod lists;
pub mod logged_model_search;
pub mod logged_models;
pub mod metric_history;
pub mod metrics;
mod migrations;
pub mod mlflow;
pub mod model_lists;
pub mod model_search;
pub mod model_versions;
pub mod models;
mod postgres;
pub mod principals;
pub mod purges;
mod queue;
pub mod roles;
mod row;
pub mod run_params;
pub mod run_search;
pub mod run_tags;
pub mod runs;
pub mod scorers;
pub mod spans;
mod sql;
mod sqlite;
mod status;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tokens;
pub mod trace_metrics;
pub mod trace_search;
pub mod traces;
#[cfg(test)]
mod tracking_fixture;
mod tx;
pub mod users;
mod value;
pub mod webhooks;
mod work;
pub mod workspaces;

pub use backup::{BackupSummary, verify_backup};
pub use dialect::Dialect;
pub use error::{ConflictKind, StoreError};
pub use migrations::AppliedMigration;
pub use row::{Cell, FromCell, Row};
pub use status::{DatabaseStatus, TableStatus};
pub use store::{Backend, Store, StoreOptions};
pub use tx::Tx;
pub use value::{Kind, Param, ToParam, Typed, Value, as_params};
