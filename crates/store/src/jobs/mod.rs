//! Rows of `jobs`: what was submitted, where it stands, and what it left behind.

mod lineage;
mod list;
mod logs;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lazuli_spec::Timestamp;
use lazuli_spec::jobs::{JobState, Phases};
use lazuli_spec::runner::{EnvironmentReport, RunnerError, RunnerPlan, Usage};

pub use self::lineage::{
    InputRow, OutputRow, inputs, insert_input, insert_output, outputs, readers_of, set_output,
    writers_of,
};
pub use self::list::{JobFilter, Order, list};
pub use self::logs::{LogRow, append_log, delete_logs, log, log_names, read_log};
pub use self::queue::{QueueRow, active, count_by_state, count_unended, progress, unsettled};
use crate::{Row, StoreError, Tx, json, params};

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// The workspace's id.
    pub workspace_id: String,
    /// Its name: its run's id.
    pub name: String,
    /// The experiment's id.
    pub experiment_id: String,
    /// The experiment's name.
    pub experiment_name: String,
    /// The name shown to people.
    pub display_name: String,
    /// For people.
    pub description: String,
    /// Where it runs.
    pub compute: String,
    /// Whether lists leave it out.
    pub archived: bool,
    /// The job as submitted, as JSON.
    pub spec: String,
    /// What it was resolved to.
    pub plan: RunnerPlan,
    /// For programs.
    pub properties: BTreeMap<String, String>,
    /// For people and searches.
    pub tags: BTreeMap<String, String>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Who submitted it: a principal id.
    pub created_by: String,
    /// When anything of it was last changed.
    pub modified_at: Timestamp,
    /// Counts changes of what people write; the ETag.
    pub revision: i64,
    /// Where it stands.
    pub progress: Progress,
    /// What it uses or last used.
    pub usage: Option<Usage>,
    /// What its environment turned out to be.
    pub environment: Option<EnvironmentReport>,
    /// Whether its logs are artifacts by now and its node is clean.
    pub settled: bool,
}

/// The part of a job that its life changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Where it stands.
    pub state: JobState,
    /// The clock of each phase.
    pub phases: Phases,
    /// The node it has.
    pub node: Option<i64>,
    /// By what the executor finds its runner.
    pub handle: Option<String>,
    /// The last report taken in.
    pub sequence: i64,
    /// When its runner was last heard of.
    pub seen_at: Option<Timestamp>,
    /// When it was asked to end.
    pub cancel_at: Option<Timestamp>,
    /// Seconds its command may run.
    pub timeout_seconds: Option<i64>,
    /// The command's exit code.
    pub exit_code: Option<i32>,
    /// Why it failed.
    pub error: Option<RunnerError>,
}

const COLUMNS: &str = "workspace_id, name, experiment_id, experiment_name, display_name, description, compute, archived, spec, plan, \
     properties, created_at, created_by, modified_at, revision, usage, environment, settled, \
     state, node, handle, report_sequence, seen_at, cancel_at, timeout_seconds, exit_code, error, \
     queued_at, preparing_at, running_at, finalizing_at, ended_at";

fn from_row(row: &Row<'_>) -> Result<JobRow, StoreError> {
    let text = |index: usize| row.get::<String>(index);
    Ok(JobRow {
        workspace_id: text(0)?,
        name: text(1)?,
        experiment_id: text(2)?,
        experiment_name: text(3)?,
        display_name: text(4)?,
        description: text(5)?,
        compute: text(6)?,
        archived: row.get(7)?,
        spec: text(8)?,
        plan: json::decode(&text(9)?)?,
        properties: json::decode(&text(10)?)?,
        tags: BTreeMap::new(),
        created_at: row.get(11)?,
        created_by: text(12)?,
        modified_at: row.get(13)?,
        revision: row.get(14)?,
        usage: optional(row, 15)?,
        environment: optional(row, 16)?,
        settled: row.get(17)?,
        progress: progress_from_row(row, 18)?,
    })
}

fn optional<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    index: usize,
) -> Result<Option<T>, StoreError> {
    row.get::<Option<String>>(index)?
        .map(|text| json::decode(&text))
        .transpose()
}

fn progress_from_row(row: &Row<'_>, first: usize) -> Result<Progress, StoreError> {
    let state: String = row.get(first)?;
    let exit_code: Option<i64> = row.get(first + 7)?;
    Ok(Progress {
        state: JobState::parse(&state)
            .ok_or_else(|| StoreError::Corrupt(format!("job state `{state}`")))?,
        node: row.get(first + 1)?,
        handle: row.get(first + 2)?,
        sequence: row.get(first + 3)?,
        seen_at: row.get(first + 4)?,
        cancel_at: row.get(first + 5)?,
        timeout_seconds: row.get(first + 6)?,
        exit_code: exit_code.and_then(|code| i32::try_from(code).ok()),
        error: optional(row, first + 8)?,
        phases: Phases {
            queued_at: row.get(first + 9)?,
            preparing_at: row.get(first + 10)?,
            running_at: row.get(first + 11)?,
            finalizing_at: row.get(first + 12)?,
            ended_at: row.get(first + 13)?,
        },
    })
}

