//! Who writes to runs and to what belongs to them: a job's token speaks for that job's run and the runs below it, and
//! reaches no other run's values, files or logged models.

use lazuli_spec::ErrorCode;
use lazuli_spec::experiments::Lifecycle;
use lazuli_spec::issues::Issue;
use lazuli_spec::logged_models::LoggedModel;
use lazuli_spec::runs::TAG_PARENT_RUN;
use lazuli_spec::traces::META_SOURCE_RUN;
use lazuli_store::runs::RunRef;
use lazuli_store::traces::{self, TraceRow};
use lazuli_store::{Tx, logged_models, run_tags, runs};

use crate::models::proxied_path;
use crate::runs::run_not_found;
use crate::{Access, Error, Result};

/// Who writes, as far as the run's own rules go.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) workspace_id: String,
    job: Option<String>,
}

impl Writer {
    pub(crate) fn of(access: &Access) -> Self {
        let job = access.caller().job().map(|identity| identity.job.clone());
        Self {
            workspace_id: access.workspace_id().to_owned(),
            job,
        }
    }

    /// The job whose token this is.
    pub(crate) fn job(&self) -> Option<&str> {
        self.job.as_deref()
    }

    /// The run, if this writer may write to it and it is in use.
    pub(crate) fn active(&self, tx: &mut Tx<'_>, run_id: &str) -> Result<RunRef> {
        let run = self.any(tx, run_id)?;
        if run.lifecycle_stage == Lifecycle::Active {
            return Ok(run);
        }
        let message = format!(
            "The run {run_id} must be in the 'active' state. Current state is {}.",
            run.lifecycle_stage.as_str()
        );
        Err(Error::new(ErrorCode::InvalidArgument, message))
    }

    /// The run, if this writer may write to it; its row stays locked until the transaction ends, which must be one that writes.
    pub(crate) fn any(&self, tx: &mut Tx<'_>, run_id: &str) -> Result<RunRef> {
        self.find(tx, run_id, true)
    }

    /// The same without a lock, for transactions that only read.
    pub(crate) fn unlocked(&self, tx: &mut Tx<'_>, run_id: &str) -> Result<RunRef> {
        self.find(tx, run_id, false)
    }

    fn find(&self, tx: &mut Tx<'_>, run_id: &str, locked: bool) -> Result<RunRef> {
        let run = runs::find(tx, &self.workspace_id, run_id, locked)?
            .ok_or_else(|| run_not_found(run_id))?;
        match &self.job {
            Some(job) if job != run_id && !is_below(tx, &self.workspace_id, &run, job)? => {
                Err(foreign(job, run_id))
            }
            _ => Ok(run),
        }
    }

    /// Says whether this writer may change a logged model: a job may when one of its runs made it.
    pub(crate) fn logged_model(&self, tx: &mut Tx<'_>, model: &LoggedModel) -> Result<()> {
        match (&self.job, &model.source_run_id) {
            (None, _) => Ok(()),
            (Some(_), Some(run_id)) => self.unlocked(tx, run_id).map(drop),
            (Some(job), None) => Err(foreign(job, &model.model_id)),
        }
    }

    /// Says whether this writer may change a trace: a job may, unless the trace was made in a run that is not the job's.
    pub(crate) fn trace(&self, tx: &mut Tx<'_>, trace: &TraceRow) -> Result<()> {
        if self.job.is_none() {
            return Ok(());
        }
        match traces::metadata(tx, trace.trace_no, META_SOURCE_RUN)? {
            Some(run_id) => self.unlocked(tx, &run_id).map(drop),
            None => Ok(()),
        }
    }

    /// Says whether this writer may change an issue: a job may when one of its runs found it.
    pub(crate) fn issue(&self, tx: &mut Tx<'_>, issue: &Issue) -> Result<()> {
        match (&self.job, &issue.text.source_run_id) {
            (None, _) => Ok(()),
            (Some(_), Some(run_id)) => self.unlocked(tx, run_id).map(drop),
            (Some(job), None) => Err(foreign(job, &issue.issue_id)),
        }
    }

    /// Says whether this writer may write below a path of the artifact proxy that names no run of the server's own layout.
    /// For a job one of its runs or their logged models must have its files there, as the experiment's location says.
    pub(crate) fn folder(&self, tx: &mut Tx<'_>, path: &str) -> Result<()> {
        let Some(job) = &self.job else { return Ok(()) };
        let steps: Vec<&str> = path.split('/').collect();
        for end in 1..steps.len() {
            if steps[end] != "artifacts" {
                continue;
            }
            let (owner, root) = (steps[end - 1], steps[..=end].join("/"));
            let home = match logged_models::find(tx, &self.workspace_id, owner)? {
                Some(model) => self
                    .logged_model(tx, &model)
                    .map(|()| Some(model.artifact_location)),
                None => self.unlocked(tx, owner).and_then(|_| {
                    Ok(runs::info(tx, &self.workspace_id, owner)?.map(|info| info.artifact_uri))
                }),
            };
            if let Ok(Some(home)) = home
                && proxied_path(&home).as_deref() == Some(&root)
            {
                return Ok(());
            }
        }
        Err(foreign(job, path))
    }
}

fn foreign(job: &str, what: &str) -> Error {
    Error::new(
        ErrorCode::PermissionDenied,
        format!("the job `{job}` may write to its own run and the runs below it, not to `{what}`"),
    )
}

/// Whether a run is below another, by the tags that name parents.
fn is_below(tx: &mut Tx<'_>, workspace_id: &str, run: &RunRef, ancestor: &str) -> Result<bool> {
    let mut current = run.clone();
    for _ in 0..16 {
        let Some(parent) = run_tags::get(tx, &current, TAG_PARENT_RUN)? else {
            return Ok(false);
        };
        if parent == ancestor {
            return Ok(true);
        }
        match runs::find(tx, workspace_id, &parent, false)? {
            Some(next) => current = next,
            None => return Ok(false),
        }
    }
    Ok(false)
}
