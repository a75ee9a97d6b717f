//! Traces: what an application did for one request. A client tells a trace when it is over, its spans come by another way
//! (`spans.rs`), and neither waits for the other: whoever comes first makes the trace.

mod attachments;
mod delete;
mod links;
mod metrics;
mod search;
mod write;

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::traces::TraceInfo;
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::traces::{self, TraceRow};
use lazuli_store::{Tx, experiments};

use crate::experiments::not_found;
use crate::{Caller, Core, Error, Result};

pub use delete::DeleteTraces;
pub use metrics::{MetricsPoint, TraceMetrics};
pub use search::{Npmi, TraceQuery};
pub use write::EndTrace;
pub(crate) use write::artifact_location;

/// Most traces that can be asked for by id at once.
const MOST: usize = 10_000;

impl Core {
    /// A trace without its spans.
    pub async fn get_trace_info(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
    ) -> Result<TraceInfo> {
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let (workspace_id, trace_id) = (access.workspace_id().to_owned(), trace_id.to_owned());
        access
            .read(move |tx| Ok(load(tx, &workspace_id, &trace_id)?.info))
            .await
    }

    /// Several traces without their spans, in the order asked for: those that exist, and in these experiments if some are
    /// named.
    pub async fn get_trace_infos(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_ids: Vec<String>,
        experiments: Option<Vec<ExperimentId>>,
    ) -> Result<Vec<TraceInfo>> {
        if trace_ids.len() > MOST {
            let message = format!("at most {MOST} traces can be asked for at once");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| {
                let mut rows =
                    traces::find_all(tx, &workspace_id, &trace_ids, experiments.as_deref())?;
                traces::complete(tx, &mut rows)?;
                Ok(rows.into_iter().map(|row| row.info).collect())
            })
            .await
    }
}

/// The trace, whole but for its spans.
pub(crate) fn load(tx: &mut Tx<'_>, workspace_id: &str, trace_id: &str) -> Result<TraceRow> {
    traces::load(tx, workspace_id, trace_id)?.ok_or_else(|| trace_not_found(trace_id))
}

/// The trace's row, locked: for transactions that write.
pub(crate) fn find(tx: &mut Tx<'_>, workspace_id: &str, trace_id: &str) -> Result<TraceRow> {
    traces::find(tx, workspace_id, trace_id, true)?.ok_or_else(|| trace_not_found(trace_id))
}

pub(crate) fn trace_not_found(trace_id: &str) -> Error {
    not_found(format!("Trace with ID '{trace_id}' not found."))
}

/// The numbers of the experiments that exist.
fn numbers(tx: &mut Tx<'_>, workspace_id: &str, ids: &[ExperimentId]) -> Result<Vec<i64>> {
    Ok(experiments::numbers(tx, workspace_id, ids)?)
}

#[cfg(test)]
mod tests;
