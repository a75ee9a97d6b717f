//! Tags and metadata of traces: two tables of one shape.

use std::collections::HashMap;

use lazuli_spec::runs::KeyValue;

use super::TraceRow;
use crate::sql::{padded_chunks, placeholders, rows};
use crate::{Param, StoreError, Tx, params};

pub(super) const TAGS: &str = "trace_tags";
pub(super) const METADATA: &str = "trace_metadata";

/// Sets tags; of several with one key the last counts. The name is no tag here: it stands in the trace's row.
pub fn set_tags(tx: &mut Tx<'_>, trace: &TraceRow, tags: &[KeyValue]) -> Result<(), StoreError> {
    set(tx, TAGS, trace, tags)
}

/// Sets metadata likewise; session, tokens and cost stand in the trace's row.
pub fn set_metadata(
    tx: &mut Tx<'_>,
    trace: &TraceRow,
    pairs: &[KeyValue],
) -> Result<(), StoreError> {
    set(tx, METADATA, trace, pairs)
}

fn set(
    tx: &mut Tx<'_>,
    table: &str,
    trace: &TraceRow,
    pairs: &[KeyValue],
) -> Result<(), StoreError> {
    // one order of keys in all transactions, so that two of them cannot wait for each other
    let last: std::collections::BTreeMap<&str, &str> = pairs
        .iter()
        .map(|pair| (pair.key.as_str(), pair.value.as_str()))
        .collect();
    let last: Vec<(&str, &str)> = last.into_iter().collect();
    for mut chunk in padded_chunks(&last) {
        // an INSERT may not update one row twice
        chunk.dedup();
        let sql = format!(
            "INSERT INTO {table} (trace_no, key, experiment_no, value) VALUES {}
             ON CONFLICT (trace_no, key) DO UPDATE SET value = excluded.value",
            rows(chunk.len(), 4)
        );
        let values: Vec<Param<'_>> = chunk
            .iter()
            .flat_map(|(key, value)| {
                [
                    Param::Integer(trace.trace_no),
                    Param::Text(key),
                    Param::Integer(trace.experiment_no),
                    Param::Text(value),
                ]
            })
            .collect();
        tx.execute(&sql, &values)?;
    }
    Ok(())
}

/// The value of one tag.
pub fn tag(tx: &mut Tx<'_>, trace_no: i64, key: &str) -> Result<Option<String>, StoreError> {
    one(tx, TAGS, trace_no, key)
}

/// The value of one key of the metadata.
pub fn metadata(tx: &mut Tx<'_>, trace_no: i64, key: &str) -> Result<Option<String>, StoreError> {
    one(tx, METADATA, trace_no, key)
}

fn one(
    tx: &mut Tx<'_>,
    table: &str,
    trace_no: i64,
    key: &str,
) -> Result<Option<String>, StoreError> {
    let sql = format!("SELECT value FROM {table} WHERE trace_no = $1 AND key = $2");
    tx.query_opt(&sql, params![trace_no, key], |row| row.get(0))
}

/// Removes a tag; says whether it was there.
pub fn delete_tag(tx: &mut Tx<'_>, trace_no: i64, key: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM trace_tags WHERE trace_no = $1 AND key = $2";
    Ok(tx.execute(sql, params![trace_no, key])? > 0)
}

/// The pairs of each trace, by key.
pub(super) fn of_all(
    tx: &mut Tx<'_>,
    table: &str,
    numbers: &[i64],
) -> Result<HashMap<i64, Vec<KeyValue>>, StoreError> {
    let mut found: HashMap<i64, Vec<KeyValue>> = HashMap::new();
    for chunk in padded_chunks(numbers) {
        let sql = format!(
            "SELECT trace_no, key, value FROM {table} WHERE trace_no IN ({}) ORDER BY trace_no, key",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|number| Param::Integer(*number)).collect();
        tx.for_each(&sql, &values, |row| {
            let pair = KeyValue::new(row.get::<String>(1)?, row.get::<String>(2)?);
            found.entry(row.get(0)?).or_default().push(pair);
            Ok(())
        })?;
    }
    Ok(found)
}
