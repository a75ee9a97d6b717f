//! What a job's own runner may ask and tell, with the job's token.

use lazuli_spec::jobs::JobState;
use lazuli_spec::runner::{
    Heartbeat, LogReply, MAX_LOG_CHUNK, OutputReport, RunnerPlan, RunnerReply, StateReport,
};
use lazuli_spec::trees::ContentHash;
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::jobs;

use super::progress::advance;
use crate::scheduler::job::{Entry, Happening, Outcome};
use crate::{Access, Caller, Core, Error, Result};

const MAX_LOGS: usize = 50;
/// A log longer than this is cut: a program gone wild must not fill the disk.
const MAX_LOG_BYTES: i64 = 2 << 30;

/// The job a runner speaks for.
struct Own {
    access: Access,
    workspace_id: String,
    job: String,
}

impl Core {
    async fn own_job(&self, caller: &Caller) -> Result<Own> {
        let own = caller.job().ok_or_else(|| {
            Error::new(
                ErrorCode::PermissionDenied,
                "this path is for a running job's own token",
            )
        })?;
        let workspace = self.workspace_name(&own.workspace_id).await?;
        let access = self.access(caller, &workspace, Action::RunsWrite).await?;
        Ok(Own {
            access,
            workspace_id: own.workspace_id.clone(),
            job: own.job.clone(),
        })
    }

    /// The name of a workspace by its id.
    pub(crate) async fn workspace_name(&self, id: &str) -> Result<String> {
        if let Some(name) = self.jobs().workspace(id) {
            return Ok(name);
        }
        let wanted = id.to_owned();
        let found = self
            .store()
            .read(move |tx| Ok::<_, Error>(lazuli_store::workspaces::name_of(tx, &wanted)?))
            .await?;
        let name = found.ok_or_else(|| Error::not_found("workspace", id))?;
        self.jobs().remember_workspace(id, &name);
        Ok(name)
    }

    /// What the runner is to do.
    pub async fn runner_plan(&self, caller: &Caller) -> Result<RunnerPlan> {
        let own = self.own_job(caller).await?;
        own.access
            .read(move |tx| Ok(super::find(tx, &own.workspace_id, &own.job)?.plan))
            .await
    }

    /// The runner reports a state.
    pub async fn runner_state(&self, caller: &Caller, report: StateReport) -> Result<RunnerReply> {
        let own = self.own_job(caller).await?;
        let (workspace_id, job) = (own.workspace_id.clone(), own.job.clone());
        let moved = own
            .access
            .write(format!("jobs/{job}"), move |tx, change| {
                if let Some(environment) = &report.environment {
                    jobs::update_environment(tx, &workspace_id, &job, environment)?;
                }
                let moved = advance(
                    tx,
                    &workspace_id,
                    &job,
                    Happening::Reported(report),
                    change.now(),
                )?;
                super::progress::tell(change, &moved);
                Ok(moved)
            })
            .await?;
        self.job_news(&own.workspace_id, &own.job, &moved);
        Ok(reply(&moved.1))
    }

    /// The runner is alive.
    pub async fn runner_heartbeat(&self, caller: &Caller, beat: Heartbeat) -> Result<RunnerReply> {
        let own = self.own_job(caller).await?;
        let (workspace_id, job, now) = (own.workspace_id.clone(), own.job.clone(), self.now());
        let moved: (Outcome, Entry) = own
            .access
            .log(move |tx| {
                if let Some(usage) = &beat.usage {
                    jobs::update_usage(tx, &workspace_id, &job, usage)?;
                }
                advance(tx, &workspace_id, &job, Happening::Heard, now)
            })
            .await?;
        self.job_news(&own.workspace_id, &own.job, &moved);
        Ok(reply(&moved.1))
    }

