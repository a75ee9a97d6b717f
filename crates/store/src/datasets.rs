//! Rows of `datasets`, and of the data sets and logged models that runs read and wrote.

use lazuli_spec::runs::{Dataset, DatasetInput, KeyValue, ModelOutput, TAG_DATASET_CONTEXT};

use crate::runs::{Filling, RunRef, for_runs};
use crate::{StoreError, Tx, params};

/// Says that a run read a data set. The first use of it by the run counts; later ones change nothing.
pub fn log_input(tx: &mut Tx<'_>, run: &RunRef, input: &DatasetInput) -> Result<(), StoreError> {
    let dataset_no = insert(tx, run.experiment_no, &input.dataset)?;
    let new = tx.execute(
        "INSERT INTO run_datasets (run_no, dataset_no) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        params![run.run_no, dataset_no],
    )?;
    if new == 0 {
        return Ok(());
    }
    for tag in &input.tags {
        tx.execute(
            "INSERT INTO run_dataset_tags (run_no, dataset_no, key, value) VALUES ($1, $2, $3, $4)
             ON CONFLICT (run_no, dataset_no, key) DO UPDATE SET value = excluded.value",
            params![run.run_no, dataset_no, &tag.key, &tag.value],
        )?;
    }
    Ok(())
}

/// The data set's number in the experiment; added when it is not there.
fn insert(tx: &mut Tx<'_>, experiment_no: i64, dataset: &Dataset) -> Result<i64, StoreError> {
    tx.query_one(
        "INSERT INTO datasets (experiment_no, name, digest, source_type, source, dataset_schema, profile)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (experiment_no, name, digest) DO UPDATE SET name = excluded.name RETURNING dataset_no",
        params![
            experiment_no,
            &dataset.name,
            &dataset.digest,
            &dataset.source_type,
            &dataset.source,
            dataset.schema.as_deref(),
            dataset.profile.as_deref()
        ],
        |row| row.get(0),
    )
}

/// Says that a run read a logged model.
pub fn log_model_input(tx: &mut Tx<'_>, run: &RunRef, model_id: &str) -> Result<(), StoreError> {
    log_model(tx, run, "input", model_id, 0)
}

/// Says that a run wrote a logged model.
pub fn log_model_output(
    tx: &mut Tx<'_>,
    run: &RunRef,
    output: &ModelOutput,
) -> Result<(), StoreError> {
    log_model(tx, run, "output", &output.model_id, output.step)
}

fn log_model(
    tx: &mut Tx<'_>,
    run: &RunRef,
    direction: &str,
    model_id: &str,
    step: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO run_models (run_no, direction, model_id, step) VALUES ($1, $2, $3, $4)
         ON CONFLICT (run_no, direction, model_id) DO UPDATE SET step = excluded.step",
        params![run.run_no, direction, model_id, step],
    )?;
    Ok(())
}

/// A data set that runs of an experiment read, and in which context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetSummary {
    /// The experiment's number.
    pub experiment_no: i64,
    /// The data set's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it was used for, where that was said.
    pub context: Option<String>,
}

/// The data sets of an experiment and their contexts; at most a thousand.
pub fn summaries(tx: &mut Tx<'_>, experiment_no: i64) -> Result<Vec<DatasetSummary>, StoreError> {
    tx.query(
        "SELECT DISTINCT d.name, d.digest, t.value FROM datasets d
         JOIN run_datasets i ON i.dataset_no = d.dataset_no
         LEFT JOIN run_dataset_tags t ON t.run_no = i.run_no AND t.dataset_no = i.dataset_no AND t.key = $2
         WHERE d.experiment_no = $1 ORDER BY d.name, d.digest, t.value LIMIT 1000",
        params![experiment_no, TAG_DATASET_CONTEXT],
        |row| {
            Ok(DatasetSummary {
                experiment_no,
                name: row.get(0)?,
                digest: row.get(1)?,
                context: row.get(2)?,
            })
        },
    )
}

/// Adds what it read and wrote to each run.
pub(crate) fn fill(tx: &mut Tx<'_>, numbers: &[i64], runs: &mut Filling) -> Result<(), StoreError> {
    fill_datasets(tx, numbers, runs)?;
    let sql = |list: &str| {
        format!(
            "SELECT run_no, direction, model_id, step FROM run_models WHERE run_no IN ({list}) ORDER BY run_no, step, model_id"
        )
    };
    for_runs(tx, numbers, sql, |row| {
        let (direction, model_id): (String, String) = (row.get(1)?, row.get(2)?);
        if let Some(run) = runs.get(row.get(0)?) {
            if direction == "input" {
                run.model_inputs.push(model_id);
            } else {
                run.model_outputs.push(ModelOutput {
                    model_id,
                    step: row.get(3)?,
                });
            }
        }
        Ok(())
    })
}

fn fill_datasets(tx: &mut Tx<'_>, numbers: &[i64], runs: &mut Filling) -> Result<(), StoreError> {
    let sql = |list: &str| {
        format!(
            "SELECT i.run_no, i.dataset_no, d.name, d.digest, d.source_type, d.source, d.dataset_schema, d.profile, t.key, t.value
             FROM run_datasets i JOIN datasets d ON d.dataset_no = i.dataset_no
             LEFT JOIN run_dataset_tags t ON t.run_no = i.run_no AND t.dataset_no = i.dataset_no
             WHERE i.run_no IN ({list}) ORDER BY i.run_no, i.dataset_no, t.key"
        )
    };
    let mut previous = (0, 0);
    for_runs(tx, numbers, sql, |row| {
        let place: (i64, i64) = (row.get(0)?, row.get(1)?);
        let Some(run) = runs.get(place.0) else {
            return Ok(());
        };
        if place != previous {
            previous = place;
            let dataset = Dataset {
                name: row.get(2)?,
                digest: row.get(3)?,
                source_type: row.get(4)?,
                source: row.get(5)?,
                schema: row.get(6)?,
                profile: row.get(7)?,
            };
            run.datasets.push(DatasetInput {
                dataset,
                tags: Vec::new(),
            });
        }
        if let (Some(input), Some(key)) = (run.datasets.last_mut(), row.get::<Option<String>>(8)?) {
            input.tags.push(KeyValue::new(
                key,
                row.get::<Option<String>>(9)?.unwrap_or_default(),
            ));
        }
        Ok(())
    })
}
