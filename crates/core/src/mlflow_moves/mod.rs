//! Moving between MLflow's own server and this one: its database and artifact folder come in with every id kept, and a
//! workspace goes out into such a database again.
//!
//! Whoever calls this owns the home and holds its lock: no server runs meanwhile. An import is a row of `imports` with the
//! place where it goes on; the place moves in the same transactions that write rows, so that it may be killed anywhere and
//! run again without anything missing or there twice.

mod begin;
mod export;
mod files;
mod foreign;
mod import;
mod plan;
mod verify;

use serde::{Deserialize, Serialize};

pub use export::ExportReport;
pub use foreign::{Foreign, Given};
pub use import::ImportReport;
pub use lazuli_store::mlflow::{Clash, Leftover, Purpose, Skipped};
pub use plan::{Counted, Kept, Plan};
pub use verify::Verified;

use lazuli_spec::ErrorCode;
use lazuli_store::StoreError;

use crate::Error;

/// Hears how far a move is.
pub trait Progress: Send + Sync {
    /// Another kind of thing is under way; so many are to come, where that is known.
    fn stage(&self, what: &str, total: Option<u64>);
    /// So many more are done.
    fn advance(&self, count: u64);
}

/// Files, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// How many.
    pub count: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Files {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// An error of MLflow's database, in its own words: it is the caller's, and what is wrong in it is theirs to see.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is handed to map_err everywhere"
)]
fn theirs(error: StoreError) -> Error {
    let code = match error {
        StoreError::Unavailable(_) | StoreError::Busy(_) => ErrorCode::Unavailable,
        _ => ErrorCode::InvalidArgument,
    };
    Error::new(code, format!("MLflow's database: {error}"))
}

fn folder_failed(what: &str, path: &std::path::Path, error: &std::io::Error) -> Error {
    Error::new(
        ErrorCode::InvalidArgument,
        format!("cannot {what} `{}`: {error}", path.display()),
    )
}
