//! What traces are linked to: runs and versions of prompts.

use crate::sql::{padded_chunks, rows};
use crate::{Param, StoreError, Tx, params};

/// Links traces to a run; links that are there stay.
pub fn link_to_run(tx: &mut Tx<'_>, trace_numbers: &[i64], run_id: &str) -> Result<(), StoreError> {
    let pairs: Vec<(i64, &str)> = trace_numbers
        .iter()
        .map(|number| (*number, run_id))
        .collect();
    link(tx, "trace_runs (trace_no, run_id)", &pairs)
}

/// Links a trace to versions of prompts, each written as `name/version`; links that are there stay.
pub fn link_prompts(tx: &mut Tx<'_>, trace_no: i64, prompts: &[String]) -> Result<(), StoreError> {
    let pairs: Vec<(i64, &str)> = prompts
        .iter()
        .map(|prompt| (trace_no, prompt.as_str()))
        .collect();
    link(tx, "trace_prompts (trace_no, prompt)", &pairs)
}

fn link(tx: &mut Tx<'_>, table: &str, pairs: &[(i64, &str)]) -> Result<(), StoreError> {
    for chunk in padded_chunks(pairs) {
        let sql = format!(
            "INSERT INTO {table} VALUES {} ON CONFLICT DO NOTHING",
            rows(chunk.len(), 2)
        );
        let values: Vec<Param<'_>> = chunk
            .iter()
            .flat_map(|(number, to)| [Param::Integer(*number), Param::Text(to)])
            .collect();
        tx.execute(&sql, &values)?;
    }
    Ok(())
}

/// The runs that a trace was linked to.
pub fn linked_runs(tx: &mut Tx<'_>, trace_no: i64) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT run_id FROM trace_runs WHERE trace_no = $1 ORDER BY run_id";
    tx.query(sql, params![trace_no], |row| row.get(0))
}

/// The versions of prompts that a trace was linked to, as `name/version`.
pub fn prompts(tx: &mut Tx<'_>, trace_no: i64) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT prompt FROM trace_prompts WHERE trace_no = $1 ORDER BY prompt";
    tx.query(sql, params![trace_no], |row| row.get(0))
}
