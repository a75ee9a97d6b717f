//! Spans: kept as they stream in, and read back with their traces.
//!
//! Spans and their trace come on two ways that do not wait for each other: a span may be the first that is heard of a trace, and
//! may come again. What the client itself says of a trace (its metadata then holds a mark) is not changed by spans.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use lazuli_spec::experiments::{ExperimentId, View};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::spans::summary::{Summary, summary};
use lazuli_spec::spans::{Received, Span, by_trace, total_cost, total_tokens};
use lazuli_spec::traces::{
    META_FINALIZED, META_USER, SPANS_IN_STORE, TAG_ARTIFACTS, TAG_SPANS_LOCATION, TraceInfo,
    TraceState,
};
use lazuli_spec::{Action, ErrorCode, Timestamp};
use lazuli_store::experiments::ExperimentRow;
use lazuli_store::spans::StoredSpan;
use lazuli_store::traces::TraceRow;
use lazuli_store::{Tx, experiments, spans, traces};

use crate::experiments::{find as find_experiment, must_be_active, not_found};
use crate::runs::Writer;
use crate::traces::{artifact_location, trace_not_found};
use crate::{Access, Caller, Core, Error, Result};

/// The metadata in which a client says how many spans there will be.
const META_SIZE: &str = "mlflow.trace.sizeStats";
/// Most traces in one request for whole traces.
const MOST_TRACES: usize = 1_000;
/// Most traces that spans of one request may belong to: each costs a few statements in the same transaction.
const MOST_TRACES_LOGGED: usize = 10_000;
/// Most bytes of spans in one answer: they are in memory while it is written, more than once.
const MOST_BYTES: u64 = 256 << 20;
/// How long a request waits for spans that are still on their way, and how long between two looks.
const PATIENCE: [u64; 6] = [50, 100, 250, 500, 1_000, 1_000];

/// A trace with all that belongs to it.
#[derive(Clone, Debug)]
pub struct WholeTrace {
    /// The trace.
    pub info: TraceInfo,
    /// Its spans: roots first, then by their beginning.
    pub spans: Vec<StoredSpan>,
}

/// What there is of a trace that was asked for.
enum Found {
    Whole(Box<WholeTrace>),
    /// Its client announced more spans than have come.
    Partial,
    /// Its spans are in a file.
    Elsewhere,
}

/// The spans of one trace, and what it learns from them.
struct Batch {
    trace_id: String,
    spans: Vec<Span>,
    summary: Summary,
}

impl Core {
    /// Keeps spans that came in one request: all of them, or none. Traces that are not there yet are made in the experiment.
    pub async fn log_spans(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment_id: ExperimentId,
        received: Vec<Received>,
        run_id: Option<String>,
    ) -> Result<()> {
        let access = self.access(caller, workspace, Action::TracesWrite).await?;
        let batches = batches(received)?;
        let (writer, now) = (Writer::of(&access), self.now());
        access
            .log(move |tx| {
                let mut place = Place {
                    writer,
                    experiment_id,
                    now,
                    experiment: None,
                };
                let mut ended = Vec::new();
                for batch in batches {
                    let has_root = batch.summary.state.is_some();
                    ended.extend(has_root.then(|| batch.trace_id.clone()));
                    place.keep(tx, batch)?;
                }
                place.link(tx, &ended, run_id.as_deref())
            })
            .await
    }

