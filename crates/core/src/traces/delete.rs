//! Deleting traces, with their spans, assessments and files.

use futures::StreamExt;
use lazuli_blob::BlobKey;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::traces::{self, Removed, Selection};

use super::numbers;
use crate::models::proxied_path;
use crate::{Access, Caller, Core, Error, Result};

/// Traces deleted in one transaction.
const AT_ONCE: i64 = 500;
/// Folders emptied at the same time.
const FOLDERS: usize = 16;

/// Which traces to delete.
#[derive(Clone, Debug)]
pub struct DeleteTraces {
    /// Of this experiment.
    pub experiment_id: ExperimentId,
    /// Those whose request came then or before, milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// At most so many, the oldest.
    pub most: Option<i64>,
    /// These.
    pub trace_ids: Vec<String>,
}

impl Core {
    /// Deletes traces and says how many. It goes in steps: what was deleted stays deleted if a later step fails.
    pub async fn delete_traces(
        &self,
        caller: &Caller,
        workspace: &str,
        wanted: DeleteTraces,
    ) -> Result<u64> {
        check(&wanted)?;
        let access = self.access(caller, workspace, Action::TracesDelete).await?;
        let mut left = wanted.most.unwrap_or(i64::MAX);
        let mut deleted = 0;
        while left > 0 {
            let (removed, location) = delete_some(&access, &wanted, left.min(AT_ONCE)).await?;
            let Some(location) = location.filter(|_| !removed.is_empty()) else {
                break;
            };
            let count = removed.len();
            delete_files(&access, &location, removed).await?;
            deleted += count as u64;
            left -= count as i64;
        }
        Ok(deleted)
    }
}

fn check(wanted: &DeleteTraces) -> Result<()> {
    let refused = |message: String| Err(Error::new(ErrorCode::InvalidArgument, message));
    match (wanted.until_ms, wanted.trace_ids.is_empty(), wanted.most) {
        (None, true, _) => {
            refused("Either `max_timestamp_millis` or `trace_ids` must be specified.".to_owned())
        }
        (Some(_), false, _) => refused(
            "Only one of `max_timestamp_millis` and `trace_ids` can be specified.".to_owned(),
        ),
        (_, false, Some(_)) => {
            refused("`max_traces` can't be specified if `trace_ids` is specified.".to_owned())
        }
        (_, _, Some(most)) if most <= 0 => refused(format!(
            "`max_traces` must be a positive integer, received {most}."
        )),
        _ if wanted.trace_ids.len() > super::MOST => refused(format!(
            "at most {} traces can be deleted by id at once",
            super::MOST
        )),
        _ => Ok(()),
    }
}

/// Deletes the rows of up to `limit` traces; says which, and where their experiment's files are.
async fn delete_some(
    access: &Access,
    wanted: &DeleteTraces,
    limit: i64,
) -> Result<(Vec<Removed>, Option<String>)> {
    let (workspace_id, id) = (access.workspace_id().to_owned(), wanted.experiment_id);
    let mut selection = Selection {
        experiment_no: 0,
        until_ms: wanted.until_ms,
        most: None,
        trace_ids: (!wanted.trace_ids.is_empty()).then(|| wanted.trace_ids.clone()),
    };
    access
        .write(format!("experiments/{id}/traces"), move |tx, change| {
            let found = numbers(tx, &workspace_id, &[id])?;
            let Some(experiment_no) = found.first() else {
                change.nothing();
                return Ok((Vec::new(), None));
            };
            selection.experiment_no = *experiment_no;
            let removed = traces::select(tx, &selection, limit)?;
            if removed.is_empty() {
                change.nothing();
                return Ok((removed, None));
            }
            let numbers: Vec<i64> = removed.iter().map(|trace| trace.trace_no).collect();
            traces::remove(tx, &numbers)?;
            change.body(serde_json::json!({ "deleted": removed.len() }).to_string());
            let experiment = lazuli_store::experiments::find(tx, &workspace_id, id)?;
            Ok((
                removed,
                experiment.map(|row| row.experiment.artifact_location),
            ))
        })
        .await
}

/// Removes the files of traces that are no more, if they are on this server.
async fn delete_files(access: &Access, location: &str, removed: Vec<Removed>) -> Result<()> {
    let Some(root) = proxied_path(location) else {
        return Ok(());
    };
    let folders = removed.into_iter().filter_map(|trace| {
        let path = format!("{root}/traces/{}", trace.trace_id);
        BlobKey::proxied(access.workspace_id(), &path).ok()
    });
    let blobs = access.blobs();
    let mut emptied = futures::stream::iter(folders)
        .map(|folder| async move { blobs.delete_prefix(&folder).await })
        .buffer_unordered(FOLDERS);
    while let Some(one) = emptied.next().await {
        one?;
    }
    Ok(())
}
