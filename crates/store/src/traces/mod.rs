//! Rows of `traces`, their tags and metadata, and what they are linked to.
//!
//! A trace is written from two sides that do not wait for each other: the client tells the trace's own values, and spans
//! stream in. Both read the row locked ([`find`]), change it and write it back ([`save`]).

mod delete;
mod links;
mod values;

use std::collections::HashMap;

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::traces::{Cost, TokenUsage, TraceInfo, TraceState};

use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, Value, as_params, assessments, params};

pub use delete::{Removed, Selection, remove, select};
pub use links::{link_prompts, link_to_run, linked_runs, prompts};
pub use values::{delete_tag, metadata, set_metadata, set_tags, tag};

/// A trace's row.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRow {
    /// Its number, which other tables refer to.
    pub trace_no: i64,
    /// Its experiment's number over all workspaces.
    pub experiment_no: i64,
    /// The trace; tags, metadata and assessments are empty until [`complete`] has run.
    pub info: TraceInfo,
}

/// The columns of [`from_row`], of the table alias `t`.
pub(crate) const COLUMNS: &str = "t.trace_no, t.experiment_no, t.trace_id, t.experiment_id, t.request_time_ms, t.execution_duration_ms, t.state, t.client_request_id, \
     t.request_preview, t.response_preview, t.name, t.session_id, t.input_tokens, t.output_tokens, t.total_tokens, t.cache_read_input_tokens, \
     t.cache_creation_input_tokens, t.cache_creation_input_tokens_above_1hr, t.input_cost, t.output_cost, t.total_cost";
/// How many columns those are.
pub(crate) const WIDTH: usize = 21;

pub(crate) fn from_row(row: &Row<'_>) -> Result<TraceRow, StoreError> {
    let state: String = row.get(6)?;
    let mut tokens = [None; 6];
    for (place, count) in tokens.iter_mut().enumerate() {
        *count = row.get(12 + place)?;
    }
    let mut cost = [None; 3];
    for (place, part) in cost.iter_mut().enumerate() {
        *part = row.get(18 + place)?;
    }
    let info = TraceInfo {
        trace_id: row.get(2)?,
        experiment_id: ExperimentId(row.get(3)?),
        request_time_ms: row.get(4)?,
        execution_duration_ms: row.get(5)?,
        state: TraceState::parse(&state)
            .ok_or_else(|| StoreError::Corrupt(format!("`{state}` is no state of a trace")))?,
        client_request_id: row.get(7)?,
        request_preview: row.get(8)?,
        response_preview: row.get(9)?,
        name: row.get(10)?,
        session_id: row.get(11)?,
        tokens: TokenUsage(tokens),
        cost: Cost(cost),
        tags: Vec::new(),
        metadata: Vec::new(),
        assessments: Vec::new(),
    };
    Ok(TraceRow {
        trace_no: row.get(0)?,
        experiment_no: row.get(1)?,
        info,
    })
}

/// Adds a trace with its tags and metadata, unless its id is taken in the workspace: then nothing is done and there is no
/// number.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    experiment_no: i64,
    info: &TraceInfo,
) -> Result<Option<i64>, StoreError> {
    let mut values = columns(experiment_no, info);
    values.extend([
        Value::from(info.trace_id.as_str()),
        Value::from(workspace_id),
    ]);
    let sql = format!(
        "INSERT INTO traces ({}, trace_id, workspace_id) VALUES ({}) ON CONFLICT (workspace_id, trace_id) DO NOTHING RETURNING trace_no",
        NAMES.join(", "),
        placeholders(1, values.len())
    );
    let trace_no: Option<i64> = tx.query_opt(&sql, &as_params(&values), |row| row.get(0))?;
    if let Some(trace_no) = trace_no {
        let row = TraceRow {
            trace_no,
            experiment_no,
            info: info.clone(),
        };
        set_tags(tx, &row, &info.tags)?;
        set_metadata(tx, &row, &info.metadata)?;
    }
    Ok(trace_no)
}

/// Writes a trace's own columns back. Tags and metadata have their own functions.
pub fn save(tx: &mut Tx<'_>, row: &TraceRow) -> Result<(), StoreError> {
    let mut values = columns(row.experiment_no, &row.info);
    values.push(Value::from(row.trace_no));
    let set: Vec<String> = NAMES
        .iter()
        .enumerate()
        .map(|(place, name)| format!("{name} = ${}", place + 1))
        .collect();
    let sql = format!(
        "UPDATE traces SET {} WHERE trace_no = ${}",
        set.join(", "),
        values.len()
    );
    tx.execute(&sql, &as_params(&values)).map(drop)
}

