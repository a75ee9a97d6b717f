//! Deleting traces: which ones, and all that belongs to them.

use crate::sql::{Statement, padded_chunks, placeholders};
use crate::{Param, StoreError, Tx, as_params};

/// Which traces of an experiment to delete. What is absent does not limit.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The experiment's number.
    pub experiment_no: i64,
    /// Only those whose request came at this time or before, milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Only so many, the oldest.
    pub most: Option<i64>,
    /// Only these.
    pub trace_ids: Option<Vec<String>>,
}

/// A trace that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Its number.
    pub trace_no: i64,
    /// Its id.
    pub trace_id: String,
}

/// Up to `limit` of the traces that the selection names, the oldest first.
pub fn select(
    tx: &mut Tx<'_>,
    selection: &Selection,
    limit: i64,
) -> Result<Vec<Removed>, StoreError> {
    let mut found = Vec::new();
    let limit = selection.most.map_or(limit, |most| most.clamp(0, limit));
    let ids = selection.trace_ids.as_ref();
    let chunks: Vec<Option<Vec<String>>> = match ids {
        None => vec![None],
        Some(ids) => padded_chunks(ids).into_iter().map(Some).collect(),
    };
    for chunk in chunks {
        found.extend(select_chunk(tx, selection, chunk.as_deref(), limit)?);
    }
    // several chunks: the oldest over all of them
    found.sort_by(|(time, a), (other, b)| (time, &a.trace_id).cmp(&(other, &b.trace_id)));
    found.dedup_by(|(_, a), (_, b)| a.trace_no == b.trace_no);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, trace)| trace).collect())
}

fn select_chunk(
    tx: &mut Tx<'_>,
    selection: &Selection,
    ids: Option<&[String]>,
    limit: i64,
) -> Result<Vec<(i64, Removed)>, StoreError> {
    let mut statement = Statement::new(tx.dialect());
    let mut conditions = vec![format!(
        "experiment_no = {}",
        statement.bind(selection.experiment_no)
    )];
    if let Some(until) = selection.until_ms {
        conditions.push(format!("request_time_ms <= {}", statement.bind(until)));
    }
    if let Some(ids) = ids {
        let list: Vec<String> = ids.iter().map(|id| statement.bind(id.as_str())).collect();
        conditions.push(format!("trace_id IN ({})", list.join(", ")));
    }
    let sql = format!(
        "SELECT request_time_ms, trace_no, trace_id FROM traces WHERE {} ORDER BY request_time_ms, trace_id LIMIT {limit}",
        conditions.join(" AND ")
    );
    tx.query(&sql, &as_params(&statement.values), |row| {
        let trace = Removed {
            trace_no: row.get(1)?,
            trace_id: row.get(2)?,
        };
        Ok((row.get(0)?, trace))
    })
}

/// The tables whose rows go with a trace, each with a column `trace_no`; the trace itself last.
const TABLES: [&str; 6] = [
    "spans",
    "assessments",
    "trace_tags",
    "trace_metadata",
    "trace_prompts",
    "traces",
];

/// Deletes traces with all that belongs to them; says how many there were.
pub fn remove(tx: &mut Tx<'_>, numbers: &[i64]) -> Result<u64, StoreError> {
    let mut removed = 0;
    for chunk in padded_chunks(numbers) {
        let values: Vec<Param<'_>> = chunk.iter().map(|number| Param::Integer(*number)).collect();
        let list = placeholders(1, chunk.len());
        let links = format!(
            "DELETE FROM trace_runs WHERE (workspace_id, trace_id) IN (SELECT workspace_id, trace_id FROM traces WHERE trace_no IN ({list}))"
        );
        tx.execute(&links, &values)?;
        for table in TABLES {
            let sql = format!("DELETE FROM {table} WHERE trace_no IN ({list})");
            let gone = tx.execute(&sql, &values)?;
            if table == "traces" {
                removed += gone;
            }
        }
    }
    Ok(removed)
}
