//! Rows of `logged_models`, their tags, parameters and metrics.

use std::collections::HashMap;

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::logged_models::{LoggedModel, LoggedModelMetric, LoggedModelStatus};
use lazuli_spec::metrics::Metric;
use lazuli_spec::runs::KeyValue;

use crate::experiments::lifecycle;
use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, params};

/// The columns that [`from_row`] reads, of `logged_models l`.
pub(crate) const COLUMNS: &str = "l.model_id, l.experiment_id, l.name, l.artifact_location, l.status, l.model_type, l.source_run_id, \
     l.lifecycle_stage, l.created_at, l.updated_at";

pub(crate) fn from_row(row: &Row<'_>) -> Result<LoggedModel, StoreError> {
    let status: i64 = row.get(4)?;
    Ok(LoggedModel {
        model_id: row.get(0)?,
        experiment_id: ExperimentId(row.get(1)?),
        name: row.get(2)?,
        artifact_location: row.get(3)?,
        status: LoggedModelStatus::from_number(status).ok_or_else(|| {
            StoreError::Corrupt(format!("{status} is no status of logged models"))
        })?,
        model_type: row.get(5)?,
        source_run_id: row.get(6)?,
        lifecycle_stage: lifecycle(row, 7)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
        tags: Vec::new(),
        params: Vec::new(),
        metrics: Vec::new(),
    })
}

/// Adds a model with its tags and parameters.
pub fn insert(tx: &mut Tx<'_>, workspace_id: &str, model: &LoggedModel) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO logged_models (model_id, workspace_id, experiment_id, name, artifact_location, status, model_type,
             source_run_id, lifecycle_stage, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        params![
            &model.model_id,
            workspace_id,
            model.experiment_id.0,
            &model.name,
            &model.artifact_location,
            model.status.number(),
            &model.model_type,
            &model.source_run_id,
            model.lifecycle_stage.as_str(),
            model.created_at,
            model.updated_at
        ],
    )?;
    for param in &model.params {
        insert_param(tx, &model.model_id, param)?;
    }
    for tag in &model.tags {
        set_tag(tx, &model.model_id, tag)?;
    }
    Ok(())
}

/// The model with this id, in whatever stage, complete.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    model_id: &str,
) -> Result<Option<LoggedModel>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM logged_models l WHERE l.model_id = $1 AND l.workspace_id = $2"
    );
    let Some(model) = tx.query_opt(&sql, params![model_id, workspace_id], from_row)? else {
        return Ok(None);
    };
    let mut models = [model];
    complete(tx, &mut models)?;
    let [model] = models;
    Ok(Some(model))
}

/// Adds tags, parameters and metrics.
pub(crate) fn complete(tx: &mut Tx<'_>, models: &mut [LoggedModel]) -> Result<(), StoreError> {
    let ids: Vec<String> = models.iter().map(|model| model.model_id.clone()).collect();
    let mut tags = pairs(tx, "logged_model_tags", &ids)?;
    let mut params = pairs(tx, "logged_model_params", &ids)?;
    let mut metrics = metrics(tx, &ids)?;
    for model in models {
        model.tags = tags.remove(&model.model_id).unwrap_or_default();
        model.params = params.remove(&model.model_id).unwrap_or_default();
        model.metrics = metrics.remove(&model.model_id).unwrap_or_default();
    }
    Ok(())
}

/// Changes status and lifecycle.
pub fn update(tx: &mut Tx<'_>, model: &LoggedModel) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE logged_models SET status = $2, lifecycle_stage = $3, updated_at = $4 WHERE model_id = $1",
        params![&model.model_id, model.status.number(), model.lifecycle_stage.as_str(), model.updated_at],
    )
    .map(drop)
}

/// Notes a change of tags or parameters.
pub fn touch(tx: &mut Tx<'_>, model_id: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE logged_models SET updated_at = $2 WHERE model_id = $1",
        params![model_id, now],
    )
    .map(drop)
}

