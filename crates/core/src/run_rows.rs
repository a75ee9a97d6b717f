//! Making, moving and finding runs inside a transaction: what the runs' own requests and the jobs share.

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::{ExperimentId, View};
use lazuli_spec::runs::{KeyValue, Run, RunStatus, TAG_RUN_NAME, clean_first_tag, clean_tag};
use lazuli_store::experiments::ExperimentRow;
use lazuli_store::{Tx, run_tags, runs};

use crate::experiments::{find as find_experiment, must_be_active, not_found};
pub(crate) use crate::writer::Writer;
use crate::{Error, Result};

/// A run to be made.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id; for a job, the job's name.
    pub run_id: String,
    /// Its name.
    pub name: String,
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Who the client says it is.
    pub user_id: String,
    /// Where it stands at first.
    pub status: RunStatus,
    /// When it starts, or was submitted.
    pub start_time: Timestamp,
    /// Its tags.
    pub tags: Vec<KeyValue>,
}

/// Adds a run to an experiment in use. The run's name becomes a tag as well.
pub fn create_run_in(tx: &mut Tx<'_>, workspace_id: &str, new: NewRun) -> Result<Run> {
    if new.experiment_id == ExperimentId::DEFAULT {
        lazuli_store::experiments::insert_default(tx, workspace_id, new.start_time)?;
    }
    let experiment = find_experiment(tx, workspace_id, new.experiment_id, View::All)?;
    must_be_active(&experiment)?;
    let tags = new.tags.into_iter().map(clean_first_tag);
    let mut tags: Vec<KeyValue> = tags.collect::<Result<_, _>>()?;
    tags.retain(|tag| tag.key != TAG_RUN_NAME);
    tags.push(KeyValue::new(TAG_RUN_NAME, &new.name));
    let row = runs::NewRun {
        artifact_uri: artifact_uri(&experiment, &new.run_id),
        run_id: new.run_id,
        name: new.name,
        user_id: new.user_id,
        status: new.status,
        start_time: Timestamp::from_millis(new.start_time.as_millis()),
    };
    let run = runs::insert(
        tx,
        workspace_id,
        experiment.experiment_no,
        new.experiment_id,
        &row,
    )
    .map_err(|error| {
        if error.is_unique_violation() {
            Error::already_exists("run", &row.run_id)
        } else {
            error.into()
        }
    })?;
    run_tags::set(tx, &run, &tags)?;
    runs::load(tx, workspace_id, &row.run_id)?.ok_or_else(|| run_not_found(&row.run_id))
}

/// Moves a run on: to `RUNNING` when its job starts, to an end state with the time when it ends.
pub fn advance_run_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
    status: RunStatus,
    now: Timestamp,
) -> Result<()> {
    let run = runs::find(tx, workspace_id, run_id, true)?.ok_or_else(|| run_not_found(run_id))?;
    let now = Timestamp::from_millis(now.as_millis());
    if status == RunStatus::Running && run.status == RunStatus::Scheduled {
        runs::set_start(tx, &run, now)?;
    }
    Ok(runs::update(
        tx,
        &run,
        Some(status),
        status.is_terminal().then_some(now),
        None,
    )?)
}

/// Ends a run.
pub fn finish_run_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
    status: RunStatus,
    now: Timestamp,
) -> Result<()> {
    advance_run_in(tx, workspace_id, run_id, status, now)
}

/// Sets tags of a run, whatever its stage.
pub fn set_run_tags_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
    tags: Vec<KeyValue>,
) -> Result<()> {
    let run = runs::find(tx, workspace_id, run_id, true)?.ok_or_else(|| run_not_found(run_id))?;
    Ok(run_tags::set(tx, &run, &clean_tags(tags)?)?)
}

fn clean_tags(tags: Vec<KeyValue>) -> Result<Vec<KeyValue>> {
    let clean = tags
        .into_iter()
        .map(|tag| clean_tag(tag, ""))
        .collect::<Result<_, _>>();
    Ok(clean?)
}

fn artifact_uri(experiment: &ExperimentRow, run_id: &str) -> String {
    let location = experiment.experiment.artifact_location.as_str();
    let (location, query) = location
        .split_once('?')
        .map_or((location, None), |(path, query)| (path, Some(query)));
    let root = format!("{}/{run_id}/artifacts", location.trim_end_matches('/'));
    query.map_or(root.clone(), |query| format!("{root}?{query}"))
}

pub(crate) fn run_not_found(run_id: &str) -> Error {
    not_found(format!("Run with id={run_id} not found"))
}
