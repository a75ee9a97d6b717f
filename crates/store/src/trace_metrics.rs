//! Numbers for charts over traces, spans and assessments, put together by the database.
//!
//! One statement in three layers: the values with what they are grouped by; their ranks within each group, when a percentile
//! is asked for; the aggregates. The text is the same for both back ends, percentiles included.

use lazuli_spec::filters::trace_metrics::MetricsFilter;
use lazuli_spec::trace_metrics::{Aggregation, MetricsView};

use crate::sql::Statement;
use crate::trace_search::{conditions, within};
use crate::{Cell, Row, StoreError, Tx, Value, as_params};

/// A question for numbers; [`lazuli_spec::trace_metrics::check`] has looked at it.
#[derive(Clone, Debug)]
pub struct MetricsQuery {
    /// The experiments to look in, by number.
    pub experiments: Vec<i64>,
    /// Numbers of what.
    pub view: MetricsView,
    /// Which number.
    pub metric: String,
    /// How it is put together.
    pub aggregations: Vec<Aggregation>,
    /// What it is grouped by.
    pub dimensions: Vec<String>,
    /// What it is limited to.
    pub filters: Vec<MetricsFilter>,
    /// Grouped by spans of time of so many milliseconds as well.
    pub interval_ms: Option<i64>,
    /// Not before this, milliseconds since 1970.
    pub start_ms: Option<i64>,
    /// Not after this.
    pub end_ms: Option<i64>,
    /// How many points at most.
    pub limit: u32,
}

/// One group's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsPoint {
    /// The beginning of the group's span of time, milliseconds since 1970.
    pub bucket_ms: Option<i64>,
    /// The values of the dimensions, in the order asked for.
    pub dimensions: Vec<String>,
    /// The aggregates, in the order asked for; none where there is nothing to put together.
    pub values: Vec<Option<f64>>,
}

/// The points, by time and then by the dimensions.
pub fn query(tx: &mut Tx<'_>, wanted: &MetricsQuery) -> Result<Vec<MetricsPoint>, StoreError> {
    if wanted.experiments.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::new(tx.dialect());
    let sql = compose(&mut statement, wanted);
    let buckets = usize::from(wanted.interval_ms.is_some());
    tx.query(&sql, &as_params(&statement.values), |row| {
        let bucket_ms = (buckets == 1).then(|| row.get(0)).transpose()?;
        let after = buckets + wanted.dimensions.len();
        Ok(MetricsPoint {
            bucket_ms,
            dimensions: (buckets..after)
                .map(|at| text(row, at))
                .collect::<Result<_, _>>()?,
            values: (after..after + wanted.aggregations.len())
                .map(|at| row.get(at))
                .collect::<Result<_, _>>()?,
        })
    })
}

fn text(row: &Row<'_>, index: usize) -> Result<String, StoreError> {
    Ok(match row.cell(index)? {
        Cell::Text(text) => text.to_owned(),
        _ => String::new(),
    })
}

fn compose(statement: &mut Statement, wanted: &MetricsQuery) -> String {
    let mut groups: Vec<String> = Vec::new();
    let mut selected: Vec<String> = Vec::new();
    let mut tests = vec![format!("t.{}", within(&wanted.experiments))];
    if let Some(size) = wanted.interval_ms {
        selected.push(format!("{} AS d0", bucket(statement, wanted, size)));
        groups.push("d0".to_owned());
    }
    for dimension in &wanted.dimensions {
        let (column, name) = (dimension_column(dimension), format!("d{}", groups.len()));
        // a group without a name is no group
        tests.push(format!("{column} IS NOT NULL"));
        selected.push(format!("{column} AS {name}"));
        groups.push(name);
    }
    let value = value(wanted);
    tests.push(format!("{value} IS NOT NULL"));
    tests.extend(times(statement, wanted));
    tests.extend(limits(statement, wanted));
    selected.push(format!("{value} AS v"));
    let mut from = format!(
        "(SELECT {} FROM {} WHERE {}) x",
        selected.join(", "),
        tables(wanted.view),
        tests.join(" AND ")
    );
    let ranked = |one: &Aggregation| matches!(one, Aggregation::Percentile(_));
    if wanted.aggregations.iter().any(ranked) {
        let partition = match groups.as_slice() {
            [] => String::new(),
            groups => format!("PARTITION BY {}", groups.join(", ")),
        };
        from = format!(
            "(SELECT x.*, ROW_NUMBER() OVER ({partition} ORDER BY v) AS rn, COUNT(*) OVER ({partition}) AS n FROM {from}) y"
        );
    }
    let aggregates = wanted
        .aggregations
        .iter()
        .map(|one| aggregate(statement, wanted, *one));
    let mut columns = groups.clone();
    columns.extend(aggregates.collect::<Vec<_>>());
    let grouped = match groups.as_slice() {
        [] => String::new(),
        groups => format!(" GROUP BY {0} ORDER BY {0}", groups.join(", ")),
    };
    format!(
        "SELECT {} FROM {from}{grouped} LIMIT {}",
        columns.join(", "),
        wanted.limit
    )
}

const fn tables(view: MetricsView) -> &'static str {
    match view {
        MetricsView::Traces => "traces t",
        MetricsView::Spans => "traces t JOIN spans s ON s.trace_no = t.trace_no",
        MetricsView::Assessments => {
            "traces t JOIN assessments a ON a.trace_no = t.trace_no AND a.valid = 1"
        }
    }
}