/// Adds a parameter; one that is there already is a unique violation.
pub fn insert_param(tx: &mut Tx<'_>, model_id: &str, param: &KeyValue) -> Result<(), StoreError> {
    let sql = "INSERT INTO logged_model_params (model_id, key, value) VALUES ($1, $2, $3)";
    tx.execute(sql, params![model_id, &param.key, &param.value])
        .map(drop)
}

/// Sets a tag.
pub fn set_tag(tx: &mut Tx<'_>, model_id: &str, tag: &KeyValue) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO logged_model_tags (model_id, key, value) VALUES ($1, $2, $3)
         ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
        params![model_id, &tag.key, &tag.value],
    )
    .map(drop)
}

/// Removes a tag; false when there was none.
pub fn delete_tag(tx: &mut Tx<'_>, model_id: &str, key: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM logged_model_tags WHERE model_id = $1 AND key = $2";
    Ok(tx.execute(sql, params![model_id, key])? > 0)
}

/// Logs the metrics that name a model, for the models of this workspace; a repeated point is one point. Called with
/// every batch of a run's metrics.
pub fn log_metrics(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
    metrics: &[Metric],
) -> Result<(), StoreError> {
    for metric in metrics {
        let Some(model_id) = &metric.model_id else {
            continue;
        };
        tx.execute(
            "INSERT INTO logged_model_metrics (model_id, key, timestamp_ms, step, run_id, value, dataset_name, dataset_digest)
             SELECT model_id, $3, $4, $5, $6, $7, $8, $9 FROM logged_models WHERE model_id = $1 AND workspace_id = $2
             ON CONFLICT (model_id, key, timestamp_ms, step, run_id) DO UPDATE SET value = excluded.value",
            params![
                model_id,
                workspace_id,
                &metric.key,
                metric.timestamp_ms,
                metric.step,
                run_id,
                metric.value,
                &metric.dataset_name,
                &metric.dataset_digest
            ],
        )?;
    }
    Ok(())
}

fn pairs(
    tx: &mut Tx<'_>,
    table: &str,
    ids: &[String],
) -> Result<HashMap<String, Vec<KeyValue>>, StoreError> {
    let mut found: HashMap<String, Vec<KeyValue>> = HashMap::new();
    for chunk in padded_chunks(ids) {
        let list = placeholders(1, chunk.len());
        let sql = format!(
            "SELECT model_id, key, value FROM {table} WHERE model_id IN ({list}) ORDER BY model_id, key"
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|id| Param::Text(id)).collect();
        tx.for_each(&sql, &values, |row| {
            let pair = KeyValue {
                key: row.get(1)?,
                value: row.get(2)?,
            };
            found.entry(row.get(0)?).or_default().push(pair);
            Ok(())
        })?;
    }
    Ok(found)
}

/// The metrics of each model, oldest first.
fn metrics(
    tx: &mut Tx<'_>,
    ids: &[String],
) -> Result<HashMap<String, Vec<LoggedModelMetric>>, StoreError> {
    let mut found: HashMap<String, Vec<LoggedModelMetric>> = HashMap::new();
    for chunk in padded_chunks(ids) {
        let sql = format!(
            "SELECT model_id, key, value, timestamp_ms, step, run_id, dataset_name, dataset_digest FROM logged_model_metrics
             WHERE model_id IN ({}) ORDER BY model_id, timestamp_ms, step, key, run_id",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|id| Param::Text(id)).collect();
        tx.for_each(&sql, &values, |row| {
            let model_id: String = row.get(0)?;
            let metric = Metric {
                key: row.get(1)?,
                value: row.get(2)?,
                timestamp_ms: row.get(3)?,
                step: row.get(4)?,
                model_id: Some(model_id.clone()),
                dataset_name: row.get(6)?,
                dataset_digest: row.get(7)?,
            };
            found.entry(model_id).or_default().push(LoggedModelMetric {
                run_id: row.get(5)?,
                metric,
            });
            Ok(())
        })?;
    }
    Ok(found)
}
