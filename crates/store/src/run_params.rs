//! Rows of `run_params`: written once, never changed.

use lazuli_spec::runs::KeyValue;

use crate::runs::{Filling, RunRef, for_runs};
use crate::sql::{padded_chunks, placeholders, rows};
use crate::{Param, StoreError, Tx};

/// A parameter that has another value already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its key.
    pub key: String,
    /// The value it has.
    pub old: String,
    /// The value it was to get.
    pub new: String,
}

/// Adds parameters; the same value again is fine. When one has another value nothing is written and those are returned.
pub fn log(tx: &mut Tx<'_>, run: &RunRef, params: &[KeyValue]) -> Result<Vec<Changed>, StoreError> {
    let present = present(tx, run, params)?;
    let mut changed = Vec::new();
    let mut missing = Vec::new();
    for param in params {
        match present.iter().find(|have| have.key == param.key) {
            None => missing.push(param.clone()),
            Some(have) if have.value == param.value => {}
            Some(have) => changed.push(Changed {
                key: param.key.clone(),
                old: have.value.clone(),
                new: param.value.clone(),
            }),
        }
    }
    if changed.is_empty() {
        insert(tx, run, &missing)?;
    }
    Ok(changed)
}

fn present(
    tx: &mut Tx<'_>,
    run: &RunRef,
    params: &[KeyValue],
) -> Result<Vec<KeyValue>, StoreError> {
    let keys: Vec<&str> = params.iter().map(|param| param.key.as_str()).collect();
    let mut found = Vec::new();
    for chunk in padded_chunks(&keys) {
        let sql = format!(
            "SELECT key, value FROM run_params WHERE run_no = $1 AND key IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Integer(run.run_no)];
        values.extend(chunk.iter().map(|key| Param::Text(key)));
        found.extend(tx.query(&sql, &values, |row| {
            Ok(KeyValue::new(row.get::<String>(0)?, row.get::<String>(1)?))
        })?);
    }
    Ok(found)
}

fn insert(tx: &mut Tx<'_>, run: &RunRef, params: &[KeyValue]) -> Result<(), StoreError> {
    for chunk in padded_chunks(params) {
        let sql = format!(
            "INSERT INTO run_params (run_no, key, experiment_no, value) VALUES {} ON CONFLICT DO NOTHING",
            rows(chunk.len(), 4)
        );
        tx.execute(&sql, &key_value_rows(run, &chunk))?;
    }
    Ok(())
}

/// The parameters of INSERTs into the tables of keys and values.
pub(crate) fn key_value_rows<'a>(run: &RunRef, pairs: &'a [KeyValue]) -> Vec<Param<'a>> {
    pairs
        .iter()
        .flat_map(|pair| {
            [
                Param::Integer(run.run_no),
                Param::Text(&pair.key),
                Param::Integer(run.experiment_no),
                Param::Text(&pair.value),
            ]
        })
        .collect()
}

/// Adds its parameters to each run, by key.
pub(crate) fn fill(tx: &mut Tx<'_>, numbers: &[i64], runs: &mut Filling) -> Result<(), StoreError> {
    let sql = |list: &str| {
        format!(
            "SELECT run_no, key, value FROM run_params WHERE run_no IN ({list}) ORDER BY run_no, key"
        )
    };
    for_runs(tx, numbers, sql, |row| {
        if let Some(run) = runs.get(row.get(0)?) {
            run.params
                .push(KeyValue::new(row.get::<String>(1)?, row.get::<String>(2)?));
        }
        Ok(())
    })
}
