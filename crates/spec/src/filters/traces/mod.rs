//! The filter and order language of traces. It is wider than that of the other kinds: it also looks at a trace's spans and
//! assessments, knows `RLIKE`, and says of each part which comparisons make sense.
//!
//! ```text
//! name LIKE 'answer%' AND timestamp_ms > 1700000000000 AND tag.env = 'prod' AND span.type IN ('LLM', 'TOOL')
//!   AND feedback.score >= 0.8 AND metadata.`mlflow.trace.user` IS NOT NULL
//! ```

mod parse;

pub(crate) use parse::{metadata_field, tag_field};
pub use parse::{parse_filter, parse_order_by};

use super::Test;

/// What a comparison or an order looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TraceField {
    /// When the request came, in milliseconds.
    Time,
    /// How long it took, in milliseconds.
    Duration,
    /// When it was over, in milliseconds.
    EndTime,
    /// The trace's id.
    Id,
    /// The experiment's id; in orders only.
    Experiment,
    /// How it ended.
    State,
    /// The application's own id.
    ClientRequestId,
    /// The name.
    Name,
    /// The session.
    Session,
    /// The counts of tokens, as JSON.
    Tokens,
    /// The cost, as JSON.
    Cost,
    /// The run that made the trace.
    Run,
    /// A version of a prompt that the trace is linked to.
    Prompt,
    /// A tag.
    Tag(String),
    /// A key of the metadata.
    Metadata(String),
    /// The name of one of its spans.
    SpanName,
    /// The kind of one of its spans.
    SpanType,
    /// The status of one of its spans.
    SpanStatus,
    /// All that one of its spans holds, as JSON.
    SpanContent,
    /// An attribute of one of its spans.
    SpanAttribute(String),
    /// A feedback's value.
    Feedback(String),
    /// An expectation's value.
    Expectation(String),
    /// An issue, by id.
    Issue,
}

impl TraceField {
    /// Whether this is about spans: all such comparisons of a filter must hold for one span.
    pub const fn is_of_spans(&self) -> bool {
        matches!(
            self,
            Self::SpanName
                | Self::SpanType
                | Self::SpanStatus
                | Self::SpanContent
                | Self::SpanAttribute(_)
        )
    }
}

/// One comparison of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceComparison {
    /// What it looks at.
    pub field: TraceField,
    /// What that must fulfil.
    pub test: Test,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceOrder {
    /// What it looks at.
    pub field: TraceField,
    /// Smallest first.
    pub ascending: bool,
}

#[cfg(test)]
mod tests;
