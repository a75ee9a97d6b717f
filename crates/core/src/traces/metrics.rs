//! Numbers for charts over traces, spans and assessments.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::trace_metrics::parse_metrics_filter;
use lazuli_spec::trace_metrics::{Aggregation, MetricsView, check};
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::trace_metrics::{self, MetricsQuery};

use super::numbers;
use crate::{Caller, Core, Error, Result};

pub use lazuli_store::trace_metrics::MetricsPoint;

/// Most points in one answer.
const POINTS: u32 = 10_000;
/// Most filters in one question.
const FILTERS: usize = 20;

/// A question as a client words it.
#[derive(Clone, Debug)]
pub struct TraceMetrics {
    /// The experiments to look in; those that do not exist have nothing.
    pub experiments: Vec<ExperimentId>,
    /// Numbers of what.
    pub view: MetricsView,
    /// Which number.
    pub metric: String,
    /// How it is put together.
    pub aggregations: Vec<Aggregation>,
    /// What it is grouped by.
    pub dimensions: Vec<String>,
    /// What it is limited to.
    pub filters: Vec<String>,
    /// Grouped by spans of time of so many seconds as well.
    pub interval_seconds: Option<i64>,
    /// Not before this, milliseconds since 1970.
    pub start_ms: Option<i64>,
    /// Not after this.
    pub end_ms: Option<i64>,
    /// How many points at most.
    pub limit: Option<i64>,
}

impl Core {
    /// The points of a chart, by time and then by what they are grouped by.
    pub async fn query_trace_metrics(
        &self,
        caller: &Caller,
        workspace: &str,
        asked: TraceMetrics,
    ) -> Result<Vec<MetricsPoint>> {
        let ids = asked.experiments.clone();
        let mut query = checked(asked)?;
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| {
                query.experiments = numbers(tx, &workspace_id, &ids)?;
                Ok(trace_metrics::query(tx, &query)?)
            })
            .await
    }
}

fn checked(asked: TraceMetrics) -> Result<MetricsQuery> {
    check(
        asked.view,
        &asked.metric,
        &asked.aggregations,
        &asked.dimensions,
    )?;
    let refused = |message: &str| Error::new(ErrorCode::InvalidArgument, message.to_owned());
    let interval = asked.interval_seconds.filter(|seconds| *seconds != 0);
    if interval.is_some() && (asked.start_ms.is_none() || asked.end_ms.is_none()) {
        return Err(refused(
            "start_time_ms and end_time_ms are required if time_interval_seconds is set",
        ));
    }
    if interval.is_some_and(|seconds| seconds < 0) {
        return Err(refused("time_interval_seconds must be a positive integer"));
    }
    if asked.filters.len() > FILTERS {
        return Err(refused("at most 20 filters can be given at once"));
    }
    let filters = asked
        .filters
        .iter()
        .map(|text| parse_metrics_filter(text, asked.view))
        .collect::<std::result::Result<_, _>>()?;
    let limit = asked.limit.map_or(POINTS, |limit| {
        u32::try_from(limit.max(0)).unwrap_or(POINTS).min(POINTS)
    });
    Ok(MetricsQuery {
        experiments: Vec::new(),
        view: asked.view,
        metric: asked.metric,
        aggregations: asked.aggregations,
        dimensions: asked.dimensions,
        filters,
        interval_ms: interval.map(|seconds| seconds.saturating_mul(1_000)),
        start_ms: asked.start_ms,
        end_ms: asked.end_ms,
        limit,
    })
}
