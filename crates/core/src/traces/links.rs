//! Links from traces to runs and to versions of prompts.

use lazuli_spec::traces::validate_id;
use lazuli_spec::{Action, ErrorCode, limits};
use lazuli_store::traces;

use super::find;
use crate::runs::Writer;
use crate::{Caller, Core, Error, Result};

/// Most links in one request.
const MOST: usize = 100;

impl Core {
    /// Links traces to a run, which must be there; a trace may be still on its way.
    pub async fn link_traces_to_run(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_ids: Vec<String>,
        run_id: &str,
    ) -> Result<()> {
        if trace_ids.len() > MOST {
            let message = format!(
                "Cannot link more than {MOST} traces to a run in a single request. Provided {} traces.",
                trace_ids.len()
            );
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        trace_ids.iter().try_for_each(|id| validate_id(id))?;
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let (writer, run_id) = (Writer::of(&access), run_id.to_owned());
        access
            .log(move |tx| {
                writer.unlocked(tx, &run_id)?;
                Ok(traces::link_to_run(
                    tx,
                    &writer.workspace_id,
                    &trace_ids,
                    &run_id,
                )?)
            })
            .await
    }

    /// Links a trace to versions of prompts, each a name and a version.
    pub async fn link_prompts_to_trace(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        prompts: Vec<(String, String)>,
    ) -> Result<()> {
        if prompts.len() > MOST {
            let message = format!("at most {MOST} prompts can be linked in a single request");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        for (name, version) in &prompts {
            limits::length("name", limits::KEY, name)?;
            limits::length("version", limits::KEY, version)?;
        }
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let (writer, trace_id) = (Writer::of(&access), trace_id.to_owned());
        access
            .log(move |tx| {
                let row = find(tx, &writer.workspace_id, &trace_id)?;
                writer.trace(tx, &row)?;
                let prompts: Vec<String> = prompts
                    .into_iter()
                    .map(|(name, version)| format!("{name}/{version}"))
                    .collect();
                Ok(traces::link_prompts(tx, row.trace_no, &prompts)?)
            })
            .await
    }
}