/// Adds a job with its tags; a taken name is a unique violation.
pub fn insert(tx: &mut Tx<'_>, job: &JobRow) -> Result<(), StoreError> {
    let queued_at = job.progress.phases.queued_at.unwrap_or(job.created_at);
    tx.execute(
        "INSERT INTO jobs (workspace_id, name, experiment_id, experiment_name, display_name, description, compute, state,
                           archived, spec, plan, properties, created_at, created_by, modified_at, revision, report_sequence,
                           timeout_seconds, queued_at, settled)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, $12, $13, $12, 1, 0, $14, $15, 0)",
        params![
            &job.workspace_id,
            &job.name,
            &job.experiment_id,
            &job.experiment_name,
            &job.display_name,
            &job.description,
            &job.compute,
            job.progress.state.as_str(),
            &job.spec,
            json::encode(&job.plan)?,
            json::encode(&job.properties)?,
            job.created_at,
            &job.created_by,
            job.progress.timeout_seconds,
            queued_at
        ],
    )?;
    put_tags(tx, job)
}

fn put_tags(tx: &mut Tx<'_>, job: &JobRow) -> Result<(), StoreError> {
    for (key, value) in &job.tags {
        tx.execute(
            "INSERT INTO job_tags (workspace_id, job, key, value) VALUES ($1, $2, $3, $4)",
            params![&job.workspace_id, &job.name, key, value],
        )?;
    }
    Ok(())
}

/// The job of that name.
pub fn find(tx: &mut Tx<'_>, workspace_id: &str, name: &str) -> Result<Option<JobRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE workspace_id = $1 AND name = $2");
    let Some(mut job) = tx.query_opt(&sql, params![workspace_id, name], from_row)? else {
        return Ok(None);
    };
    job.tags = tags(tx, workspace_id, name)?;
    Ok(Some(job))
}

fn tags(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
) -> Result<BTreeMap<String, String>, StoreError> {
    let pairs = tx.query(
        "SELECT key, value FROM job_tags WHERE workspace_id = $1 AND job = $2",
        params![workspace_id, name],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(pairs.into_iter().collect())
}

/// Writes what people may change: names, description, tags, properties, archived.
pub fn update_metadata(tx: &mut Tx<'_>, job: &JobRow) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE jobs SET display_name = $3, description = $4, properties = $5, archived = $6, modified_at = $7, revision = $8
         WHERE workspace_id = $1 AND name = $2",
        params![
            &job.workspace_id,
            &job.name,
            &job.display_name,
            &job.description,
            json::encode(&job.properties)?,
            job.archived,
            job.modified_at,
            job.revision
        ],
    )?;
    tx.execute(
        "DELETE FROM job_tags WHERE workspace_id = $1 AND job = $2",
        params![&job.workspace_id, &job.name],
    )?;
    put_tags(tx, job)
}

/// Writes where the job stands.
pub fn update_progress(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    progress: &Progress,
    now: Timestamp,
) -> Result<(), StoreError> {
    let error = progress.error.as_ref().map(json::encode).transpose()?;
    tx.execute(
        "UPDATE jobs SET state = $3, node = $4, handle = $5, report_sequence = $6, seen_at = $7, cancel_at = $8, exit_code = $9,
                         error = $10, preparing_at = $11, running_at = $12, finalizing_at = $13, ended_at = $14, modified_at = $15
         WHERE workspace_id = $1 AND name = $2",
        params![
            workspace_id,
            name,
            progress.state.as_str(),
            progress.node,
            progress.handle.as_deref(),
            progress.sequence,
            progress.seen_at,
            progress.cancel_at,
            progress.exit_code,
            error,
            progress.phases.preparing_at,
            progress.phases.running_at,
            progress.phases.finalizing_at,
            progress.phases.ended_at,
            now
        ],
    )?;
    Ok(())
}

/// Writes what the job uses.
pub fn update_usage(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    usage: &Usage,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE jobs SET usage = $3 WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, name, json::encode(usage)?],
    )?;
    Ok(())
}

/// Writes what the job's environment turned out to be.
pub fn update_environment(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    environment: &EnvironmentReport,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE jobs SET environment = $3 WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, name, json::encode(environment)?],
    )?;
    Ok(())
}

/// Says that an ended job's logs are artifacts by now and its node is clean.
pub fn settle(tx: &mut Tx<'_>, workspace_id: &str, name: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE jobs SET settled = 1 WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, name],
    )?;
    Ok(())
}

/// Removes a job and all that hangs on it.
pub fn delete(tx: &mut Tx<'_>, workspace_id: &str, name: &str) -> Result<(), StoreError> {
    for table in [
        "job_log_chunks",
        "job_logs",
        "job_inputs",
        "job_outputs",
        "job_tags",
    ] {
        let sql = format!("DELETE FROM {table} WHERE workspace_id = $1 AND job = $2");
        tx.execute(&sql, params![workspace_id, name])?;
    }
    tx.execute(
        "DELETE FROM jobs WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, name],
    )?;
    Ok(())
}
