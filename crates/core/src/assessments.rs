//! Assessments of traces. One that overrides another takes its place; when it is deleted, the other counts again.
//!
//! A job may assess any trace of its workspace, that is what evaluations do; what others have said of a trace of another run
//! it leaves alone.

use lazuli_spec::assessments::{Assessment, AssessmentUpdate};
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::traces::TraceRow;
use lazuli_store::{Tx, assessments, traces as rows};

use crate::experiments::not_found;
use crate::runs::Writer;
use crate::traces;
use crate::{Caller, Core, Error, Result};

impl Core {
    /// Adds an assessment to a trace. One without an id gets one, one without times gets the present one.
    pub async fn create_assessment(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        assessment: Assessment,
    ) -> Result<Assessment> {
        let assessment = self.completed(assessment)?;
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let (writer, trace_id) = (Writer::of(&access), trace_id.to_owned());
        access
            .log(move |tx| {
                let trace = traces::find(tx, &writer.workspace_id, &trace_id)?;
                if assessment.overrides.is_some() {
                    writer.trace(tx, &trace)?;
                }
                if let Some(overridden) = &assessment.overrides
                    && !assessments::set_valid(tx, trace.trace_no, overridden, false)?
                {
                    return Err(assessment_not_found(overridden, &trace_id));
                }
                if !assessments::insert(tx, trace.trace_no, &assessment)? {
                    let message = format!(
                        "Assessment with ID '{}' already exists for trace '{trace_id}'",
                        assessment.assessment_id
                    );
                    return Err(Error::new(ErrorCode::AlreadyExists, message));
                }
                Ok(assessment)
            })
            .await
    }

    /// An assessment as it may be kept: what its sender left out is filled in, and everything checked.
    pub fn completed(&self, mut assessment: Assessment) -> Result<Assessment> {
        if assessment.assessment_id.is_empty() {
            assessment.assessment_id = format!("a-{}", self.ids().uuid_hex());
        }
        let now = self.now().as_millis();
        for time in [&mut assessment.created_ms, &mut assessment.updated_ms] {
            if *time == 0 {
                *time = now;
            }
        }
        assessment.valid = true;
        Ok(assessment.checked()?)
    }

    /// One assessment.
    pub async fn get_assessment(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        assessment_id: &str,
    ) -> Result<Assessment> {
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        let (trace_id, assessment_id) = (trace_id.to_owned(), assessment_id.to_owned());
        access
            .read(move |tx| {
                let trace = existing_trace(tx, &workspace_id, &trace_id)?;
                assessments::find(tx, trace.trace_no, &assessment_id, false)?
                    .ok_or_else(|| assessment_not_found(&assessment_id, &trace_id))
            })
            .await
    }

    /// Changes an assessment.
    pub async fn update_assessment(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        assessment_id: &str,
        update: AssessmentUpdate,
    ) -> Result<Assessment> {
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let (writer, now) = (Writer::of(&access), self.now().as_millis());
        let (trace_id, assessment_id) = (trace_id.to_owned(), assessment_id.to_owned());
        access
            .log(move |tx| {
                let trace = existing_trace(tx, &writer.workspace_id, &trace_id)?;
                writer.trace(tx, &trace)?;
                let before = assessments::find(tx, trace.trace_no, &assessment_id, true)?
                    .ok_or_else(|| assessment_not_found(&assessment_id, &trace_id))?;
                let after = update.apply(before, now)?;
                assessments::put(tx, trace.trace_no, &after)?;
                Ok(after)
            })
            .await
    }

    /// Deletes an assessment; the one in whose place it stood counts again. Deleting what is not there is no error.
    pub async fn delete_assessment(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        assessment_id: &str,
    ) -> Result<()> {
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let writer = Writer::of(&access);
        let (trace_id, assessment_id) = (trace_id.to_owned(), assessment_id.to_owned());
        access
            .write(
                format!("{trace_id}/assessments/{assessment_id}"),
                move |tx, change| {
                    let trace = rows::find(tx, &writer.workspace_id, &trace_id, true)?;
                    let found = match &trace {
                        Some(trace) => assessments::find(tx, trace.trace_no, &assessment_id, true)?,
                        None => None,
                    };
                    let (Some(trace), Some(found)) = (trace, found) else {
                        change.nothing();
                        return Ok(());
                    };
                    writer.trace(tx, &trace)?;
                    assessments::delete(tx, trace.trace_no, &assessment_id)?;
                    if let Some(overridden) = found.overrides {
                        assessments::set_valid(tx, trace.trace_no, &overridden, true)?;
                    }
                    Ok(())
                },
            )
            .await
    }
}

/// The trace of an assessment that is there already, or should be.
fn existing_trace(tx: &mut Tx<'_>, workspace_id: &str, trace_id: &str) -> Result<TraceRow> {
    rows::find(tx, workspace_id, trace_id, false)?
        .ok_or_else(|| not_found(format!("Trace with request_id '{trace_id}' not found")))
}

fn assessment_not_found(assessment_id: &str, trace_id: &str) -> Error {
    not_found(format!(
        "Assessment with ID '{assessment_id}' not found for trace '{trace_id}'"
    ))
}
