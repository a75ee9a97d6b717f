//! What runs stream in: metrics, parameters, tags, one by one or in batches; and reading a metric's history.
//!
//! The hot path of tracking: check, authorize, one write that shares its commit with others.

use lazuli_spec::Action;
use lazuli_spec::metrics::{Metric, Point};
use lazuli_spec::runs::{Batch, KeyValue, clean_param, clean_tag, validate_id};
use lazuli_store::run_params::Changed;
use lazuli_store::{Tx, Value, logged_models, metric_history, metrics, run_params, run_tags, runs};

use crate::experiments::not_found;
use crate::runs::{Writer, run_not_found};
use crate::tracking_pages::{read_place, write_place};
use crate::{Caller, Core, Error, Result};

/// A page of a metric's history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The points, by time, then step, then value.
    pub points: Vec<Point>,
    /// Where to go on.
    pub next_page_token: Option<String>,
}

/// A curve of one run.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The run.
    pub run_id: String,
    /// Its points.
    pub points: Vec<Point>,
}

impl Core {
    /// Logs one metric.
    pub async fn log_metric(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        metric: Metric,
    ) -> Result<()> {
        lazuli_spec::metrics::validate(&metric, "")?;
        let batch = Batch::of_metric(metric);
        self.log(caller, workspace, run_id, batch).await
    }

    /// Logs one parameter.
    pub async fn log_param(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        param: KeyValue,
    ) -> Result<()> {
        let param = clean_param(param, "")?;
        let batch = Batch::of_param(param);
        self.log(caller, workspace, run_id, batch).await
    }

    /// Sets one tag.
    pub async fn set_run_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        tag: KeyValue,
    ) -> Result<()> {
        let tag = clean_tag(tag, "")?;
        let batch = Batch::of_tag(tag);
        self.log(caller, workspace, run_id, batch).await
    }

    /// Logs several values, all or none.
    pub async fn log_batch(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        batch: Batch,
    ) -> Result<()> {
        validate_id(run_id)?;
        let batch = batch.clean()?;
        self.log(caller, workspace, run_id, batch).await
    }

    /// Removes a tag.
    pub async fn delete_run_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        key: &str,
    ) -> Result<()> {
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let (writer, run_id, key) = (Writer::of(&access), run_id.to_owned(), key.to_owned());
        access
            .log(move |tx| {
                let run = writer.active(tx, &run_id)?;
                if run_tags::delete(tx, &run, &key)? {
                    return Ok(());
                }
                Err(not_found(format!(
                    "No tag with name: {key} in run with id {run_id}"
                )))
            })
            .await
    }

    async fn log(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        batch: Batch,
    ) -> Result<()> {
        let only_metrics = batch.params.is_empty() && batch.tags.is_empty();
        let action = if only_metrics {
            Action::MetricsWrite
        } else {
            Action::RunsWrite
        };
        let access = self.access(caller, workspace, action).await?;
        let (writer, run_id) = (Writer::of(&access), run_id.to_owned());
        access
            .log(move |tx| log_batch_in(tx, &writer, &run_id, &batch))
            .await
    }

    /// A page of a metric's history; at most `limit` points.
    pub async fn metric_history(
        &self,
        caller: &Caller,
        workspace: &str,
        (run_id, key): (&str, &str),
        limit: u32,
        page_token: Option<&str>,
    ) -> Result<HistoryPage> {
        let query = vec!["history".to_owned(), run_id.to_owned(), key.to_owned()];
        let after = page_token
            .map(|token| read_place(&query, token))
            .transpose()?;
        let after = after.map(|values| to_point(&values)).transpose()?;
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        let (run_id, key) = (run_id.to_owned(), key.to_owned());
        let mut points = access
            .read(move |tx| {
                let run = runs::find(tx, &workspace_id, &run_id, false)?
                    .ok_or_else(|| run_not_found(&run_id))?;
                match metric_history::find(tx, run.run_no, &key)? {
                    Some(series) => Ok(metric_history::page(
                        tx,
                        series,
                        after,
                        i64::from(limit) + 1,
                    )?),
                    None => Ok(Vec::new()),
                }
            })
            .await?;
        let more = points.len() > limit as usize;
        points.truncate(limit as usize);
        let last = points.last().filter(|_| more);
        let next_page_token = last.map(|point| write_place(&query, &from_point(*point)));
        Ok(HistoryPage {
            points,
            next_page_token,
        })
    }

    /// The histories of one metric in several runs, by run id, at most `limit` points in all.
    pub async fn metric_histories(
        &self,
        caller: &Caller,
        workspace: &str,
        run_ids: Vec<String>,
        key: &str,
        limit: u32,
    ) -> Result<Vec<Curve>> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let (workspace_id, key) = (access.workspace_id().to_owned(), key.to_owned());
        access
            .read(move |tx| {
                let mut found = runs::numbers(tx, &workspace_id, &run_ids)?;
                found.sort_by(|a, b| a.1.cmp(&b.1));
                found.dedup();
                let mut left = i64::from(limit);
                let mut curves = Vec::new();
                for (run_no, run_id) in found {
                    let Some(series) = metric_history::find(tx, run_no, &key)? else {
                        continue;
                    };
                    let points = metric_history::page(tx, series, None, left)?;
                    left -= points.len() as i64;
                    curves.push(Curve { run_id, points });
                }
                Ok(curves)
            })
            .await
    }

    /// Curves of one metric in several runs for a chart, each thinned to `most` points, in the order of the ids given.
    pub async fn metric_curves(
        &self,
        caller: &Caller,
        workspace: &str,
        run_ids: Vec<String>,
        key: &str,
        most: u32,
        steps: Option<(i64, i64)>,
    ) -> Result<Vec<Curve>> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let (workspace_id, key) = (access.workspace_id().to_owned(), key.to_owned());
        access
            .read(move |tx| {
                let mut curves = Vec::with_capacity(run_ids.len());
                for run_id in run_ids {
                    // a run that is no more has no curve: charts of several runs are not refused for it
                    let run = runs::find(tx, &workspace_id, &run_id, false)?;
                    let series = match run {
                        Some(run) => metric_history::find(tx, run.run_no, &key)?,
                        None => None,
                    };
                    let points = match series {
                        Some(series) => {
                            metric_history::sample(tx, series, i64::from(most.max(1)), steps)?
                        }
                        None => Vec::new(),
                    };
                    curves.push(Curve { run_id, points });
                }
                Ok(curves)
            })
            .await
    }
}

