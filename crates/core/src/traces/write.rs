//! What clients tell of a trace: its own values when it is over, and tags at any time.

use lazuli_spec::experiments::{Experiment, ExperimentId, View};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::traces::{
    self as rules, META_FINALIZED, PAIRS, PREVIEW, TAG_ARTIFACTS, TAG_NAME, TraceInfo, TraceState,
    clean_metadata,
};
use lazuli_spec::{Action, ErrorCode, limits};
use lazuli_store::experiments::ExperimentRow;
use lazuli_store::traces::{self, TraceRow};
use lazuli_store::{Tx, assessments};

use super::{find, load};
use crate::experiments::{find as find_experiment, must_be_active, not_found};
use crate::runs::Writer;
use crate::{Caller, Core, Error, Result};

/// What the former protocol tells at a trace's end.
#[derive(Clone, Debug)]
pub struct EndTrace {
    /// When it was over, milliseconds since 1970.
    pub end_ms: i64,
    /// How it ended.
    pub state: TraceState,
    /// Tags, over those that are there.
    pub tags: Vec<KeyValue>,
    /// Metadata, over that which is there.
    pub metadata: Vec<KeyValue>,
}

impl Core {
    /// Tells a trace. Of one that is there already, since spans came first or the client tries again, the values change and
    /// tags, metadata and assessments are added.
    pub async fn start_trace(
        &self,
        caller: &Caller,
        workspace: &str,
        told: TraceInfo,
    ) -> Result<TraceInfo> {
        rules::validate_id(&told.trace_id)?;
        let mut told = clean(told)?;
        told.put_metadata([KeyValue::new(META_FINALIZED, "true")]);
        self.put_trace(caller, workspace, told).await
    }

    /// Begins a trace in the former protocol, in which the server makes up the id.
    pub async fn begin_trace(
        &self,
        caller: &Caller,
        workspace: &str,
        mut told: TraceInfo,
    ) -> Result<TraceInfo> {
        told.trace_id = self.ids().uuid_hex();
        told.state = TraceState::InProgress;
        self.put_trace(caller, workspace, clean(told)?).await
    }

    async fn put_trace(
        &self,
        caller: &Caller,
        workspace: &str,
        told: TraceInfo,
    ) -> Result<TraceInfo> {
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let (writer, now) = (Writer::of(&access), self.now());
        access
            .log(move |tx| {
                if told.experiment_id == ExperimentId::DEFAULT {
                    lazuli_store::experiments::insert_default(tx, &writer.workspace_id, now)?;
                }
                let experiment =
                    find_experiment(tx, &writer.workspace_id, told.experiment_id, View::All)?;
                must_be_active(&experiment)?;
                put(tx, &writer, &experiment, told)
            })
            .await
    }

    /// Ends a trace in the former protocol.
    pub async fn end_trace(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        end: EndTrace,
    ) -> Result<TraceInfo> {
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let (writer, trace_id) = (Writer::of(&access), trace_id.to_owned());
        access
            .log(move |tx| {
                let mut row = find(tx, &writer.workspace_id, &trace_id)?;
                writer.trace(tx, &row)?;
                let mut told =
                    TraceInfo::new(&trace_id, row.info.experiment_id, row.info.request_time_ms);
                told.put_tags(end.tags);
                told.put_metadata(end.metadata);
                let told = clean(told)?;
                row.info.execution_duration_ms =
                    Some(end.end_ms.saturating_sub(row.info.request_time_ms));
                row.info.state = end.state;
                overlay(&mut row.info, &told);
                traces::save(tx, &row)?;
                add_values(tx, &row, &told)?;
                Ok(load(tx, &writer.workspace_id, &trace_id)?.info)
            })
            .await
    }

    /// Sets a tag; the name is one to clients.
    pub async fn set_trace_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        tag: KeyValue,
    ) -> Result<()> {
        let tag = rules::clean_tag(tag)?;
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let (writer, trace_id) = (Writer::of(&access), trace_id.to_owned());
        access
            .log(move |tx| {
                let mut row = find(tx, &writer.workspace_id, &trace_id)?;
                writer.trace(tx, &row)?;
                if tag.key == TAG_NAME {
                    row.info.name = Some(tag.value);
                    return Ok(traces::save(tx, &row)?);
                }
                Ok(traces::set_tags(tx, &row, &[tag])?)
            })
            .await
    }

    /// Removes a tag.
    pub async fn delete_trace_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        key: &str,
    ) -> Result<()> {
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let writer = Writer::of(&access);
        let (trace_id, key) = (trace_id.to_owned(), key.to_owned());
        access
            .log(move |tx| {
                let mut row = find(tx, &writer.workspace_id, &trace_id)?;
                writer.trace(tx, &row)?;
                let there = if key == TAG_NAME {
                    let name = row.info.name.take();
                    traces::save(tx, &row)?;
                    name.is_some()
                } else {
                    traces::delete_tag(tx, row.trace_no, &key)?
                };
                if there {
                    return Ok(());
                }
                let message =
                    format!("No trace tag with key '{key}' for trace with ID '{trace_id}'");
                Err(not_found(message))
            })
            .await
    }
}

