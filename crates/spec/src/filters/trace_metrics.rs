//! The filters of charts over traces: one comparison each, always for equality.

use super::Test;
use super::lexer::{Token, Word, tokens};
use super::traces::{TraceComparison, TraceField, metadata_field, tag_field};
use crate::invalid::Invalid;
use crate::trace_metrics::MetricsView;

/// What a chart is limited to.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricsFilter {
    /// Traces that fulfil this.
    Trace(TraceComparison),
    /// Spans with this value in one of the columns `name`, `status`, `type`.
    Span(&'static str, String),
    /// Assessments with this value in one of the columns `name`, `kind`.
    Assessment(&'static str, String),
}

/// Reads a filter and says whether it fits the view.
pub fn parse_metrics_filter(text: &str, view: MetricsView) -> Result<MetricsFilter, Invalid> {
    let found = tokens(text);
    let (word, value) = match found.as_slice() {
        [Token::Word(word), Token::Op("="), value] => (word, quoted(word, value)?),
        [Token::Word(_), Token::Op(op), _] => {
            return Err(Invalid(format!(
                "Invalid comparator: '{op}', only '=' operator is supported"
            )));
        }
        [Token::Word(word), Token::Word(like), ..] if word.prefix.is_some() && !like.is("AND") => {
            return Err(Invalid(format!(
                "Invalid comparator: '{}', only '=' operator is supported",
                like.raw
            )));
        }
        [Token::Word(_), Token::Op(_), _, ..] => {
            return Err(Invalid(format!(
                "Invalid clause(s) in filter string: '{text}'. Expected one filter clause."
            )));
        }
        [wrong, ..] => {
            return Err(Invalid(format!(
                "Invalid clause(s) in filter string: {wrong}"
            )));
        }
        [] => {
            return Err(Invalid(format!(
                "Invalid filter: '{text}'. Expected one filter clause."
            )));
        }
    };
    let filter = subject(word, value)?;
    let fits = match &filter {
        MetricsFilter::Trace(_) => None,
        MetricsFilter::Span(..) => (view != MetricsView::Spans).then_some(("span", "SPANS")),
        MetricsFilter::Assessment(..) => {
            (view != MetricsView::Assessments).then_some(("assessment", "ASSESSMENTS"))
        }
    };
    match fits {
        None => Ok(filter),
        Some((what, of)) => Err(Invalid(format!(
            "Filtering by {what} is only supported for {of} view type, got {}",
            view.as_str()
        ))),
    }
}

fn quoted(word: &Word, value: &Token) -> Result<String, Invalid> {
    match value {
        Token::Text(text) => Ok(text.clone()),
        Token::Word(value) if value.double_quoted().is_some() => Ok(value.name.clone()),
        other => Err(Invalid(format!(
            "Expected a quoted string value for {} value (e.g. 'my-value'). Got value {other}",
            word.raw
        ))),
    }
}

fn subject(word: &Word, value: String) -> Result<MetricsFilter, Invalid> {
    let Some(view) = word.prefix.as_deref() else {
        return Err(Invalid(format!(
            "Invalid identifier '{}'. Columns should be specified as 'trace.<key>', 'span.<key>', 'assessment.<key>'.",
            word.raw
        )));
    };
    let (entity, key) = match word.name.split_once('.') {
        Some((entity, key)) => (entity, Some(key.trim_matches(['`', '"']))),
        None => (word.name.as_str(), None),
    };
    let entities: &[(&str, bool)] = match view {
        "trace" => &[("status", false), ("tag", true), ("metadata", true)],
        "span" => &[("name", false), ("status", false), ("type", false)],
        "assessment" => &[("name", false), ("type", false)],
        other => {
            return Err(Invalid(format!(
                "Invalid view type '{other}'. Valid values are ['trace', 'span', 'assessment']"
            )));
        }
    };
    let Some((_, keyed)) = entities.iter().find(|(name, _)| *name == entity) else {
        let known: Vec<String> = entities
            .iter()
            .map(|(name, _)| format!("'{name}'"))
            .collect();
        return Err(Invalid(format!(
            "Invalid entity '{entity}' specified for view type '{view}'. Valid entities are [{}]",
            known.join(", ")
        )));
    };
    match (keyed, key) {
        (true, None) => Err(Invalid(format!(
            "Filtering by {entity} requires a key, e.g. '{view}.{entity}.<key> = <value>'"
        ))),
        (false, Some(_)) => Err(Invalid(format!(
            "Filtering by {entity} does not require a key, use '{view}.{entity}' instead"
        ))),
        _ => Ok(filter(view, entity, key.unwrap_or_default(), value)),
    }
}

fn filter(view: &str, entity: &str, key: &str, value: String) -> MetricsFilter {
    let field = match (view, entity) {
        ("span", "name") => return MetricsFilter::Span("name", value),
        ("span", "status") => return MetricsFilter::Span("status", value),
        ("span", _) => return MetricsFilter::Span("type", value),
        ("assessment", "name") => return MetricsFilter::Assessment("name", value),
        ("assessment", _) => return MetricsFilter::Assessment("kind", value),
        (_, "tag") => tag_field(key),
        (_, "metadata") => metadata_field(key),
        _ => TraceField::State,
    };
    let test = Test::Text {
        negated: false,
        value,
    };
    MetricsFilter::Trace(TraceComparison { field, test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_fit_their_view() {
        let traces = |text| parse_metrics_filter(text, MetricsView::Traces);
        assert!(matches!(
            traces("trace.metadata.`mlflow.trace.session` = 's'"),
            Ok(MetricsFilter::Trace(TraceComparison {
                field: TraceField::Session,
                ..
            }))
        ));
        assert!(matches!(
            traces("trace.tag.env = \"prod\""),
            Ok(MetricsFilter::Trace(TraceComparison { field: TraceField::Tag(key), .. })) if key == "env"
        ));
        assert_eq!(
            parse_metrics_filter("span.type = 'LLM'", MetricsView::Spans),
            Ok(MetricsFilter::Span("type", "LLM".into()))
        );
        let cases = [
            (
                "span.name = 'x'",
                "Filtering by span is only supported for SPANS view type, got TRACES",
            ),
            ("trace.tag = 'x'", "Filtering by tag requires a key"),
            (
                "trace.status.x = 'x'",
                "Filtering by status does not require a key",
            ),
            ("trace.status != 'OK'", "Invalid comparator: '!='"),
            ("trace.status LIKE 'OK'", "Invalid comparator: 'LIKE'"),
            ("trace.status = OK", "Expected a quoted string value"),
            (
                "trace.what = 'x'",
                "Invalid entity 'what' specified for view type 'trace'",
            ),
            ("other.x = 'x'", "Invalid view type 'other'"),
            ("status = 'x'", "Invalid identifier 'status'"),
            ("", "Invalid filter: ''"),
        ];
        for (text, expected) in cases {
            let message = traces(text).unwrap_err().0;
            assert!(message.starts_with(expected), "{text}: {message}");
        }
    }
}
