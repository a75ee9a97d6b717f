//! Rows of `job_inputs` and `job_outputs`: lineage, walked both ways.

use crate::{Row, StoreError, Tx, params};

/// What a job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRow {
    /// The input's name; `code` and `environment` are not inputs of the job's own and begin with a dot: `.code`.
    pub name: String,
    /// `data`, `model`, `environment`, `code`, `job`, `uri`.
    pub kind: String,
    /// The reference as written.
    pub reference: String,
    /// The asset's name, or the job's.
    pub asset: Option<String>,
    /// The asset's version, or the job's output.
    pub version: Option<String>,
    /// The content.
    pub tree: Option<String>,
}

/// What a job makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRow {
    /// The output's name.
    pub name: String,
    /// Its type, by the YAML's word.
    pub kind: String,
    /// The content, once there.
    pub tree: Option<String>,
    /// The asset it is registered as.
    pub asset: Option<String>,
    /// The asset's version: what was asked for, then what it became.
    pub version: Option<String>,
}

fn input_from_row(row: &Row<'_>) -> Result<InputRow, StoreError> {
    Ok(InputRow {
        name: row.get(0)?,
        kind: row.get(1)?,
        reference: row.get(2)?,
        asset: row.get(3)?,
        version: row.get(4)?,
        tree: row.get(5)?,
    })
}

fn output_from_row(row: &Row<'_>) -> Result<OutputRow, StoreError> {
    Ok(OutputRow {
        name: row.get(0)?,
        kind: row.get(1)?,
        tree: row.get(2)?,
        asset: row.get(3)?,
        version: row.get(4)?,
    })
}

/// Records what a job reads.
pub fn insert_input(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    input: &InputRow,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO job_inputs (workspace_id, job, name, kind, reference, asset, version, tree) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            workspace_id,
            job,
            &input.name,
            &input.kind,
            &input.reference,
            input.asset.as_deref(),
            input.version.as_deref(),
            input.tree.as_deref()
        ],
    )?;
    Ok(())
}

/// Records what a job is to make.
pub fn insert_output(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    output: &OutputRow,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO job_outputs (workspace_id, job, name, kind, tree, asset, version) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            workspace_id,
            job,
            &output.name,
            &output.kind,
            output.tree.as_deref(),
            output.asset.as_deref(),
            output.version.as_deref()
        ],
    )?;
    Ok(())
}

/// Records what an output became; says whether there is such an output.
pub fn set_output(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    name: &str,
    tree: &str,
    version: Option<&str>,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE job_outputs SET tree = $4, version = $5 WHERE workspace_id = $1 AND job = $2 AND name = $3",
        params![workspace_id, job, name, tree, version],
    )?;
    Ok(changed > 0)
}

/// What a job reads, by name.
pub fn inputs(tx: &mut Tx<'_>, workspace_id: &str, job: &str) -> Result<Vec<InputRow>, StoreError> {
    tx.query(
        "SELECT name, kind, reference, asset, version, tree FROM job_inputs WHERE workspace_id = $1 AND job = $2 ORDER BY name",
        params![workspace_id, job],
        input_from_row,
    )
}

/// What a job makes, by name.
pub fn outputs(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
) -> Result<Vec<OutputRow>, StoreError> {
    tx.query(
        "SELECT name, kind, tree, asset, version FROM job_outputs WHERE workspace_id = $1 AND job = $2 ORDER BY name",
        params![workspace_id, job],
        output_from_row,
    )
}

/// The jobs that read a version of an asset.
pub fn readers_of(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: &str,
    asset: &str,
    version: &str,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT DISTINCT job FROM job_inputs WHERE workspace_id = $1 AND kind = $2 AND asset = $3 AND version = $4 ORDER BY job LIMIT $5",
        params![workspace_id, kind, asset, version, limit],
        |row| row.get(0),
    )
}

/// The jobs that made a version of an asset.
pub fn writers_of(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    asset: &str,
    version: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    tx.query(
        "SELECT job, name FROM job_outputs WHERE workspace_id = $1 AND asset = $2 AND version = $3 AND tree IS NOT NULL ORDER BY job",
        params![workspace_id, asset, version],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
