//! Rows of `run_tags`: set and set again.

use lazuli_spec::runs::{KeyValue, TAG_RUN_NAME};

use crate::run_params::key_value_rows;
use crate::runs::{Filling, RunRef, for_runs};
use crate::sql::{padded_chunks, rows};
use crate::{StoreError, Tx, params};

/// Sets tags; of several with one key the last counts. The tag that holds the run's name renames the run.
pub fn set(tx: &mut Tx<'_>, run: &RunRef, tags: &[KeyValue]) -> Result<(), StoreError> {
    let mut last: Vec<KeyValue> = Vec::with_capacity(tags.len());
    for tag in tags {
        match last.iter_mut().find(|seen| seen.key == tag.key) {
            Some(seen) => seen.value.clone_from(&tag.value),
            None => last.push(tag.clone()),
        }
    }
    // one order of keys in all transactions, so that two of them cannot wait for each other
    last.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(name) = last.iter().find(|tag| tag.key == TAG_RUN_NAME) {
        tx.execute(
            "UPDATE runs SET name = $2 WHERE run_no = $1",
            params![run.run_no, &name.value],
        )?;
    }
    for mut chunk in padded_chunks(&last) {
        // an INSERT may not update one row twice
        chunk.dedup_by(|a, b| a.key == b.key);
        let sql = format!(
            "INSERT INTO run_tags (run_no, key, experiment_no, value) VALUES {}
             ON CONFLICT (run_no, key) DO UPDATE SET value = excluded.value",
            rows(chunk.len(), 4)
        );
        tx.execute(&sql, &key_value_rows(run, &chunk))?;
    }
    Ok(())
}

/// The value of one tag.
pub fn get(tx: &mut Tx<'_>, run: &RunRef, key: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT value FROM run_tags WHERE run_no = $1 AND key = $2";
    tx.query_opt(sql, params![run.run_no, key], |row| row.get(0))
}

/// Removes a tag; says whether it was there.
pub fn delete(tx: &mut Tx<'_>, run: &RunRef, key: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM run_tags WHERE run_no = $1 AND key = $2";
    Ok(tx.execute(sql, params![run.run_no, key])? > 0)
}

/// Adds its tags to each run, by key.
pub(crate) fn fill(tx: &mut Tx<'_>, numbers: &[i64], runs: &mut Filling) -> Result<(), StoreError> {
    let sql = |list: &str| {
        format!(
            "SELECT run_no, key, value FROM run_tags WHERE run_no IN ({list}) ORDER BY run_no, key"
        )
    };
    for_runs(tx, numbers, sql, |row| {
        if let Some(run) = runs.get(row.get(0)?) {
            run.tags
                .push(KeyValue::new(row.get::<String>(1)?, row.get::<String>(2)?));
        }
        Ok(())
    })
}
