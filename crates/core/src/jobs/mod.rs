//! Jobs: submitted, watched, changed, canceled, deleted. A job is a run with a specification; its name is the run's id.
//!
//! - `submit`: everything is looked up and checked before anything is written; one transaction makes run and job.
//! - `resolve`: what the references of a job mean.
//! - `progress`: the scheduler's rules on rows. - `runner`: what a job's own runner may ask and tell.
//! - `logs`: live logs, and the artifacts they become.

pub(crate) mod live;
pub mod logs;
pub(crate) mod progress;
mod registration;
mod resolve;
mod resolve_content;
mod resolve_environment;
mod runner;
mod submit;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lazuli_spec::jobs::JobState;
use lazuli_spec::{Action, ErrorCode, Page, PageRequest, Timestamp};
use lazuli_store::jobs;
pub use lazuli_store::jobs::{InputRow, JobFilter, JobRow, LogRow, Order, OutputRow};
use lazuli_store::runs;

use crate::scheduler::job::Happening;
use crate::{Caller, Core, Error, Result};

/// A job with what it reads and makes.
#[derive(Debug, Clone)]
pub struct JobDetails {
    /// Its row.
    pub job: JobRow,
    /// What it reads.
    pub inputs: Vec<InputRow>,
    /// What it makes.
    pub outputs: Vec<OutputRow>,
    /// When this was read: open phases are measured up to here.
    pub now: Timestamp,
}

/// What of a job is to change; an absent part stays.
#[derive(Debug, Clone, Default)]
pub struct JobChange {
    /// The name shown to people.
    pub display_name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// They replace the ones there are.
    pub tags: Option<BTreeMap<String, String>>,
    /// They replace the ones there are.
    pub properties: Option<BTreeMap<String, String>>,
}

impl Core {
    /// One job.
    pub async fn get_job(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<JobDetails> {
        let access = self.access(caller, workspace, Action::JobsRead).await?;
        let (workspace_id, name, now) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            access.now(),
        );
        access
            .read(move |tx| {
                let job = find(tx, &workspace_id, &name)?;
                details(tx, job, now)
            })
            .await
    }

    /// A page of jobs.
    pub async fn list_jobs(
        &self,
        caller: &Caller,
        workspace: &str,
        filter: JobFilter,
        order: Order,
        page: PageRequest,
    ) -> Result<Page<JobDetails>> {
        let access = self.access(caller, workspace, Action::JobsRead).await?;
        let limit = page.limit_or(100, 1_000);
        let after = page.page_token.as_deref().map(read_place).transpose()?;
        let (workspace_id, now) = (access.workspace_id().to_owned(), access.now());
        let rows = access
            .read(move |tx| {
                let rows =
                    jobs::list(tx, &workspace_id, &filter, order, after.as_ref(), limit + 1)?;
                rows.into_iter()
                    .map(|job| details(tx, job, now))
                    .collect::<Result<Vec<_>>>()
            })
            .await?;
        Ok(Page::from_rows(rows, limit, |details| {
            format!("{}.{}", details.job.created_at.0, details.job.name)
        }))
    }

    /// Asks a job to end. One that waits ends at once; one that has ended is a conflict.
    pub async fn cancel_job(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<JobDetails> {
        let access = self.access(caller, workspace, Action::JobsCancel).await?;
        let (workspace_id, wanted) = (access.workspace_id().to_owned(), name.to_owned());
        let state = access
            .read(move |tx| Ok(find(tx, &workspace_id, &wanted)?.progress.state))
            .await?;
        if state.is_terminal() && state != JobState::Canceled {
            return Err(Error::conflict(format!(
                "the job `{name}` has ended already: it is {state}"
            )));
        }
        self.advance_job(
            &access,
            access.workspace_id(),
            name,
            Happening::CancelRequested,
        )
        .await?;
        let (workspace_id, name, now) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            access.now(),
        );
        access
            .read(move |tx| {
                let job = find(tx, &workspace_id, &name)?;
                details(tx, job, now)
            })
            .await
    }

    /// Changes what people wrote on a job. `if_match` is the revision the caller read.
    pub async fn update_job(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        change: JobChange,
        if_match: Option<i64>,
    ) -> Result<JobDetails> {
        check_change(&change)?;
        self.change_job(caller, workspace, name, if_match, move |job| {
            job.display_name = change
                .display_name
                .unwrap_or_else(|| std::mem::take(&mut job.display_name));
            job.description = change
                .description
                .unwrap_or_else(|| std::mem::take(&mut job.description));
            job.tags = change.tags.unwrap_or_else(|| std::mem::take(&mut job.tags));
            job.properties = change
                .properties
                .unwrap_or_else(|| std::mem::take(&mut job.properties));
        })
        .await
    }

    /// Leaves a job out of lists, or takes it back in.
    pub async fn archive_job(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        archived: bool,
    ) -> Result<JobDetails> {
        self.change_job(caller, workspace, name, None, move |job| {
            job.archived = archived;
        })
        .await
    }