    /// One trace with its spans. Unless a part is enough, it waits a little for spans that were announced.
    pub async fn get_trace(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        allow_partial: bool,
    ) -> Result<WholeTrace> {
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let mut patience = PATIENCE.into_iter();
        loop {
            let ids = vec![trace_id.to_owned()];
            let found = whole_traces(&access, ids, None, allow_partial).await?.pop();
            match found {
                Some(Found::Whole(trace)) => return Ok(*trace),
                Some(Found::Partial) => {}
                Some(Found::Elsewhere) => {
                    return Err(not_found(
                        "Trace data not stored in tracking store".to_owned(),
                    ));
                }
                None => return Err(not_found(format!("Trace with ID {trace_id} is not found."))),
            }
            let Some(millis) = patience.next() else {
                return Err(not_found(format!(
                    "Trace with ID {trace_id} is not fully exported yet, please try again later."
                )));
            };
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    /// Those of the traces that are there with all their spans, in the order asked for; only in these experiments when some
    /// are named.
    pub async fn batch_get_traces(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_ids: Vec<String>,
        experiments: Option<Vec<ExperimentId>>,
    ) -> Result<Vec<WholeTrace>> {
        if trace_ids.len() > MOST_TRACES {
            let message = format!(
                "A request can name at most {MOST_TRACES} traces. Got {} traces.",
                trace_ids.len()
            );
            return Err(Error::invalid("trace_ids", message));
        }
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let found = whole_traces(&access, trace_ids, experiments, false).await?;
        let whole = found.into_iter().filter_map(|found| match found {
            Found::Whole(trace) if !trace.spans.is_empty() => Some(*trace),
            _ => None,
        });
        Ok(whole.collect())
    }

    /// The spans of a trace as clients keep them in a file; none when they are in one.
    pub async fn trace_data_json(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
    ) -> Result<Option<Vec<u8>>> {
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let ids = vec![trace_id.to_owned()];
        match whole_traces(&access, ids, None, true).await?.pop() {
            Some(Found::Whole(trace)) => {
                let spans: Vec<&str> = trace
                    .spans
                    .iter()
                    .map(|span| span.content.as_str())
                    .collect();
                Ok(Some(
                    format!("{{\"spans\": [{}]}}", spans.join(", ")).into_bytes(),
                ))
            }
            Some(_) => Ok(None),
            None => Err(trace_not_found(trace_id)),
        }
    }
}

/// Where spans go.
struct Place {
    writer: Writer,
    experiment_id: ExperimentId,
    now: Timestamp,
    experiment: Option<ExperimentRow>,
}

impl Place {
    fn keep(&mut self, tx: &mut Tx<'_>, batch: Batch) -> Result<()> {
        let (mut row, made) = self.trace(tx, &batch)?;
        spans::put(tx, row.trace_no, &batch.spans)?;
        let mut tags = vec![KeyValue::new(TAG_SPANS_LOCATION, SPANS_IN_STORE)];
        let finalized = !made && traces::metadata(tx, row.trace_no, META_FINALIZED)?.is_some();
        learn_totals(tx, &mut row, &batch.summary, finalized)?;
        if let Some(user) = &batch.summary.user
            && traces::metadata(tx, row.trace_no, META_USER)?.is_none()
        {
            let user = lazuli_spec::traces::clean_metadata(KeyValue::new(META_USER, user))?;
            traces::set_metadata(tx, &row, &[user])?;
        }
        tags.extend(learn(&mut row.info, batch.summary, finalized));
        traces::save(tx, &row)?;
        Ok(traces::set_tags(tx, &row, &tags)?)
    }

    /// The trace, locked, and whether it had to be made.
    fn trace(&mut self, tx: &mut Tx<'_>, batch: &Batch) -> Result<(TraceRow, bool)> {
        let workspace_id = self.writer.workspace_id.clone();
        if let Some(row) = traces::find(tx, &workspace_id, &batch.trace_id, true)? {
            self.writer.trace(tx, &row)?;
            return Ok((row, false));
        }
        let experiment = self.experiment(tx)?;
        let start_ms = batch.summary.start_ms;
        let mut info = TraceInfo::new(&batch.trace_id, self.experiment_id, start_ms);
        let files = artifact_location(&experiment.experiment, &batch.trace_id);
        info.put_tags([KeyValue::new(TAG_ARTIFACTS, files)]);
        info.state = TraceState::InProgress;
        let made = traces::insert(tx, &workspace_id, experiment.experiment_no, &info)?;
        let row = traces::find(tx, &workspace_id, &batch.trace_id, true)?;
        let row = row.ok_or_else(|| Error::internal("a trace is gone that was just made"))?;
        Ok((row, made.is_some()))
    }

    fn experiment(&mut self, tx: &mut Tx<'_>) -> Result<ExperimentRow> {
        if let Some(known) = &self.experiment {
            return Ok(known.clone());
        }
        let (workspace_id, id) = (self.writer.workspace_id.as_str(), self.experiment_id);
        if id == ExperimentId::DEFAULT {
            experiments::insert_default(tx, workspace_id, self.now)?;
        }
        let found = find_experiment(tx, workspace_id, id, View::All)?;
        must_be_active(&found)?;
        Ok(self.experiment.insert(found).clone())
    }

    /// Links traces whose root has come to the run that the sender names. A run that is not there, or not the sender's, is no
    /// reason to lose spans.
    fn link(&self, tx: &mut Tx<'_>, ended: &[String], run_id: Option<&str>) -> Result<()> {
        let Some(run_id) = run_id else { return Ok(()) };
        if !ended.is_empty() && self.writer.unlocked(tx, run_id).is_ok() {
            traces::link_to_run(tx, &self.writer.workspace_id, ended, run_id)?;
        }
        Ok(())
    }
}

/// By trace, in the order of their ids: transactions that lock several traces do so in one order.
fn batches(received: Vec<Received>) -> Result<Vec<Batch>> {
    let traces = by_trace(received);
    if traces.len() > MOST_TRACES_LOGGED {
        let message = format!(
            "A request can hold spans of at most {MOST_TRACES_LOGGED} traces. Got {} traces. Please split it up and try again.",
            traces.len()
        );
        return Err(Error::new(ErrorCode::PayloadTooLarge, message));
    }
    let mut batches = Vec::new();
    for (trace_id, received) in traces {
        // of a span that comes twice the last form counts
        let mut known = HashSet::new();
        let mut last: Vec<Received> = received.into_iter().rev().collect();
        last.retain(|received| known.insert(received.span.span_id.clone()));
        last.reverse();
        batches.push(Batch {
            summary: summary(&last)?,
            trace_id,
            spans: last.into_iter().map(|received| received.span).collect(),
        });
    }
    Ok(batches)
}

/// Tokens and cost are added up anew over all spans: parents and children may come in different requests.
fn learn_totals(
    tx: &mut Tx<'_>,
    row: &mut TraceRow,
    summary: &Summary,
    finalized: bool,
) -> Result<()> {
    let info = &mut row.info;
    if summary.says_tokens && (!finalized || info.tokens.is_empty()) {
        let total = total_tokens(&spans::tokens(tx, row.trace_no)?);
        info.tokens = info.tokens.overlaid(total.unwrap_or_default());
    }
    if summary.says_cost && (!finalized || info.cost.is_empty()) {
        let total = total_cost(&spans::cost(tx, row.trace_no)?);
        info.cost = info.cost.overlaid(total.unwrap_or_default());
    }
    Ok(())
}

/// What a trace learns from spans; returns the tags.
fn learn(info: &mut TraceInfo, summary: Summary, finalized: bool) -> Vec<KeyValue> {
    if !finalized {
        let before = info.execution_duration_ms;
        let ended = before.map(|duration| info.request_time_ms.saturating_add(duration));
        let end = ended.max(summary.end_ms);
        let start = info.request_time_ms.min(summary.start_ms);
        info.request_time_ms = start;
        info.execution_duration_ms = end.map(|end| end.saturating_sub(start));
    }
    if let Some(state) = summary.state.filter(|_| info.state.is_open()) {
        info.state = state;
    }
    let preview = |known: &mut Option<String>, new: &Option<String>| {
        if known.is_none() {
            known.clone_from(new);
        }
    };
    preview(&mut info.request_preview, &summary.request_preview);
    preview(&mut info.response_preview, &summary.response_preview);
    preview(&mut info.session_id, &summary.session_id);
    let (name, tags) = summary.split_tags();
    if name.is_some() {
        info.name = name;
    }
    tags
}

/// Traces with tags, metadata, assessments and spans: four queries and two for their spans, however many there are.
async fn whole_traces(
    access: &Access,
    trace_ids: Vec<String>,
    experiments: Option<Vec<ExperimentId>>,
    allow_partial: bool,
) -> Result<Vec<Found>> {
    let workspace_id = access.workspace_id().to_owned();
    access
        .read(move |tx| {
            let mut rows = traces::find_all(tx, &workspace_id, &trace_ids, experiments.as_deref())?;
            traces::complete(tx, &mut rows)?;
            let stored = rows.iter().filter(|row| is_stored(&row.info));
            let numbers: Vec<i64> = stored.map(|row| row.trace_no).collect();
            let bytes = spans::bytes(tx, &numbers)?;
            if bytes > MOST_BYTES {
                let message = format!(
                    "the spans of these traces come to {bytes} bytes; one answer holds {MOST_BYTES} at the most"
                );
                return Err(Error::new(ErrorCode::PayloadTooLarge, message)
                    .hint("ask for fewer traces at once"));
            }
            let mut spans = spans::of_traces(tx, &numbers)?;
            let found = rows
                .into_iter()
                .map(|row| found(row, &mut spans, allow_partial));
            Ok(found.collect())
        })
        .await
}

fn found(row: TraceRow, spans: &mut HashMap<i64, Vec<StoredSpan>>, allow_partial: bool) -> Found {
    if !is_stored(&row.info) {
        return Found::Elsewhere;
    }
    let spans = spans.remove(&row.trace_no).unwrap_or_default();
    if !allow_partial && spans.len() < announced(&row.info) {
        return Found::Partial;
    }
    Found::Whole(Box::new(WholeTrace {
        info: row.info,
        spans,
    }))
}

fn is_stored(info: &TraceInfo) -> bool {
    info.tag(TAG_SPANS_LOCATION) == Some(SPANS_IN_STORE)
}

/// How many spans the client said there are.
fn announced(info: &TraceInfo) -> usize {
    let size = info.meta(META_SIZE).unwrap_or_default();
    let size: serde_json::Value = serde_json::from_str(size).unwrap_or_default();
    let count = size.get("num_spans").and_then(serde_json::Value::as_u64);
    usize::try_from(count.unwrap_or(0)).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
