//! Rows of `evaluation_datasets`, their tags and their experiments. The records stand in `evaluation_records.rs`.

use std::collections::HashMap;

use lazuli_spec::evaluation_datasets::EvaluationDataset;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::runs::KeyValue;

use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, params};

/// A data set's row, with the number that other tables refer to.
#[derive(Clone, Debug)]
pub struct DatasetRow {
    /// Its number over all workspaces.
    pub dataset_no: i64,
    /// The data set.
    pub dataset: EvaluationDataset,
}

/// The columns that [`from_row`] reads, of `evaluation_datasets d`.
pub(crate) const COLUMNS: &str = "d.dataset_no, d.dataset_id, d.name, d.dataset_schema, d.records, d.digest, d.created_at, d.updated_at, d.created_by, d.last_updated_by";
/// How many they are.
pub(crate) const WIDTH: usize = 10;

pub(crate) fn from_row(row: &Row<'_>) -> Result<DatasetRow, StoreError> {
    Ok(DatasetRow {
        dataset_no: row.get(0)?,
        dataset: EvaluationDataset {
            dataset_id: row.get(1)?,
            name: row.get(2)?,
            tags: Vec::new(),
            schema: row.get(3)?,
            records: row.get(4)?,
            digest: row.get(5)?,
            created_at: row.get(6)?,
            updated_at: row.get(7)?,
            created_by: row.get(8)?,
            last_updated_by: row.get(9)?,
        },
    })
}

/// Adds a data set with its tags, and gives its number.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    dataset: &EvaluationDataset,
) -> Result<i64, StoreError> {
    let dataset_no = tx.query_one(
        "INSERT INTO evaluation_datasets (dataset_id, workspace_id, name, dataset_schema, records, digest, created_at, updated_at,
             created_by, last_updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING dataset_no",
        params![
            &dataset.dataset_id,
            workspace_id,
            &dataset.name,
            &dataset.schema,
            dataset.records,
            &dataset.digest,
            dataset.created_at,
            dataset.updated_at,
            &dataset.created_by,
            &dataset.last_updated_by
        ],
        |row| row.get(0),
    )?;
    for tag in &dataset.tags {
        set_tag(tx, dataset_no, tag)?;
    }
    Ok(dataset_no)
}

/// The data set with this id, complete. With `lock`, its row stays locked until the transaction ends: those who change the
/// records of one data set come one after the other.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    dataset_id: &str,
    lock: bool,
) -> Result<Option<DatasetRow>, StoreError> {
    let suffix = if lock { tx.dialect().for_update() } else { "" };
    let sql = format!(
        "SELECT {COLUMNS} FROM evaluation_datasets d WHERE d.dataset_id = $1 AND d.workspace_id = $2{suffix}"
    );
    let Some(row) = tx.query_opt(&sql, params![dataset_id, workspace_id], from_row)? else {
        return Ok(None);
    };
    let mut rows = [row];
    complete(tx, &mut rows)?;
    let [row] = rows;
    Ok(Some(row))
}

/// Adds the tags.
pub(crate) fn complete(tx: &mut Tx<'_>, rows: &mut [DatasetRow]) -> Result<(), StoreError> {
    let numbers: Vec<i64> = rows.iter().map(|row| row.dataset_no).collect();
    let mut tags: HashMap<i64, Vec<KeyValue>> = HashMap::new();
    for chunk in padded_chunks(&numbers) {
        let sql = format!(
            "SELECT dataset_no, key, value FROM evaluation_dataset_tags WHERE dataset_no IN ({}) ORDER BY dataset_no, key",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|number| Param::Integer(*number)).collect();
        tx.for_each(&sql, &values, |row| {
            let tag = KeyValue {
                key: row.get(1)?,
                value: row.get(2)?,
            };
            tags.entry(row.get(0)?).or_default().push(tag);
            Ok(())
        })?;
    }
    for row in rows {
        row.dataset.tags = tags.remove(&row.dataset_no).unwrap_or_default();
    }
    Ok(())
}

/// Writes what changes when records come or go.
pub fn update(tx: &mut Tx<'_>, row: &DatasetRow) -> Result<(), StoreError> {
    let dataset = &row.dataset;
    tx.execute(
        "UPDATE evaluation_datasets SET dataset_schema = $2, records = $3, digest = $4, updated_at = $5, last_updated_by = $6
         WHERE dataset_no = $1",
        params![
            row.dataset_no,
            &dataset.schema,
            dataset.records,
            &dataset.digest,
            dataset.updated_at,
            &dataset.last_updated_by
        ],
    )
    .map(drop)
}

/// Deletes a data set with all that belongs to it; false when there was none.
pub fn delete(tx: &mut Tx<'_>, workspace_id: &str, dataset_id: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM evaluation_datasets WHERE dataset_id = $1 AND workspace_id = $2";
    Ok(tx.execute(sql, params![dataset_id, workspace_id])? > 0)
}

/// Sets a tag.
pub fn set_tag(tx: &mut Tx<'_>, dataset_no: i64, tag: &KeyValue) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO evaluation_dataset_tags (dataset_no, key, value) VALUES ($1, $2, $3)
         ON CONFLICT (dataset_no, key) DO UPDATE SET value = excluded.value",
        params![dataset_no, &tag.key, &tag.value],
    )
    .map(drop)
}

/// Removes a tag; false when there was none.
pub fn delete_tag(tx: &mut Tx<'_>, dataset_no: i64, key: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM evaluation_dataset_tags WHERE dataset_no = $1 AND key = $2";
    Ok(tx.execute(sql, params![dataset_no, key])? > 0)
}

/// Says that experiments, by their numbers, use a data set. Those that do already stay.
pub fn link(tx: &mut Tx<'_>, dataset_no: i64, experiments: &[i64]) -> Result<(), StoreError> {
    for chunk in padded_chunks(experiments) {
        let sql = format!(
            "INSERT INTO evaluation_dataset_experiments (dataset_no, experiment_no)
             SELECT $1, experiment_no FROM experiments WHERE experiment_no IN ({}) ON CONFLICT DO NOTHING",
            placeholders(2, chunk.len())
        );
        tx.execute(&sql, &numbered(dataset_no, &chunk))?;
    }
    Ok(())
}

/// Takes experiments, by their numbers, away from a data set; how many used it.
pub fn unlink(tx: &mut Tx<'_>, dataset_no: i64, experiments: &[i64]) -> Result<u64, StoreError> {
    let mut gone = 0;
    for chunk in padded_chunks(experiments) {
        let sql = format!(
            "DELETE FROM evaluation_dataset_experiments WHERE dataset_no = $1 AND experiment_no IN ({})",
            placeholders(2, chunk.len())
        );
        gone += tx.execute(&sql, &numbered(dataset_no, &chunk))?;
    }
    Ok(gone)
}

fn numbered<'a>(first: i64, rest: &[i64]) -> Vec<Param<'a>> {
    let rest = rest.iter().map(|number| Param::Integer(*number));
    std::iter::once(Param::Integer(first)).chain(rest).collect()
}

/// The experiments that use a data set, by id.
pub fn experiments(tx: &mut Tx<'_>, dataset_no: i64) -> Result<Vec<ExperimentId>, StoreError> {
    tx.query(
        "SELECT e.experiment_id FROM evaluation_dataset_experiments u JOIN experiments e ON e.experiment_no = u.experiment_no
         WHERE u.dataset_no = $1 ORDER BY e.experiment_id",
        params![dataset_no],
        |row| Ok(ExperimentId(row.get(0)?)),
    )
}

#[cfg(test)]
#[path = "evaluation_datasets_tests.rs"]
mod tests;