    async fn change_job(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        if_match: Option<i64>,
        edit: impl FnOnce(&mut JobRow) + Send + 'static,
    ) -> Result<JobDetails> {
        let access = self.access(caller, workspace, Action::JobsWrite).await?;
        let (workspace_id, wanted) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("jobs/{name}"), move |tx, change| {
                let mut job = find(tx, &workspace_id, &wanted)?;
                if if_match.is_some_and(|revision| revision != job.revision) {
                    return Err(Error::new(
                        ErrorCode::PreconditionFailed,
                        "the job has changed since it was read; read it again",
                    ));
                }
                let before = job.clone();
                edit(&mut job);
                if job == before {
                    change.nothing();
                    return details(tx, job, change.now());
                }
                job.revision += 1;
                job.modified_at = change.now();
                jobs::update_metadata(tx, &job)?;
                show_in_run(tx, &before, &job)?;
                details(tx, job, change.now())
            })
            .await
    }

    /// Deletes a job that has ended, with its logs; its run goes with it, its artifacts and outputs when the run is purged.
    pub async fn delete_job(&self, caller: &Caller, workspace: &str, name: &str) -> Result<()> {
        let access = self.access(caller, workspace, Action::JobsDelete).await?;
        let (workspace_id, wanted) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("jobs/{name}"), move |tx, change| {
                let job = find(tx, &workspace_id, &wanted)?;
                if !job.progress.state.is_terminal() {
                    let words = format!(
                        "the job `{wanted}` is {}; only a job that has ended can be deleted",
                        job.progress.state
                    );
                    return Err(Error::conflict(words).hint("cancel it first"));
                }
                jobs::delete(tx, &workspace_id, &wanted)?;
                if let Some(run) = runs::find(tx, &workspace_id, &wanted, true)? {
                    runs::set_lifecycle(
                        tx,
                        &run,
                        lazuli_spec::experiments::Lifecycle::Deleted,
                        change.now(),
                    )?;
                }
                Ok(())
            })
            .await
    }
}

/// The job of that name, or the error that there is none.
pub(crate) fn find(
    tx: &mut lazuli_store::Tx<'_>,
    workspace_id: &str,
    name: &str,
) -> Result<JobRow> {
    jobs::find(tx, workspace_id, name)?.ok_or_else(|| Error::not_found("job", name))
}

fn details(tx: &mut lazuli_store::Tx<'_>, job: JobRow, now: Timestamp) -> Result<JobDetails> {
    let inputs = jobs::inputs(tx, &job.workspace_id, &job.name)?;
    let outputs = jobs::outputs(tx, &job.workspace_id, &job.name)?;
    Ok(JobDetails {
        job,
        inputs,
        outputs,
        now,
    })
}

/// The run shows the job's name and tags.
fn show_in_run(tx: &mut lazuli_store::Tx<'_>, before: &JobRow, after: &JobRow) -> Result<()> {
    let Some(run) = runs::find(tx, &after.workspace_id, &after.name, true)? else {
        return Ok(());
    };
    if before.display_name != after.display_name {
        runs::update(tx, &run, None, None, Some(&after.display_name))?;
    }
    for (key, value) in &after.tags {
        if before.tags.get(key) != Some(value) {
            lazuli_store::run_tags::set(tx, &run, &[lazuli_spec::runs::KeyValue::new(key, value)])?;
        }
    }
    for key in before
        .tags
        .keys()
        .filter(|key| !after.tags.contains_key(*key))
    {
        lazuli_store::run_tags::delete(tx, &run, key)?;
    }
    Ok(())
}

fn check_change(change: &JobChange) -> Result<()> {
    let texts = [
        ("display_name", &change.display_name, 255),
        ("description", &change.description, 5_000),
    ];
    for (field, text, most) in texts {
        if text
            .as_ref()
            .is_some_and(|text| text.chars().count() > most || text.contains('\0'))
        {
            return Err(Error::invalid(
                field,
                format!("the text has more than {most} characters or a NUL character"),
            ));
        }
    }
    for (field, entries) in [("tags", &change.tags), ("properties", &change.properties)] {
        for (key, value) in entries.iter().flatten() {
            if key.is_empty()
                || key.len() > 250
                || value.len() > 5_000
                || key.contains('\0')
                || value.contains('\0')
            {
                return Err(Error::invalid(
                    field,
                    "keys have 1 to 250 bytes, values at most 5000, none a NUL character",
                ));
            }
        }
    }
    Ok(())
}

/// A place in a list: the moment of submission and the name of the last job shown.
fn read_place(token: &str) -> Result<(Timestamp, String)> {
    let parts = token
        .split_once('.')
        .and_then(|(at, name)| Some((Timestamp(at.parse().ok()?), name.to_owned())));
    parts.ok_or_else(|| {
        Error::invalid(
            "page_token",
            "this is not a page token of this list; send the one that was answered",
        )
    })
}
