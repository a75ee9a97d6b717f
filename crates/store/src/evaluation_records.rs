//! Rows of `evaluation_records`: read in the order in which they were first sent, written in batches.

use std::collections::HashMap;

use lazuli_spec::evaluation_records::{EvaluationRecord, Source};
use serde_json::Value as Json;

use crate::sql::{padded_chunks, placeholders, rows};
use crate::{Kind, Param, Row, StoreError, Tx, Value, as_params, json};

const COLUMNS: &str = "record_id, input_hash, inputs, outputs, expectations, tags, source, created_at, updated_at, created_by, last_updated_by";
/// What one page holds at most, in bytes of JSON; a record that is larger by itself is a page.
const PAGE_BYTES: usize = 16 << 20;
/// How many rows one statement writes: a few fixed lengths, so that statements stay prepared.
const BATCHES: [usize; 3] = [64, 8, 1];

fn from_row(row: &Row<'_>) -> Result<EvaluationRecord, StoreError> {
    let decoded = |index: usize| -> Result<Option<Json>, StoreError> {
        let text: Option<String> = row.get(index)?;
        text.map(|text| json::decode(&text)).transpose()
    };
    let corrupt = |what: &str| StoreError::Corrupt(format!("the {what} of a record is not whole"));
    let object = |value: Option<Json>| match value {
        Some(Json::Object(fields)) => Some(fields),
        _ => None,
    };
    let source = decoded(6)?.map(|source| Source::from_json(&source));
    Ok(EvaluationRecord {
        record_id: row.get(0)?,
        input_hash: row.get(1)?,
        inputs: object(decoded(2)?).ok_or_else(|| corrupt("inputs"))?,
        outputs: decoded(3)?,
        expectations: object(decoded(4)?),
        tags: object(decoded(5)?).unwrap_or_default(),
        source: source.transpose().map_err(|_| corrupt("source"))?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
        created_by: row.get(9)?,
        last_updated_by: row.get(10)?,
    })
}

/// The records with these input hashes, by hash.
pub fn by_hash(
    tx: &mut Tx<'_>,
    dataset_no: i64,
    hashes: &[String],
) -> Result<HashMap<String, EvaluationRecord>, StoreError> {
    let mut found = HashMap::new();
    for chunk in padded_chunks(hashes) {
        let sql = format!(
            "SELECT {COLUMNS} FROM evaluation_records WHERE dataset_no = $1 AND input_hash IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Integer(dataset_no)];
        values.extend(chunk.iter().map(|hash| Param::Text(hash)));
        tx.for_each(&sql, &values, |row| {
            let record = from_row(row)?;
            found.insert(record.input_hash.clone(), record);
            Ok(())
        })?;
    }
    Ok(found)
}

/// Writes records, new ones and changed ones. No two may have the same inputs.
pub fn save(
    tx: &mut Tx<'_>,
    dataset_no: i64,
    records: &[EvaluationRecord],
) -> Result<(), StoreError> {
    let mut rest = records;
    for size in BATCHES {
        while rest.len() >= size {
            let (batch, after) = rest.split_at(size);
            save_batch(tx, dataset_no, batch)?;
            rest = after;
        }
    }
    Ok(())
}

fn save_batch(
    tx: &mut Tx<'_>,
    dataset_no: i64,
    records: &[EvaluationRecord],
) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO evaluation_records (dataset_no, {COLUMNS}) VALUES {}
         ON CONFLICT (dataset_no, input_hash) DO UPDATE SET outputs = excluded.outputs, expectations = excluded.expectations,
             tags = excluded.tags, updated_at = excluded.updated_at, last_updated_by = excluded.last_updated_by",
        rows(records.len(), 12)
    );
    let mut values: Vec<Value> = Vec::with_capacity(records.len() * 12);
    for record in records {
        let text = |value: Option<String>| value.map_or(Value::Null(Kind::Text), Value::Text);
        let source = record.source.as_ref().map(Source::to_json);
        values.extend([
            dataset_no.into(),
            record.record_id.as_str().into(),
            record.input_hash.as_str().into(),
            json::encode(&record.inputs)?.into(),
            text(record.outputs.as_ref().map(json::encode).transpose()?),
            text(record.expectations.as_ref().map(json::encode).transpose()?),
            json::encode(&record.tags)?.into(),
            text(source.as_ref().map(json::encode).transpose()?),
            record.created_at.into(),
            record.updated_at.into(),
            text(record.created_by.clone()),
            text(record.last_updated_by.clone()),
        ]);
    }
    tx.execute(&sql, &as_params(&values)).map(drop)
}

/// Records after the given place, oldest first, at most `limit`, fewer when they are large; and the place where the next
/// page begins, if there is more.
pub fn page(
    tx: &mut Tx<'_>,
    dataset_no: i64,
    after: i64,
    limit: u32,
) -> Result<(Vec<EvaluationRecord>, Option<i64>), StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, record_no FROM evaluation_records WHERE dataset_no = $1 AND record_no > $2 ORDER BY record_no LIMIT $3"
    );
    let values = [
        Param::Integer(dataset_no),
        Param::Integer(after),
        Param::Integer(i64::from(limit) + 1),
    ];
    let (mut found, mut last, mut bytes, mut more) = (Vec::new(), after, 0, false);
    let read = tx.for_each(&sql, &values, |row| {
        if found.len() == limit as usize || bytes > PAGE_BYTES {
            more = true;
            return Err(StoreError::NotFound); // only ends the query
        }
        for column in 2..7 {
            let text: Option<String> = row.get(column)?;
            bytes += text.map_or(0, |text| text.len());
        }
        found.push(from_row(row)?);
        last = row.get(11)?;
        Ok(())
    });
    match read {
        Err(error) if !more => Err(error),
        _ => Ok((found, more.then_some(last))),
    }
}

/// Deletes records by id; how many there were.
pub fn delete(tx: &mut Tx<'_>, dataset_no: i64, ids: &[String]) -> Result<u64, StoreError> {
    let mut gone = 0;
    for chunk in padded_chunks(ids) {
        let sql = format!(
            "DELETE FROM evaluation_records WHERE dataset_no = $1 AND record_id IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Integer(dataset_no)];
        values.extend(chunk.iter().map(|id| Param::Text(id)));
        gone += tx.execute(&sql, &values)?;
    }
    Ok(gone)
}
