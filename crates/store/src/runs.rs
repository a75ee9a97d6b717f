//! Rows of `runs`, and runs with everything they logged.

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::{ExperimentId, Lifecycle};
use lazuli_spec::runs::{Run, RunInfo, RunStatus, TAG_RUN_NAME};

use crate::experiments::lifecycle;
use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, datasets, metrics, params, run_params, run_tags};

/// What the tables of a run's values need to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRef {
    /// The run's number.
    pub run_no: i64,
    /// Its experiment's number.
    pub experiment_no: i64,
    /// Its experiment's id.
    pub experiment_id: ExperimentId,
    /// In use or deleted.
    pub lifecycle_stage: Lifecycle,
    /// Where it stands.
    pub status: RunStatus,
}

/// What a new run is made of.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id, unique on the server.
    pub run_id: String,
    /// Its name.
    pub name: String,
    /// Who the client says it is.
    pub user_id: String,
    /// Where it stands.
    pub status: RunStatus,
    /// When it starts, or was submitted.
    pub start_time: Timestamp,
    /// Where its artifacts go.
    pub artifact_uri: String,
}

/// The columns of [`info_from_row`], of the table alias `r`.
pub(crate) const INFO_COLUMNS: &str = "r.run_no, r.run_id, r.name, r.experiment_id, r.user_id, r.status, r.start_time, r.end_time, r.artifact_uri, r.lifecycle_stage";
/// How many columns those are.
pub(crate) const INFO_WIDTH: usize = 10;

pub(crate) fn info_from_row(row: &Row<'_>) -> Result<(i64, RunInfo), StoreError> {
    let info = RunInfo {
        run_id: row.get(1)?,
        run_name: row.get(2)?,
        experiment_id: ExperimentId(row.get(3)?),
        user_id: row.get(4)?,
        status: status(row, 5)?,
        start_time: row.get(6)?,
        end_time: row.get(7)?,
        artifact_uri: row.get(8)?,
        lifecycle_stage: lifecycle(row, 9)?,
    };
    Ok((row.get(0)?, info))
}

fn status(row: &Row<'_>, index: usize) -> Result<RunStatus, StoreError> {
    let text: String = row.get(index)?;
    RunStatus::parse(&text)
        .ok_or_else(|| StoreError::Corrupt(format!("`{text}` is no status of a run")))
}

/// Adds a run. A taken id is a unique violation. Its name becomes a tag as well.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    experiment_no: i64,
    experiment_id: ExperimentId,
    new: &NewRun,
) -> Result<RunRef, StoreError> {
    let run_no = tx.query_one(
        "INSERT INTO runs (run_id, workspace_id, experiment_no, experiment_id, name, user_id, status, start_time, lifecycle_stage, artifact_uri)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'active', $9) RETURNING run_no",
        params![
            &new.run_id,
            workspace_id,
            experiment_no,
            experiment_id.0,
            &new.name,
            &new.user_id,
            new.status.as_str(),
            new.start_time,
            &new.artifact_uri
        ],
        |row| row.get(0),
    )?;
    Ok(RunRef {
        run_no,
        experiment_no,
        experiment_id,
        lifecycle_stage: Lifecycle::Active,
        status: new.status,
    })
}

/// The run's numbers and stage, if it exists in the workspace. In PostgreSQL its row is locked until the end of the
/// transaction when `lock` is set: writers of one run then come one after the other and cannot deadlock.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
    lock: bool,
) -> Result<Option<RunRef>, StoreError> {
    let suffix = if lock { tx.dialect().for_update() } else { "" };
    let sql = format!(
        "SELECT run_no, experiment_no, experiment_id, lifecycle_stage, status FROM runs WHERE run_id = $1 AND workspace_id = $2{suffix}"
    );
    tx.query_opt(&sql, params![run_id, workspace_id], |row| {
        Ok(RunRef {
            run_no: row.get(0)?,
            experiment_no: row.get(1)?,
            experiment_id: ExperimentId(row.get(2)?),
            lifecycle_stage: lifecycle(row, 3)?,
            status: status(row, 4)?,
        })
    })
}

/// What the run is, without what it logged.
pub fn info(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
) -> Result<Option<RunInfo>, StoreError> {
    Ok(info_row(tx, workspace_id, run_id)?.map(|(_, info)| info))
}

/// The run with everything it logged.
pub fn load(tx: &mut Tx<'_>, workspace_id: &str, run_id: &str) -> Result<Option<Run>, StoreError> {
    let row = info_row(tx, workspace_id, run_id)?;
    Ok(fill(tx, row.into_iter().collect())?.pop())
}

fn info_row(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
) -> Result<Option<(i64, RunInfo)>, StoreError> {
    let sql =
        format!("SELECT {INFO_COLUMNS} FROM runs r WHERE r.run_id = $1 AND r.workspace_id = $2");
    tx.query_opt(&sql, params![run_id, workspace_id], info_from_row)
}

