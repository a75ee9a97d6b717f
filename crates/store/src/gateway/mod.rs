//! Rows of what an AI gateway is administered by.

pub mod bindings;
pub mod endpoints;
mod mappings;
pub mod model_definitions;
pub mod secrets;
#[cfg(test)]
mod tests;

use lazuli_spec::gateway::Stamps;

use crate::{Row, StoreError};

/// The stamps in the four columns from `first` on.
fn stamps(row: &Row<'_>, first: usize) -> Result<Stamps, StoreError> {
    Ok(Stamps {
        created_at: row.get(first)?,
        updated_at: row.get(first + 1)?,
        created_by: row.get(first + 2)?,
        updated_by: row.get(first + 3)?,
    })
}

fn unknown(word: &str) -> StoreError {
    StoreError::Corrupt(format!("`{word}` is no word of the gateway"))
}
