//! Rows of `assessments`.

use std::collections::HashMap;

use lazuli_spec::assessments::{Assessment, AssessmentValue, Source, SourceKind};
use lazuli_spec::runs::KeyValue;
use serde_json::{Map, Value};

use crate::json::{decode, encode};
use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, ToParam, Tx, params};

const COLUMNS: &str = "trace_no, assessment_id, name, kind, value, error, source_type, source_id, rationale, metadata, run_id, \
     span_id, overrides, valid, created_ms, updated_ms";

const INSERT: &str = "INSERT INTO assessments (trace_no, assessment_id, name, kind, value, error, source_type, source_id, rationale, metadata, run_id,
         span_id, overrides, valid, created_ms, updated_ms, aggregate_value, is_numeric, session_scoped)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
     ON CONFLICT (trace_no, assessment_id)";

/// Adds an assessment; false when the trace has one with this id.
pub fn insert(tx: &mut Tx<'_>, trace_no: i64, assessment: &Assessment) -> Result<bool, StoreError> {
    write(tx, trace_no, assessment, "DO NOTHING")
}

/// Adds an assessment, or replaces the one with its id.
pub fn put(tx: &mut Tx<'_>, trace_no: i64, assessment: &Assessment) -> Result<(), StoreError> {
    let replace = "DO UPDATE SET name = excluded.name, kind = excluded.kind, value = excluded.value, error = excluded.error,
         source_type = excluded.source_type, source_id = excluded.source_id, rationale = excluded.rationale,
         metadata = excluded.metadata, run_id = excluded.run_id, span_id = excluded.span_id, overrides = excluded.overrides,
         valid = excluded.valid, created_ms = excluded.created_ms, updated_ms = excluded.updated_ms,
         aggregate_value = excluded.aggregate_value, is_numeric = excluded.is_numeric, session_scoped = excluded.session_scoped";
    write(tx, trace_no, assessment, replace).map(drop)
}

fn write(
    tx: &mut Tx<'_>,
    trace_no: i64,
    assessment: &Assessment,
    on_conflict: &str,
) -> Result<bool, StoreError> {
    let value = &assessment.value;
    let error = match value {
        AssessmentValue::Feedback { error, .. } => error.as_ref().map(encode).transpose()?,
        _ => None,
    };
    let (aggregate, is_numeric) = value.aggregate();
    let written = tx.execute(
        &format!("{INSERT} {on_conflict}"),
        params![
            trace_no,
            &assessment.assessment_id,
            &assessment.name,
            value.kind(),
            lazuli_spec::python_json::text(&value.json()),
            error,
            assessment.source.kind.as_str(),
            &assessment.source.id,
            &assessment.rationale,
            metadata(&assessment.metadata)?,
            &assessment.run_id,
            &assessment.span_id,
            &assessment.overrides,
            assessment.valid,
            assessment.created_ms,
            assessment.updated_ms,
            aggregate,
            is_numeric,
            assessment.is_of_session()
        ],
    )?;
    Ok(written > 0)
}

fn metadata(pairs: &[KeyValue]) -> Result<Option<String>, StoreError> {
    let object: Map<String, Value> = pairs
        .iter()
        .map(|pair| (pair.key.clone(), Value::from(pair.value.as_str())))
        .collect();
    (!object.is_empty()).then(|| encode(&object)).transpose()
}

/// The assessment of a trace with this id.
pub fn find(
    tx: &mut Tx<'_>,
    trace_no: i64,
    assessment_id: &str,
    lock: bool,
) -> Result<Option<Assessment>, StoreError> {
    let suffix = if lock { tx.dialect().for_update() } else { "" };
    let sql = format!(
        "SELECT {COLUMNS} FROM assessments WHERE trace_no = $1 AND assessment_id = $2{suffix}"
    );
    tx.query_opt(&sql, params![trace_no, assessment_id], from_row)
}

/// The assessments of traces, each trace's in the order in which they were made. One query, however many traces there are.
pub fn of_traces(
    tx: &mut Tx<'_>,
    traces: &[i64],
) -> Result<HashMap<i64, Vec<Assessment>>, StoreError> {
    let mut found: HashMap<i64, Vec<Assessment>> = HashMap::new();
    for chunk in padded_chunks(traces) {
        let sql = format!(
            "SELECT {COLUMNS} FROM assessments WHERE trace_no IN ({}) ORDER BY trace_no, created_ms, assessment_no",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(ToParam::to_param).collect();
        tx.for_each(&sql, &values, |row| {
            found.entry(row.get(0)?).or_default().push(from_row(row)?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// Says whether an assessment counts; false when there is none.
pub fn set_valid(
    tx: &mut Tx<'_>,
    trace_no: i64,
    assessment_id: &str,
    valid: bool,
) -> Result<bool, StoreError> {
    let sql = "UPDATE assessments SET valid = $3 WHERE trace_no = $1 AND assessment_id = $2";
    Ok(tx.execute(sql, params![trace_no, assessment_id, valid])? > 0)
}

/// Deletes an assessment; false when there was none.
pub fn delete(tx: &mut Tx<'_>, trace_no: i64, assessment_id: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM assessments WHERE trace_no = $1 AND assessment_id = $2";
    Ok(tx.execute(sql, params![trace_no, assessment_id])? > 0)
}

fn from_row(row: &Row<'_>) -> Result<Assessment, StoreError> {
    let kind: String = row.get(3)?;
    let value: Value = decode(&row.get::<String>(4)?)?;
    let error: Option<String> = row.get(5)?;
    let value = match kind.as_str() {
        "feedback" => AssessmentValue::Feedback {
            value,
            error: error.as_deref().map(decode).transpose()?,
        },
        "expectation" => AssessmentValue::Expectation(value),
        "issue" => {
            let name = value.get("issue_name").and_then(Value::as_str);
            AssessmentValue::Issue(name.unwrap_or_default().to_owned())
        }
        other => {
            let message = format!("`{other}` is no kind of assessment");
            return Err(StoreError::Corrupt(message));
        }
    };
    let source: String = row.get(6)?;
    let metadata: Option<String> = row.get(9)?;
    let metadata: Map<String, Value> =
        metadata.as_deref().map_or_else(|| Ok(Map::new()), decode)?;
    Ok(Assessment {
        assessment_id: row.get(1)?,
        name: row.get(2)?,
        value,
        source: Source {
            kind: SourceKind::parse(&source).map_err(|error| StoreError::Corrupt(error.0))?,
            id: row.get(7)?,
        },
        rationale: row.get(8)?,
        metadata: metadata
            .into_iter()
            .map(|(key, value)| KeyValue::new(key, value.as_str().unwrap_or_default()))
            .collect(),
        run_id: row.get(10)?,
        span_id: row.get(11)?,
        overrides: row.get(12)?,
        valid: row.get(13)?,
        created_ms: row.get(14)?,
        updated_ms: row.get(15)?,
    })
}

#[cfg(test)]
#[path = "assessments_tests.rs"]
mod tests;