/// Changes what is given of a run; a new name is written into its tag too.
pub fn update(
    tx: &mut Tx<'_>,
    run: &RunRef,
    status: Option<RunStatus>,
    end_time: Option<Timestamp>,
    name: Option<&str>,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE runs SET status = COALESCE($2, status), end_time = COALESCE($3, end_time), name = COALESCE($4, name) WHERE run_no = $1",
        params![run.run_no, status.map(RunStatus::as_str), end_time, name],
    )?;
    if let Some(name) = name {
        let tag = lazuli_spec::runs::KeyValue::new(TAG_RUN_NAME, name);
        run_tags::set(tx, run, &[tag])?;
    }
    Ok(())
}

/// Says when the run started, as a job that waited does.
pub fn set_start(tx: &mut Tx<'_>, run: &RunRef, start_time: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE runs SET start_time = $2 WHERE run_no = $1",
        params![run.run_no, start_time],
    )?;
    Ok(())
}

/// Moves a run to a stage.
pub fn set_lifecycle(
    tx: &mut Tx<'_>,
    run: &RunRef,
    stage: Lifecycle,
    now: Timestamp,
) -> Result<(), StoreError> {
    let deleted_at = (stage == Lifecycle::Deleted).then_some(now);
    tx.execute(
        "UPDATE runs SET lifecycle_stage = $2, deleted_at = $3 WHERE run_no = $1",
        params![run.run_no, stage.as_str(), deleted_at],
    )?;
    Ok(())
}

/// The workspace and experiment of a run id, whatever the workspace: for paths that name only the run.
pub fn place(tx: &mut Tx<'_>, run_id: &str) -> Result<Option<(String, ExperimentId)>, StoreError> {
    let sql = "SELECT workspace_id, experiment_id FROM runs WHERE run_id = $1";
    tx.query_opt(sql, params![run_id], |row| {
        Ok((row.get(0)?, ExperimentId(row.get(1)?)))
    })
}

/// The numbers of those of the runs that exist in the workspace, with their ids.
pub fn numbers(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_ids: &[String],
) -> Result<Vec<(i64, String)>, StoreError> {
    let mut found = Vec::with_capacity(run_ids.len());
    for chunk in padded_chunks(run_ids) {
        let sql = format!(
            "SELECT run_no, run_id FROM runs WHERE workspace_id = $1 AND run_id IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Text(workspace_id)];
        values.extend(chunk.iter().map(|id| Param::Text(id)));
        found.extend(tx.query(&sql, &values, |row| Ok((row.get(0)?, row.get(1)?)))?);
    }
    Ok(found)
}

/// Adds to each run what it logged: one query for each kind of value, however many runs there are (up to a thousand at a
/// time).
pub fn fill(tx: &mut Tx<'_>, rows: Vec<(i64, RunInfo)>) -> Result<Vec<Run>, StoreError> {
    let numbers: Vec<i64> = rows.iter().map(|(run_no, _)| *run_no).collect();
    let mut runs = Filling::new(rows);
    metrics::fill(tx, &numbers, &mut runs)?;
    run_params::fill(tx, &numbers, &mut runs)?;
    run_tags::fill(tx, &numbers, &mut runs)?;
    datasets::fill(tx, &numbers, &mut runs)?;
    Ok(runs.runs)
}

/// Runs under construction, found by their number.
pub(crate) struct Filling {
    runs: Vec<Run>,
    places: std::collections::HashMap<i64, usize>,
}

impl Filling {
    fn new(rows: Vec<(i64, RunInfo)>) -> Self {
        let places = rows
            .iter()
            .enumerate()
            .map(|(place, (run_no, _))| (*run_no, place))
            .collect();
        let runs = rows.into_iter().map(|(_, info)| empty(info)).collect();
        Self { runs, places }
    }

    pub(crate) fn get(&mut self, run_no: i64) -> Option<&mut Run> {
        self.places
            .get(&run_no)
            .and_then(|place| self.runs.get_mut(*place))
    }
}

fn empty(info: RunInfo) -> Run {
    Run {
        info,
        metrics: Vec::new(),
        params: Vec::new(),
        tags: Vec::new(),
        datasets: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
    }
}

/// Runs a query whose last parameters are run numbers, in chunks; `sql` gets the placeholder list.
pub(crate) fn for_runs(
    tx: &mut Tx<'_>,
    numbers: &[i64],
    sql: impl Fn(&str) -> String,
    mut each: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for chunk in padded_chunks(numbers) {
        let values: Vec<Param<'_>> = chunk.iter().map(|number| Param::Integer(*number)).collect();
        tx.for_each(&sql(&placeholders(1, chunk.len())), &values, &mut each)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