/// Adds the trace, or puts what is told over the one that is there.
fn put(
    tx: &mut Tx<'_>,
    writer: &Writer,
    experiment: &ExperimentRow,
    mut told: TraceInfo,
) -> Result<TraceInfo> {
    let location = artifact_location(&experiment.experiment, &told.trace_id);
    told.put_tags([KeyValue::new(TAG_ARTIFACTS, location)]);
    let workspace_id = writer.workspace_id.as_str();
    let added = traces::insert(tx, workspace_id, experiment.experiment_no, &told)?;
    let trace_no = match added {
        Some(trace_no) => trace_no,
        None => put_over(tx, writer, experiment.experiment_no, &told)?,
    };
    for assessment in &told.assessments {
        assessments::put(tx, trace_no, assessment)?;
    }
    Ok(load(tx, workspace_id, &told.trace_id)?.info)
}

fn put_over(tx: &mut Tx<'_>, writer: &Writer, experiment_no: i64, told: &TraceInfo) -> Result<i64> {
    let mut row = find(tx, &writer.workspace_id, &told.trace_id)?;
    writer.trace(tx, &row)?;
    let moved = row.experiment_no != experiment_no;
    row.experiment_no = experiment_no;
    let info = &mut row.info;
    info.experiment_id = told.experiment_id;
    info.request_time_ms = told.request_time_ms;
    info.execution_duration_ms = told.execution_duration_ms;
    info.state = told.state;
    info.client_request_id.clone_from(&told.client_request_id);
    overlay(info, told);
    traces::save(tx, &row)?;
    if moved {
        traces::move_values(tx, &row)?;
    }
    add_values(tx, &row, told)?;
    Ok(row.trace_no)
}

/// Puts what is told of the values that may be left untold over those that are there.
fn overlay(info: &mut TraceInfo, told: &TraceInfo) {
    let over = |old: &mut Option<String>, new: &Option<String>| {
        if new.is_some() {
            old.clone_from(new);
        }
    };
    over(&mut info.name, &told.name);
    over(&mut info.session_id, &told.session_id);
    over(&mut info.request_preview, &told.request_preview);
    over(&mut info.response_preview, &told.response_preview);
    info.tokens = info.tokens.overlaid(told.tokens);
    info.cost = info.cost.overlaid(told.cost);
}

fn add_values(tx: &mut Tx<'_>, row: &TraceRow, told: &TraceInfo) -> Result<()> {
    traces::set_tags(tx, row, &told.tags)?;
    Ok(traces::set_metadata(tx, row, &told.metadata)?)
}

/// Checks what a client tells, and cuts what is too long where the protocol's servers do.
fn clean(mut told: TraceInfo) -> Result<TraceInfo> {
    for (what, count) in [("tags", told.tags.len()), ("metadata", told.metadata.len())] {
        if count > PAIRS {
            let message = format!("a trace has at most {PAIRS} {what}, this one has {count}");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
    }
    let name = told.name.as_deref().unwrap_or_default();
    limits::length("Trace name", rules::TAG_VALUE_SHOWN, name)?;
    let session = told.session_id.as_deref().unwrap_or_default();
    limits::length("Session ID", rules::META_SHOWN, session)?;
    let client_id = told.client_request_id.as_deref().unwrap_or_default();
    limits::length("client_request_id", limits::KEY, client_id)?;
    let cut = |preview: Option<String>| preview.map(|text| limits::cut(text, PREVIEW));
    told.request_preview = cut(told.request_preview);
    told.response_preview = cut(told.response_preview);
    // the rules of keys are the same for both; those of tags that are set later are stricter
    told.tags = each(told.tags)?;
    told.metadata = each(told.metadata)?;
    Ok(told)
}

fn each(pairs: Vec<KeyValue>) -> Result<Vec<KeyValue>> {
    let clean = pairs
        .into_iter()
        .map(clean_metadata)
        .collect::<std::result::Result<_, _>>();
    Ok(clean?)
}

/// Where a trace's files are.
pub(crate) fn artifact_location(experiment: &Experiment, trace_id: &str) -> String {
    let location = experiment.artifact_location.as_str();
    let (path, query) = location
        .split_once('?')
        .map_or((location, None), |(path, query)| (path, Some(query)));
    let root = format!("{}/traces/{trace_id}/artifacts", path.trim_end_matches('/'));
    query.map_or(root.clone(), |query| format!("{root}?{query}"))
}
