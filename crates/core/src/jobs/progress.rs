//! Moving a job: the scheduler's rule applied to its row, with all that must change beside it, in one transaction.

use lazuli_spec::Timestamp;
use lazuli_spec::jobs::JobState;
use lazuli_store::jobs::{Progress, QueueRow};
use lazuli_store::{Tx, jobs, runs, tokens};

use crate::access::Change;
use crate::scheduler::job::{Entry, Happening, Outcome};
use crate::{Access, Core, Error, Result};

/// The scheduler's view of a row.
pub(crate) fn entry(row: QueueRow) -> Entry {
    let (workspace_id, name, compute, created_at, progress) = row;
    Entry {
        workspace_id,
        name,
        compute,
        order: created_at.0,
        state: progress.state,
        phases: progress.phases,
        node: progress.node,
        handle: progress.handle,
        sequence: u64::try_from(progress.sequence).unwrap_or(0),
        seen_at: progress.seen_at,
        cancel_at: progress.cancel_at,
        timeout_seconds: progress
            .timeout_seconds
            .and_then(|seconds| u64::try_from(seconds).ok()),
        error: progress.error,
        exit_code: progress.exit_code,
    }
}

fn progress(entry: &Entry) -> Progress {
    Progress {
        state: entry.state,
        phases: entry.phases,
        node: entry.node,
        handle: entry.handle.clone(),
        sequence: i64::try_from(entry.sequence).unwrap_or(i64::MAX),
        seen_at: entry.seen_at,
        cancel_at: entry.cancel_at,
        timeout_seconds: entry
            .timeout_seconds
            .and_then(|seconds| i64::try_from(seconds).ok()),
        exit_code: entry.exit_code,
        error: entry.error.clone(),
    }
}

/// Applies a happening to a job's row, and carries a new state over to its run and its tokens.
pub(crate) fn advance(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    happening: Happening,
    now: Timestamp,
) -> Result<(Outcome, Entry)> {
    let row = jobs::progress(tx, workspace_id, job)?.ok_or_else(|| Error::not_found("job", job))?;
    let mut entry = entry(row);
    let outcome = entry.apply(happening, now);
    if outcome == Outcome::Ignored {
        return Ok((outcome, entry));
    }
    jobs::update_progress(tx, workspace_id, job, &progress(&entry), now)?;
    if outcome == Outcome::Moved {
        follow_in_run(tx, &entry)?;
        if entry.state.is_terminal() {
            tokens::revoke_for_job(tx, workspace_id, job, now)?;
        }
    }
    Ok((outcome, entry))
}

/// The job's run shows the same: a run starts when its command does and ends when the job does.
fn follow_in_run(tx: &mut Tx<'_>, entry: &Entry) -> Result<()> {
    let Some(run) = runs::find(tx, &entry.workspace_id, &entry.name, true)? else {
        return Ok(());
    };
    let ended = entry
        .state
        .is_terminal()
        .then_some(entry.phases.ended_at)
        .flatten();
    runs::update(tx, &run, Some(entry.state.run_status()), ended, None)?;
    if let (JobState::Running, Some(started)) = (entry.state, entry.phases.running_at) {
        runs::set_start(tx, &run, started)?;
    }
    Ok(())
}

impl Core {
    /// Applies a happening in a transaction of its own, with the record and the event of a new state, and tells who waits.
    pub(crate) async fn advance_job(
        &self,
        access: &Access,
        workspace_id: &str,
        job: &str,
        happening: Happening,
    ) -> Result<(Outcome, Entry)> {
        let (key, name) = (workspace_id.to_owned(), job.to_owned());
        let moved = access
            .write(format!("jobs/{job}"), move |tx, change| {
                let moved = advance(tx, &key, &name, happening, change.now())?;
                tell(change, &moved);
                Ok(moved)
            })
            .await?;
        self.job_news(workspace_id, job, &moved);
        Ok(moved)
    }

    /// After a commit: wakes the scheduler when there is something for it, and those who follow the job.
    pub(crate) fn job_news(
        &self,
        workspace_id: &str,
        job: &str,
        (outcome, entry): &(Outcome, Entry),
    ) {
        if *outcome != Outcome::Moved {
            return;
        }
        self.jobs().news(workspace_id, job);
        if entry.state.is_terminal() {
            self.authority().forget();
        }
        if entry.state.is_terminal() || entry.state == JobState::CancelRequested {
            self.jobs().wake.notify_one();
        }
    }
}

/// What the event of a change says; a change that moved nothing has neither record nor event.
pub(crate) fn tell(change: &mut Change, (outcome, entry): &(Outcome, Entry)) {
    if *outcome == Outcome::Moved {
        change.body(serde_json::json!({ "state": entry.state, "error": entry.error }).to_string());
    } else {
        change.nothing();
    }
}
