//! The records of evaluation data sets: sent, read in pages, deleted.

use std::collections::HashMap;

use lazuli_spec::evaluation_datasets as rules;
use lazuli_spec::evaluation_records::{EvaluationRecord, PAGE, SentRecord};
use lazuli_spec::{Action, Page};
use lazuli_store::evaluation_datasets::{self, DatasetRow};
use lazuli_store::evaluation_records as rows;
use lazuli_store::{Tx, Value};

use crate::evaluation_datasets::{existing, target};
use crate::tracking_pages::{read_place, write_place};
use crate::{Caller, Core, Result};

/// What became of records that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upserted {
    /// How many were new.
    pub inserted: i64,
    /// How many changed a record that was there, or one sent before in the same request.
    pub updated: i64,
}

impl Core {
    /// Adds records; the same inputs again change the record that is there.
    pub async fn upsert_evaluation_records(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
        records: Vec<SentRecord>,
    ) -> Result<Upserted> {
        let action = Action::EvaluationDatasetsWrite;
        let access = self.access(caller, workspace, action).await?;
        let (id, dataset_id) = (access.workspace_id().to_owned(), dataset_id.to_owned());
        let new_ids: Vec<String> = records
            .iter()
            .map(|_| format!("dr-{}", self.ids().uuid_hex()))
            .collect();
        access
            .write(target(&dataset_id), move |tx, change| {
                let mut row = existing(tx, &id, &dataset_id, true)?;
                let dataset = &mut row.dataset;
                dataset.schema = rules::schema(dataset.schema.as_deref(), records.iter())?;
                let user = records.iter().rev().find_map(SentRecord::user);
                dataset.last_updated_by = user.map(str::to_owned);
                dataset.updated_at = change.now();
                dataset.digest = rules::digest(&dataset.name, change.now());
                let done = merge(tx, &row, records.into_iter().zip(new_ids))?;
                row.dataset.records += done.inserted;
                evaluation_datasets::update(tx, &row)?;
                Ok(done)
            })
            .await
    }

    /// A page of a data set's records, in the order in which they were first sent. Large records make short pages.
    pub async fn list_evaluation_records(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
        limit: u32,
        page_token: Option<&str>,
    ) -> Result<Page<EvaluationRecord>> {
        let action = Action::EvaluationDatasetsRead;
        let access = self.access(caller, workspace, action).await?;
        let query = ["evaluation-records".to_owned(), dataset_id.to_owned()];
        let after = page_token
            .map(|token| read_place(&query, token))
            .transpose()?;
        let after = match after.as_deref() {
            Some([Value::Integer(number)]) => *number,
            _ => 0,
        };
        let (id, dataset_id) = (access.workspace_id().to_owned(), dataset_id.to_owned());
        let (items, next) = access
            .read(move |tx| {
                let row = existing(tx, &id, &dataset_id, false)?;
                Ok(rows::page(tx, row.dataset_no, after, limit.min(PAGE))?)
            })
            .await?;
        Ok(Page {
            items,
            next_page_token: next.map(|place| write_place(&query, &[Value::Integer(place)])),
        })
    }

    /// Deletes records; how many there were.
    pub async fn delete_evaluation_records(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
        record_ids: Vec<String>,
    ) -> Result<i64> {
        let action = Action::EvaluationDatasetsDelete;
        let access = self.access(caller, workspace, action).await?;
        let (id, dataset_id) = (access.workspace_id().to_owned(), dataset_id.to_owned());
        access
            .write(target(&dataset_id), move |tx, change| {
                let mut row = existing(tx, &id, &dataset_id, true)?;
                let gone = rows::delete(tx, row.dataset_no, &record_ids)?;
                let gone = i64::try_from(gone).unwrap_or(i64::MAX);
                if gone == 0 {
                    change.nothing();
                    return Ok(0);
                }
                row.dataset.records -= gone;
                evaluation_datasets::update(tx, &row)?;
                Ok(gone)
            })
            .await
    }
}

/// Brings what was sent together with what is there, and writes what is new or changed: a few statements, however many records.
fn merge(
    tx: &mut Tx<'_>,
    row: &DatasetRow,
    sent: impl Iterator<Item = (SentRecord, String)>,
) -> Result<Upserted> {
    let now = row.dataset.updated_at;
    let sent: Vec<(String, SentRecord, String)> = sent
        .map(|(record, new_id)| (record.input_hash(), record, new_id))
        .collect();
    let hashes: Vec<String> = sent.iter().map(|(hash, ..)| hash.clone()).collect();
    let mut present = rows::by_hash(tx, row.dataset_no, &hashes)?;
    let mut done = Upserted::default();
    let mut changed: Vec<EvaluationRecord> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (hash, record, new_id) in sent {
        let place = places.get(&hash).copied();
        if let Some(seen) = place.and_then(|place| changed.get_mut(place)) {
            seen.merge(record, now);
            done.updated += 1;
            continue;
        }
        places.insert(hash.clone(), changed.len());
        if let Some(mut known) = present.remove(&hash) {
            known.merge(record, now);
            done.updated += 1;
            changed.push(known);
        } else {
            done.inserted += 1;
            changed.push(EvaluationRecord::new(new_id, hash, record, now));
        }
    }
    rows::save(tx, row.dataset_no, &changed)?;
    Ok(done)
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
