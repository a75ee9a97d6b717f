//! What traces are linked to: runs and versions of prompts.

use crate::sql::{padded_chunks, rows};
use crate::{Param, StoreError, Tx, params};

/// Links traces to a run, those that are still to come, too; links that are there stay.
pub fn link_to_run(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    trace_ids: &[String],
    run_id: &str,
) -> Result<(), StoreError> {
    for chunk in padded_chunks(trace_ids) {
        let sql = format!(
            "INSERT INTO trace_runs (run_id, workspace_id, trace_id) VALUES {} ON CONFLICT DO NOTHING",
            rows(chunk.len(), 3)
        );
        let row = |id| {
            [
                Param::Text(run_id),
                Param::Text(workspace_id),
                Param::Text(id),
            ]
        };
        let values: Vec<Param<'_>> = chunk.iter().flat_map(|id| row(id)).collect();
        tx.execute(&sql, &values)?;
    }
    Ok(())
}

/// Links a trace to versions of prompts, each written as `name/version`; links that are there stay.
pub fn link_prompts(tx: &mut Tx<'_>, trace_no: i64, prompts: &[String]) -> Result<(), StoreError> {
    for chunk in padded_chunks(prompts) {
        let sql = format!(
            "INSERT INTO trace_prompts (trace_no, prompt) VALUES {} ON CONFLICT DO NOTHING",
            rows(chunk.len(), 2)
        );
        let row = |prompt| [Param::Integer(trace_no), Param::Text(prompt)];
        let values: Vec<Param<'_>> = chunk.iter().flat_map(|prompt| row(prompt)).collect();
        tx.execute(&sql, &values)?;
    }
    Ok(())
}

/// The runs that a trace was linked to.
pub fn linked_runs(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    trace_id: &str,
) -> Result<Vec<String>, StoreError> {
    let sql =
        "SELECT run_id FROM trace_runs WHERE workspace_id = $1 AND trace_id = $2 ORDER BY run_id";
    tx.query(sql, params![workspace_id, trace_id], |row| row.get(0))
}

/// The versions of prompts that a trace was linked to, as `name/version`.
pub fn prompts(tx: &mut Tx<'_>, trace_no: i64) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT prompt FROM trace_prompts WHERE trace_no = $1 ORDER BY prompt";
    tx.query(sql, params![trace_no], |row| row.get(0))
}
