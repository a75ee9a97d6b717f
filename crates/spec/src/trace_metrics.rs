//! Charts over traces, spans and assessments: which numbers there are, how they may be put together and grouped.

use crate::invalid::Invalid;

/// What is counted or measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsView {
    /// Traces.
    Traces,
    /// Their spans.
    Spans,
    /// What was said about them.
    Assessments,
}

impl MetricsView {
    /// The protocol's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Spans => "SPANS",
            Self::Assessments => "ASSESSMENTS",
        }
    }

    /// Reads the word or the protocol's number for it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "TRACES" | "1" => Some(Self::Traces),
            "SPANS" | "2" => Some(Self::Spans),
            "ASSESSMENTS" | "3" => Some(Self::Assessments),
            _ => None,
        }
    }
}

/// How numbers are put together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    /// How many there are.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The number below which this many in a hundred are, between neighbours by a straight line.
    Percentile(f64),
}

impl Aggregation {
    /// Reads the protocol's word or number, and the percentile that goes with it.
    pub fn parse(text: &str, percentile: Option<f64>) -> Result<Self, Invalid> {
        let plain = match text {
            "COUNT" | "1" => Self::Count,
            "SUM" | "2" => Self::Sum,
            "AVG" | "3" => Self::Avg,
            "MIN" | "5" => Self::Min,
            "MAX" | "6" => Self::Max,
            "PERCENTILE" | "4" => {
                let value = percentile.ok_or_else(|| {
                    Invalid::new("Percentile value is required for PERCENTILE aggregation")
                })?;
                if !(0.0..=100.0).contains(&value) {
                    return Err(Invalid(format!(
                        "Percentile value must be between 0 and 100, got {value:?}"
                    )));
                }
                return Ok(Self::Percentile(value));
            }
            other => return Err(Invalid(format!("Unsupported aggregation type: {other}"))),
        };
        match percentile {
            None => Ok(plain),
            Some(_) => Err(Invalid(format!(
                "Percentile value is only allowed for PERCENTILE aggregation type, got {}",
                plain.as_str()
            ))),
        }
    }

    /// The protocol's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Percentile(_) => "PERCENTILE",
        }
    }

    /// What its value is called in an answer: `AVG`, `P99.0`.
    pub fn label(self) -> String {
        match self {
            Self::Percentile(value) => format!("P{value:?}"),
            plain => plain.as_str().to_owned(),
        }
    }
}

type Words = &'static [&'static str];

/// A number that can be asked for: its name, how it may be put together, and what it may be grouped by.
#[derive(Debug)]
pub struct MetricKind {
    /// Its name.
    pub name: &'static str,
    aggregations: Words,
    dimensions: Words,
}

const COUNT: Words = &["COUNT"];
const SPREAD: Words = &["AVG", "MAX", "MIN", "PERCENTILE"];
const TOTALS: Words = &["AVG", "MAX", "MIN", "PERCENTILE", "SUM"];
const BY_NAME: Words = &["trace_name"];
const BY_MODEL: Words = &["span_model_name", "span_model_provider"];

const fn metric(name: &'static str, aggregations: Words, dimensions: Words) -> MetricKind {
    MetricKind {
        name,
        aggregations,
        dimensions,
    }
}

const TRACES: &[MetricKind] = &[
    metric("trace_count", COUNT, &["trace_name", "trace_status"]),
    metric("session_count", COUNT, &[]),
    metric("latency", SPREAD, BY_NAME),
    metric("input_tokens", TOTALS, BY_NAME),
    metric("output_tokens", TOTALS, BY_NAME),
    metric("total_tokens", TOTALS, BY_NAME),
    metric("cache_read_input_tokens", TOTALS, BY_NAME),
    metric("cache_creation_input_tokens", TOTALS, BY_NAME),
];

const SPANS: &[MetricKind] = &[
    metric(
        "span_count",
        COUNT,
        &[
            "span_model_name",
            "span_model_provider",
            "span_name",
            "span_status",
            "span_type",
        ],
    ),
    metric("latency", SPREAD, &["span_name", "span_status"]),
    metric("input_cost", TOTALS, BY_MODEL),
    metric("output_cost", TOTALS, BY_MODEL),
    metric("total_cost", TOTALS, BY_MODEL),
];

