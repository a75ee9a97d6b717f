//! What may be removed for good: runs, logged models and experiments that were deleted long enough ago, and their rows.
//!
//! Kept are runs that a job's record stands beside, and whatever holds the files of a registered version.

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;

use crate::{Row, StoreError, Tx, params, traces};

/// What kind of thing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadKind {
    /// A run.
    Run,
    /// A logged model.
    LoggedModel,
    /// An experiment.
    Experiment,
}

impl DeadKind {
    /// The word shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::LoggedModel => "logged_model",
            Self::Experiment => "experiment",
        }
    }
}

/// Something that may be removed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// What it is.
    pub kind: DeadKind,
    /// Its id, as clients know it.
    pub id: String,
    /// Where its files are.
    pub location: String,
}

/// A run `r` that may go: deleted before `$2`, without a job beside it, and not the home of a registered version.
const DEAD_RUN: &str = "r.lifecycle_stage = 'deleted' AND COALESCE(r.deleted_at, 0) <= $2
    AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.workspace_id = r.workspace_id AND j.name = r.run_id)
    AND NOT EXISTS (SELECT 1 FROM model_versions v WHERE v.workspace_id = r.workspace_id AND v.run_id = r.run_id
                    AND v.deleted = 0 AND v.tree IS NULL)";

/// An experiment `e` that may go, with all in it.
const DEAD_EXPERIMENT: &str =
    "e.lifecycle_stage = 'deleted' AND e.updated_at <= $2 AND e.experiment_id <> 0";

/// A logged model `l` that is not the home of a registered version.
const FREE_MODEL: &str =
    "NOT EXISTS (SELECT 1 FROM model_versions v WHERE v.workspace_id = l.workspace_id
    AND v.model_id = l.model_id AND v.deleted = 0 AND v.tree IS NULL)";

/// Up to `limit` things that were deleted at `until` or before: runs first, then logged models, then experiments of which
/// nothing would be kept.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Dead>, StoreError> {
    let mut found = Vec::new();
    for (kind, sql) in [
        (DeadKind::Run, runs_sql()),
        (DeadKind::LoggedModel, models_sql()),
        (DeadKind::Experiment, experiments_sql()),
    ] {
        let left = limit - found.len() as i64;
        if left > 0 {
            found.extend(tx.query(&sql, params![workspace_id, until, left], |row| {
                dead(kind, row)
            })?);
        }
    }
    Ok(found)
}

fn dead(kind: DeadKind, row: &Row<'_>) -> Result<Dead, StoreError> {
    Ok(Dead {
        kind,
        id: row.get(0)?,
        location: row.get(1)?,
    })
}

fn runs_sql() -> String {
    format!(
        "SELECT r.run_id, r.artifact_uri FROM runs r WHERE r.workspace_id = $1 AND {DEAD_RUN} ORDER BY r.run_no LIMIT $3"
    )
}

fn models_sql() -> String {
    format!(
        "SELECT l.model_id, l.artifact_location FROM logged_models l WHERE l.workspace_id = $1 AND {FREE_MODEL}
           AND ((l.lifecycle_stage = 'deleted' AND l.updated_at <= $2)
                OR EXISTS (SELECT 1 FROM experiments e WHERE e.workspace_id = l.workspace_id
                           AND e.experiment_id = l.experiment_id AND {DEAD_EXPERIMENT}))
         ORDER BY l.model_id LIMIT $3"
    )
}

fn experiments_sql() -> String {
    format!(
        "SELECT CAST(e.experiment_id AS TEXT), e.artifact_location FROM experiments e WHERE e.workspace_id = $1 AND {DEAD_EXPERIMENT}
           AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.experiment_no = e.experiment_no AND NOT ({DEAD_RUN}))
           AND NOT EXISTS (SELECT 1 FROM logged_models l WHERE l.workspace_id = e.workspace_id
                           AND l.experiment_id = e.experiment_id AND NOT ({FREE_MODEL}))
         ORDER BY e.experiment_id LIMIT $3"
    )
}

