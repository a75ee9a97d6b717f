//! The words of Lazuli: plain types, validation and grammars shared by every layer. No I/O.
//!
//! One noun, one module; the same name is used by the file in `store`, `core`, `api` and `cli`.

pub mod yaml;

pub mod actions;
pub mod assessments;
pub mod assets;
pub mod audit;
pub mod clock;
pub mod code;
pub mod computes;
pub mod data;
pub mod deployments;
pub mod endpoints;
pub mod environments;
pub mod errors;
pub mod evaluation_datasets;
pub mod evaluation_records;
pub mod experiments;
pub mod expressions;
pub mod filters;
pub mod gateway;
pub mod invalid;
pub mod issues;
pub mod jobs;
pub mod limits;
pub mod lists;
pub mod logged_models;
pub mod metrics;
pub mod models;
pub mod names;
pub mod otlp;
pub mod page_tokens;
pub mod pages;
pub mod principals;
pub mod python_json;
pub mod random;
pub mod references;
pub mod roles;
pub mod run_names;
pub mod runner;
pub mod runs;
pub mod scorers;
pub mod spans;
pub mod tokens;
pub mod trace_metrics;
pub mod traces;
pub mod trees;
pub mod users;
pub mod webhooks;
pub mod workspaces;

pub use actions::{Action, ActionSet};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use errors::ErrorCode;
pub use pages::{Page, PageRequest};
pub use random::{IdSource, SeededIds, SystemIds};