/// Moves what belongs to a trace to the experiment in its row, which [`save`] has written.
pub fn move_values(tx: &mut Tx<'_>, row: &TraceRow) -> Result<(), StoreError> {
    for table in ["trace_tags", "trace_metadata"] {
        let sql = format!("UPDATE {table} SET experiment_no = $2 WHERE trace_no = $1");
        tx.execute(&sql, params![row.trace_no, row.experiment_no])?;
    }
    Ok(())
}

const NAMES: [&str; 19] = [
    "experiment_no",
    "experiment_id",
    "request_time_ms",
    "execution_duration_ms",
    "state",
    "client_request_id",
    "request_preview",
    "response_preview",
    "name",
    "session_id",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
    "input_cost",
    "output_cost",
    "total_cost",
];

fn columns(experiment_no: i64, info: &TraceInfo) -> Vec<Value> {
    let whole = |value: Option<i64>| value.map_or(Value::Null(crate::Kind::Integer), Value::from);
    let real = |value: Option<f64>| value.map_or(Value::Null(crate::Kind::Real), Value::from);
    let text = |value: &Option<String>| {
        value
            .as_deref()
            .map_or(Value::Null(crate::Kind::Text), Value::from)
    };
    let mut values = vec![
        Value::from(experiment_no),
        Value::from(info.experiment_id.0),
        Value::from(info.request_time_ms),
        whole(info.execution_duration_ms),
        Value::from(info.state.as_str()),
        text(&info.client_request_id),
        text(&info.request_preview),
        text(&info.response_preview),
        text(&info.name),
        text(&info.session_id),
    ];
    values.extend(info.tokens.0.map(whole));
    values.extend(info.cost.0.map(real));
    values
}

/// The trace with this id, without tags and metadata. With `lock` its row stays locked in PostgreSQL until the transaction
/// ends, which must be one that writes.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    trace_id: &str,
    lock: bool,
) -> Result<Option<TraceRow>, StoreError> {
    let suffix = if lock { tx.dialect().for_update() } else { "" };
    let sql = format!(
        "SELECT {COLUMNS} FROM traces t WHERE t.workspace_id = $1 AND t.trace_id = $2{suffix}"
    );
    tx.query_opt(&sql, params![workspace_id, trace_id], from_row)
}

/// Those of the traces that exist, in the order asked for, without tags and metadata; only in these experiments when some
/// are named.
pub fn find_all(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    trace_ids: &[String],
    experiments: Option<&[ExperimentId]>,
) -> Result<Vec<TraceRow>, StoreError> {
    let mut found: HashMap<String, TraceRow> = HashMap::with_capacity(trace_ids.len());
    for chunk in padded_chunks(trace_ids) {
        let sql = format!(
            "SELECT {COLUMNS} FROM traces t WHERE t.workspace_id = $1 AND t.trace_id IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Text(workspace_id)];
        values.extend(chunk.iter().map(|id| Param::Text(id)));
        tx.for_each(&sql, &values, |row| {
            let row = from_row(row)?;
            found.insert(row.info.trace_id.clone(), row);
            Ok(())
        })?;
    }
    let inside =
        |row: &TraceRow| experiments.is_none_or(|ids| ids.contains(&row.info.experiment_id));
    let in_order = trace_ids.iter().filter_map(|id| found.remove(id));
    Ok(in_order.filter(inside).collect())
}

/// Adds their tags, metadata and assessments: three queries, however many traces there are.
pub fn complete(tx: &mut Tx<'_>, rows: &mut [TraceRow]) -> Result<(), StoreError> {
    let numbers: Vec<i64> = rows.iter().map(|row| row.trace_no).collect();
    let mut tags = values::of_all(tx, values::TAGS, &numbers)?;
    let mut metadata = values::of_all(tx, values::METADATA, &numbers)?;
    let mut said = assessments::of_traces(tx, &numbers)?;
    for row in rows {
        row.info.assessments = said.remove(&row.trace_no).unwrap_or_default();
        row.info.tags = tags.remove(&row.trace_no).unwrap_or_default();
        row.info.metadata = metadata.remove(&row.trace_no).unwrap_or_default();
    }
    Ok(())
}

/// The trace with this id, whole.
pub fn load(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    trace_id: &str,
) -> Result<Option<TraceRow>, StoreError> {
    let mut rows: Vec<TraceRow> = find(tx, workspace_id, trace_id, false)?
        .into_iter()
        .collect();
    complete(tx, &mut rows)?;
    Ok(rows.pop())
}

#[cfg(test)]
mod tests;