/// Parameters first: they are what can be refused.
fn log_batch_in(tx: &mut Tx<'_>, writer: &Writer, run_id: &str, batch: &Batch) -> Result<()> {
    let run = writer.active(tx, run_id)?;
    if !batch.params.is_empty() {
        let changed = run_params::log(tx, &run, &batch.params)?;
        if !changed.is_empty() {
            return Err(params_changed(run_id, &changed, batch.params.len() == 1));
        }
    }
    if !batch.metrics.is_empty() {
        metrics::append(tx, &run, &batch.metrics)?;
        logged_models::log_metrics(tx, &writer.workspace_id, run_id, &batch.metrics)?;
    }
    if !batch.tags.is_empty() {
        run_tags::set(tx, &run, &batch.tags)?;
    }
    Ok(())
}

fn params_changed(run_id: &str, changed: &[Changed], single: bool) -> Error {
    let message = match changed {
        [one] if single => format!(
            "Changing param values is not allowed. Param with key='{}' was already logged with value='{}' for run ID='{run_id}'. Attempted logging new value '{}'.",
            one.key, one.old, one.new
        ),
        several => {
            let shown: Vec<String> = several
                .iter()
                .map(|c| {
                    format!(
                        "{{'key': '{}', 'old_value': '{}', 'new_value': '{}'}}",
                        c.key, c.old, c.new
                    )
                })
                .collect();
            format!(
                "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run_id}'.",
                shown.join(", ")
            )
        }
    };
    Error::new(lazuli_spec::ErrorCode::InvalidArgument, message)
}

fn from_point(point: Point) -> [Value; 4] {
    let (value, is_nan) = point.stored();
    [
        Value::Real(value),
        Value::from(is_nan),
        Value::Integer(point.timestamp_ms),
        Value::Integer(point.step),
    ]
}

fn to_point(values: &[Value]) -> Result<Point> {
    match values {
        [
            Value::Real(value),
            Value::Integer(is_nan),
            Value::Integer(timestamp_ms),
            Value::Integer(step),
        ] => Ok(Point::from_stored(
            *value,
            *is_nan == 1,
            *timestamp_ms,
            *step,
        )),
        _ => Err(Error::invalid(
            "page_token",
            "Invalid page token: it holds no place in the list",
        )),
    }
}
