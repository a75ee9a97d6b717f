//! What was made from what: the edges that jobs leave, read for walks over ids.

use crate::{StoreError, Tx, params};

/// Something a job read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputEdge {
    /// The input's name.
    pub input: String,
    /// What kind of thing: `data`, `code`, `model`, `uri_file`, …
    pub kind: String,
    /// How the job named it.
    pub reference: String,
    /// The asset's name, where it is one.
    pub asset: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The tree of its content.
    pub tree: Option<String>,
}

/// What a job read, by the inputs' names.
pub fn inputs(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
) -> Result<Vec<InputEdge>, StoreError> {
    tx.query(
        "SELECT name, kind, reference, asset, version, tree FROM job_inputs WHERE workspace_id = $1 AND job = $2 ORDER BY name",
        params![workspace_id, job],
        |row| {
            Ok(InputEdge {
                input: row.get(0)?,
                kind: row.get(1)?,
                reference: row.get(2)?,
                asset: row.get(3)?,
                version: row.get(4)?,
                tree: row.get(5)?,
            })
        },
    )
}

/// The tree that a job wrote as an output.
pub fn output_tree(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    output: &str,
) -> Result<Option<String>, StoreError> {
    let found = tx.query_opt(
        "SELECT tree FROM job_outputs WHERE workspace_id = $1 AND job = $2 AND name = $3",
        params![workspace_id, job, output],
        |row| row.get::<Option<String>>(0),
    )?;
    Ok(found.flatten())
}