    /// The runner sends bytes of a log.
    pub async fn runner_log(
        &self,
        caller: &Caller,
        name: &str,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<LogReply> {
        check_log(name, data.len())?;
        let own = self.own_job(caller).await?;
        let (workspace_id, job, log) = (own.workspace_id.clone(), own.job.clone(), name.to_owned());
        let start = i64::try_from(offset)
            .map_err(|_| Error::invalid("offset", "the offset is too large"))?;
        let length = own
            .access
            .log(move |tx| {
                let known = jobs::log_names(tx, &workspace_id, &job)?;
                let length = known
                    .iter()
                    .find(|row| row.name == log)
                    .map(|row| row.length);
                if length.is_none() && known.len() >= MAX_LOGS {
                    return Err(Error::invalid(
                        "name",
                        format!("a job has at most {MAX_LOGS} logs"),
                    ));
                }
                // what comes after the limit is answered as taken, so that the job itself goes on
                if start >= MAX_LOG_BYTES {
                    return Ok(start.saturating_add(data.len() as i64));
                }
                let row = jobs::progress(tx, &workspace_id, &job)?
                    .ok_or_else(|| Error::not_found("job", &job))?;
                if row.4.state.is_terminal() {
                    return Err(Error::conflict("the job has ended; its logs are closed"));
                }
                Ok(jobs::append_log(
                    tx,
                    &workspace_id,
                    &job,
                    &log,
                    start,
                    &data,
                )?)
            })
            .await?;
        self.jobs().news(&own.workspace_id, &own.job);
        Ok(LogReply {
            next_offset: u64::try_from(length).unwrap_or(0),
        })
    }

    /// The runner names the content of an output; one with a name is registered as an asset.
    pub async fn runner_output(
        &self,
        caller: &Caller,
        name: &str,
        report: OutputReport,
    ) -> Result<()> {
        let own = self.own_job(caller).await?;
        let id = ContentHash::parse(&report.tree)
            .map_err(|error| Error::invalid("tree", error.to_string()))?;
        let tree = crate::content::tree_of(&own.access, &id)
            .await
            .map_err(|_| {
                Error::invalid(
                    "tree",
                    format!("the tree `{id}` is not stored; upload it first"),
                )
            })?;
        let wanted = name.to_owned();
        let registration = super::registration::Registration::new(&id, &tree);
        let target = format!("jobs/{}/outputs/{name}", own.job);
        let now = self.now();
        own.access
            .write(target, move |tx, _| {
                let job = super::find(tx, &own.workspace_id, &own.job)?;
                let outputs = jobs::outputs(tx, &own.workspace_id, &own.job)?;
                let output = outputs
                    .into_iter()
                    .find(|output| output.name == wanted)
                    .ok_or_else(|| Error::not_found("output", &wanted))?;
                if output.tree.as_deref() == Some(registration.tree()) {
                    return Ok(());
                }
                let version = registration.register(tx, &job, &output, now)?;
                jobs::set_output(
                    tx,
                    &own.workspace_id,
                    &own.job,
                    &wanted,
                    registration.tree(),
                    version.as_deref(),
                )?;
                Ok(())
            })
            .await
    }
}

fn reply(entry: &Entry) -> RunnerReply {
    RunnerReply {
        cancel: entry.cancel_at.is_some()
            || matches!(entry.state, JobState::Canceled | JobState::Failed),
    }
}

fn check_log(name: &str, length: usize) -> Result<()> {
    let known_folder = name.starts_with("user_logs/")
        || name.starts_with("system_logs/")
        || name.starts_with("logs/");
    if !known_folder || name.len() > 200 || lazuli_spec::trees::check_path(name).is_err() {
        return Err(Error::invalid(
            "name",
            "a log's name is a path under `user_logs/`, `system_logs/` or `logs/`",
        ));
    }
    if length > MAX_LOG_CHUNK {
        return Err(Error::new(
            ErrorCode::PayloadTooLarge,
            format!("one request carries at most {MAX_LOG_CHUNK} bytes of a log"),
        ));
    }
    Ok(())
}
