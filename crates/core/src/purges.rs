//! Removing for good what was deleted: runs, logged models, experiments, with their files. Deleting is soft everywhere else;
//! this is the step that frees the space and cannot be undone.
//!
//! Files go first, rows after them: what a crash leaves is a deleted run with fewer files, which the next purge finishes.
//! Each thing removed has an audit record of its own.

use std::time::Duration;

use lazuli_blob::BlobKey;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::{Action, Timestamp};
use lazuli_store::purges;

use crate::models::proxied_path;
use crate::{Access, Caller, Core, Error, Result};

pub use lazuli_store::purges::{Dead, DeadKind};

/// Things removed by one request: it should not take minutes.
const AT_ONCE: i64 = 200;
/// Things listed by a dry run.
const LISTED: i64 = 10_000;
/// Traces removed in one transaction.
const TRACES: i64 = 500;

/// What a purge did, or would do.
#[derive(Clone, Debug, Default)]
pub struct Purged {
    /// What is gone, or would be.
    pub items: Vec<Dead>,
    /// Whether there is more: ask again.
    pub more: bool,
}

impl Core {
    /// Removes what was deleted at least `older_than` ago, up to 200 things; with `dry_run`, only says what would go.
    pub async fn purge(
        &self,
        caller: &Caller,
        workspace: &str,
        older_than: Duration,
        dry_run: bool,
    ) -> Result<Purged> {
        let access = self
            .access(caller, workspace, Action::TrackingPurge)
            .await?;
        let micros = i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX);
        let until = Timestamp(self.now().0.saturating_sub(micros));
        let limit = if dry_run { LISTED } else { AT_ONCE };
        let workspace_id = access.workspace_id().to_owned();
        let mut found = access
            .read(move |tx| Ok(purges::list(tx, &workspace_id, until, limit + 1)?))
            .await?;
        let more = found.len() as i64 > limit;
        found.truncate(limit as usize);
        let mut items = Vec::with_capacity(found.len());
        for dead in found {
            if dry_run || remove(&access, until, &dead).await? {
                items.push(dead);
            }
        }
        // nothing of a full list could go: asking again would find the same
        let more = more && !items.is_empty();
        Ok(Purged { items, more })
    }
}

/// Removes one thing, unless it came back to life in the meantime or something in it has to stay.
async fn remove(access: &Access, until: Timestamp, dead: &Dead) -> Result<bool> {
    let (workspace_id, wanted) = (access.workspace_id().to_owned(), dead.clone());
    let still = access
        .read(move |tx| Ok(purges::is_dead(tx, &workspace_id, until, &wanted)?))
        .await?;
    if !still {
        return Ok(false);
    }
    remove_files(access, dead).await?;
    if dead.kind == DeadKind::Experiment {
        remove_traces(access, dead).await?;
    }
    let (workspace_id, wanted) = (access.workspace_id().to_owned(), dead.clone());
    access
        .write(target(dead), move |tx, change| {
            let dead = purges::is_dead(tx, &workspace_id, until, &wanted)?;
            if dead {
                purges::remove(tx, &workspace_id, &wanted)?;
            } else {
                change.nothing();
            }
            Ok(dead)
        })
        .await
}

/// The files, where they are this server's own.
async fn remove_files(access: &Access, dead: &Dead) -> Result<()> {
    let Some(path) = proxied_path(&dead.location) else {
        return Ok(());
    };
    // a run's and a model's files lie in the folder `artifacts` of a folder of their own
    let folder = match dead.kind {
        DeadKind::Experiment => path.as_str(),
        DeadKind::Run | DeadKind::LoggedModel => {
            path.strip_suffix("/artifacts").unwrap_or(path.as_str())
        }
    };
    if !names(folder, dead) {
        return Ok(());
    }
    let key = BlobKey::proxied(access.workspace_id(), folder)
        .map_err(|cause| Error::invalid("path", "Invalid path").caused_by(cause))?;
    access.blobs().delete_prefix(&key).await?;
    Ok(())
}

/// Whether the folder is the thing's own: a location that a client chose may lie anywhere, also around other things.
fn names(folder: &str, dead: &Dead) -> bool {
    let mut parts = folder.trim_matches('/').split('/');
    match dead.kind {
        DeadKind::Experiment => parts.eq([dead.id.as_str()]),
        DeadKind::Run | DeadKind::LoggedModel => parts.next_back() == Some(dead.id.as_str()),
    }
}

async fn remove_traces(access: &Access, dead: &Dead) -> Result<()> {
    let Ok(id) = dead.id.parse().map(ExperimentId) else {
        return Ok(());
    };
    loop {
        let workspace_id = access.workspace_id().to_owned();
        let removed = access
            .write(format!("{}/traces", target(dead)), move |tx, change| {
                let removed = purges::remove_some_traces(tx, &workspace_id, id, TRACES)?;
                if removed == 0 {
                    change.nothing();
                }
                Ok(removed)
            })
            .await?;
        if removed == 0 {
            return Ok(());
        }
    }
}

fn target(dead: &Dead) -> String {
    let folder = match dead.kind {
        DeadKind::Run => "runs",
        DeadKind::LoggedModel => "logged-models",
        DeadKind::Experiment => "experiments",
    };
    format!("{folder}/{}", dead.id)
}