const ASSESSMENTS: &[MetricKind] = &[
    metric(
        "assessment_count",
        COUNT,
        &["assessment_name", "assessment_value"],
    ),
    metric("assessment_value", SPREAD, &["assessment_name"]),
];

/// Most aggregations, dimensions or filters in one question.
const MOST: usize = 20;

/// The number asked for, if it can be put together and grouped as asked.
pub fn check(
    view: MetricsView,
    name: &str,
    aggregations: &[Aggregation],
    dimensions: &[String],
) -> Result<&'static MetricKind, Invalid> {
    let kinds = match view {
        MetricsView::Traces => TRACES,
        MetricsView::Spans => SPANS,
        MetricsView::Assessments => ASSESSMENTS,
    };
    let kind = kinds.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let known: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        Invalid(format!(
            "metric_name must be one of {}, got '{name}'",
            quoted(&known)
        ))
    })?;
    let asked = aggregations.iter().map(|one| one.as_str());
    let wrong = unknown(asked, kind.aggregations);
    if !wrong.is_empty() {
        return Err(Invalid(format!(
            "Found invalid aggregation_type(s): {}. Supported aggregation types: {}",
            quoted(&wrong),
            quoted(kind.aggregations)
        )));
    }
    let wrong = unknown(dimensions.iter().map(String::as_str), kind.dimensions);
    if !wrong.is_empty() {
        return Err(Invalid(format!(
            "Found invalid dimension(s): {}. Supported dimensions: {}",
            quoted(&wrong),
            quoted(kind.dimensions)
        )));
    }
    if aggregations.len() > MOST || dimensions.len() > MOST {
        return Err(Invalid(format!(
            "at most {MOST} aggregations and dimensions can be asked for at once"
        )));
    }
    Ok(kind)
}

fn unknown<'a>(asked: impl Iterator<Item = &'a str>, known: Words) -> Vec<&'a str> {
    let mut wrong: Vec<&str> = asked.filter(|one| !known.contains(one)).collect();
    wrong.sort_unstable();
    wrong.dedup();
    wrong
}

/// A list as clients know it.
fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!("[{}]", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_everything_goes_together() {
        let refused = |aggregation, dimension: &str| {
            let dimensions: Vec<String> = (!dimension.is_empty())
                .then(|| dimension.to_owned())
                .into_iter()
                .collect();
            check(MetricsView::Traces, "latency", &[aggregation], &dimensions)
                .unwrap_err()
                .0
        };
        assert!(
            check(
                MetricsView::Traces,
                "latency",
                &[Aggregation::Avg],
                &["trace_name".to_owned()]
            )
            .is_ok()
        );
        assert_eq!(
            refused(Aggregation::Sum, ""),
            "Found invalid aggregation_type(s): ['SUM']. Supported aggregation types: ['AVG', 'MAX', 'MIN', 'PERCENTILE']"
        );
        assert_eq!(
            refused(Aggregation::Avg, "x"),
            "Found invalid dimension(s): ['x']. Supported dimensions: ['trace_name']"
        );
        assert!(
            check(MetricsView::Spans, "nothing", &[], &[])
                .unwrap_err()
                .0
                .starts_with("metric_name must be one of ['span_count'")
        );
    }

    #[test]
    fn percentiles_come_with_their_number() {
        assert_eq!(
            Aggregation::parse("PERCENTILE", Some(99.0))
                .unwrap()
                .label(),
            "P99.0"
        );
        for wrong in [
            ("PERCENTILE", None),
            ("PERCENTILE", Some(101.0)),
            ("PERCENTILE", Some(f64::NAN)),
            ("AVG", Some(1.0)),
            ("x", None),
        ] {
            assert!(Aggregation::parse(wrong.0, wrong.1).is_err(), "{wrong:?}");
        }
    }
}