/// Whether it may (still) be removed.
pub fn is_dead(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    until: Timestamp,
    dead: &Dead,
) -> Result<bool, StoreError> {
    let one = match dead.kind {
        DeadKind::Run => format!(
            "SELECT r.run_id FROM runs r WHERE r.workspace_id = $1 AND {DEAD_RUN} AND r.run_id = $3"
        ),
        DeadKind::LoggedModel => {
            models_sql().replace("ORDER BY l.model_id LIMIT $3", "AND l.model_id = $3")
        }
        DeadKind::Experiment => {
            // by now its runs and logged models are gone
            format!(
                "SELECT e.name FROM experiments e WHERE e.workspace_id = $1 AND {DEAD_EXPERIMENT} AND CAST(e.experiment_id AS TEXT) = $3
                   AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.experiment_no = e.experiment_no)
                   AND NOT EXISTS (SELECT 1 FROM logged_models l WHERE l.workspace_id = e.workspace_id AND l.experiment_id = e.experiment_id)"
            )
        }
    };
    let found = tx.query_opt(&one, params![workspace_id, until, &dead.id], |row| {
        row.get::<String>(0)
    })?;
    Ok(found.is_some())
}

/// Removes the rows of something that is dead.
pub fn remove(tx: &mut Tx<'_>, workspace_id: &str, dead: &Dead) -> Result<(), StoreError> {
    match dead.kind {
        DeadKind::Run => remove_run(tx, workspace_id, &dead.id),
        DeadKind::LoggedModel => {
            tx.execute(
                "DELETE FROM run_models WHERE model_id = $1",
                params![&dead.id],
            )?;
            tx.execute(
                "DELETE FROM logged_models WHERE workspace_id = $1 AND model_id = $2",
                params![workspace_id, &dead.id],
            )?;
            Ok(())
        }
        DeadKind::Experiment => {
            let id = ExperimentId(dead.id.parse().unwrap_or(-1));
            for number in crate::experiments::numbers(tx, workspace_id, &[id])? {
                remove_experiment(tx, number)?;
            }
            Ok(())
        }
    }
}

fn remove_run(tx: &mut Tx<'_>, workspace_id: &str, run_id: &str) -> Result<(), StoreError> {
    let sql = "SELECT run_no FROM runs WHERE workspace_id = $1 AND run_id = $2";
    let run_no = tx.query_opt(sql, params![workspace_id, run_id], |row| row.get::<i64>(0))?;
    let Some(run_no) = run_no else {
        return Ok(());
    };
    tx.execute(
        "DELETE FROM metric_points WHERE series_no IN (SELECT series_no FROM metric_series WHERE run_no = $1)",
        params![run_no],
    )?;
    for table in [
        "metric_series",
        "run_params",
        "run_tags",
        "run_dataset_tags",
        "run_datasets",
        "run_models",
        "runs",
    ] {
        tx.execute(
            &format!("DELETE FROM {table} WHERE run_no = $1"),
            params![run_no],
        )?;
    }
    tx.execute(
        "DELETE FROM trace_runs WHERE workspace_id = $1 AND run_id = $2",
        params![workspace_id, run_id],
    )?;
    Ok(())
}

/// Removes an experiment without runs and traces: its data sets, tags, and what refers to it.
fn remove_experiment(tx: &mut Tx<'_>, experiment_no: i64) -> Result<(), StoreError> {
    for table in ["experiment_tags", "datasets", "experiments"] {
        tx.execute(
            &format!("DELETE FROM {table} WHERE experiment_no = $1"),
            params![experiment_no],
        )?;
    }
    Ok(())
}

/// Removes up to `limit` traces of an experiment that is to go; says how many those were.
pub fn remove_some_traces(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    id: ExperimentId,
    limit: i64,
) -> Result<u64, StoreError> {
    let mut removed = 0;
    for number in crate::experiments::numbers(tx, workspace_id, &[id])? {
        let found = tx.query(
            "SELECT trace_no FROM traces WHERE experiment_no = $1 ORDER BY trace_no LIMIT $2",
            params![number, limit],
            |row| row.get::<i64>(0),
        )?;
        removed += traces::remove(tx, &found)?;
    }
    Ok(removed)
}

#[cfg(test)]
#[path = "purges_tests.rs"]
mod tests;