/// The number itself, NULL where there is none.
fn value(wanted: &MetricsQuery) -> String {
    let real = |expression: &str| format!("CAST({expression} AS DOUBLE PRECISION)");
    match (wanted.view, wanted.metric.as_str()) {
        (MetricsView::Traces, "trace_count") => "t.trace_no".to_owned(),
        (MetricsView::Traces, "session_count") => "t.session_id".to_owned(),
        (MetricsView::Traces, "latency") => real("t.execution_duration_ms"),
        (MetricsView::Traces, "input_tokens") => real("t.input_tokens"),
        (MetricsView::Traces, "output_tokens") => real("t.output_tokens"),
        (MetricsView::Traces, "cache_read_input_tokens") => real("t.cache_read_input_tokens"),
        (MetricsView::Traces, "cache_creation_input_tokens") => {
            real("t.cache_creation_input_tokens")
        }
        (MetricsView::Traces, _) => real("t.total_tokens"),
        (MetricsView::Spans, "span_count") => "s.span_id".to_owned(),
        (MetricsView::Spans, "latency") => real("((s.end_ns - s.start_ns) / 1000000)"),
        (MetricsView::Spans, "input_cost") => "s.input_cost".to_owned(),
        (MetricsView::Spans, "output_cost") => "s.output_cost".to_owned(),
        (MetricsView::Spans, _) => "s.total_cost".to_owned(),
        (MetricsView::Assessments, "assessment_count") => "a.assessment_id".to_owned(),
        (MetricsView::Assessments, _) => "a.aggregate_value".to_owned(),
    }
}

fn dimension_column(dimension: &str) -> &'static str {
    match dimension {
        "trace_status" => "t.state",
        "span_name" => "s.name",
        "span_type" => "s.type",
        "span_status" => "s.status",
        "span_model_name" => "s.model_name",
        "span_model_provider" => "s.model_provider",
        "assessment_name" => "a.name",
        "assessment_value" => "a.value",
        _ => "t.name",
    }
}

/// The beginning of the span of time in which a value falls, also before 1970.
fn bucket(statement: &mut Statement, wanted: &MetricsQuery, size_ms: i64) -> String {
    let of_spans = wanted.view == MetricsView::Spans;
    let (time, size) = if of_spans {
        ("s.start_ns", size_ms.saturating_mul(1_000_000))
    } else {
        ("t.request_time_ms", size_ms)
    };
    let size = format!("CAST({} AS BIGINT)", statement.bind(Value::Integer(size)));
    let start = format!("({time} - (({time} % {size}) + {size}) % {size})");
    if of_spans {
        format!("({start} / 1000000)")
    } else {
        start
    }
}

/// The limits of time. A span's cost counts when the span began, everything else when the trace did.
fn times(statement: &mut Statement, wanted: &MetricsQuery) -> Vec<String> {
    let cost = wanted.view == MetricsView::Spans && wanted.metric.ends_with("_cost");
    let mut tests = Vec::new();
    if let Some(start) = wanted.start_ms {
        let (column, start) = if cost {
            ("s.start_ns", start.saturating_mul(1_000_000))
        } else {
            ("t.request_time_ms", start)
        };
        tests.push(format!(
            "{column} >= {}",
            statement.bind(Value::Integer(start))
        ));
    }
    if let Some(end) = wanted.end_ms {
        let (column, end) = if cost {
            (
                "s.start_ns",
                end.saturating_add(1).saturating_mul(1_000_000),
            )
        } else {
            ("t.request_time_ms", end.saturating_add(1))
        };
        tests.push(format!(
            "{column} < {}",
            statement.bind(Value::Integer(end))
        ));
    }
    tests
}

fn limits(statement: &mut Statement, wanted: &MetricsQuery) -> Vec<String> {
    let scope = within(&wanted.experiments);
    let mut tests = Vec::with_capacity(wanted.filters.len());
    for filter in &wanted.filters {
        match filter {
            MetricsFilter::Trace(comparison) => {
                tests.extend(conditions(
                    statement,
                    std::slice::from_ref(comparison),
                    &scope,
                ));
            }
            MetricsFilter::Span(column, value) => {
                tests.push(format!("s.{column} = {}", statement.bind(value.as_str())));
            }
            MetricsFilter::Assessment(column, value) => {
                tests.push(format!("a.{column} = {}", statement.bind(value.as_str())));
            }
        }
    }
    tests
}

fn aggregate(statement: &mut Statement, wanted: &MetricsQuery, aggregation: Aggregation) -> String {
    match aggregation {
        Aggregation::Count if wanted.metric == "session_count" => "COUNT(DISTINCT v)".to_owned(),
        Aggregation::Count => "COUNT(v)".to_owned(),
        Aggregation::Sum => "SUM(v)".to_owned(),
        Aggregation::Avg => "AVG(v)".to_owned(),
        Aggregation::Min => "MIN(v)".to_owned(),
        Aggregation::Max => "MAX(v)".to_owned(),
        Aggregation::Percentile(percent) => {
            let part = statement.bind(Value::Real(percent / 100.0));
            // how far a value's place is from the one looked for: the neighbours share the result by nearness
            let far = format!("ABS(CAST({part} AS DOUBLE PRECISION) * (n - 1) - (rn - 1))");
            format!("SUM(CASE WHEN {far} < 1 THEN v * (1 - {far}) END)")
        }
    }
}

#[cfg(test)]
#[path = "trace_metrics_tests.rs"]
mod tests;
