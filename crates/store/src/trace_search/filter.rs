//! Comparisons as SQL conditions on a trace `t`.

use lazuli_spec::filters::traces::{TraceComparison, TraceField};
use lazuli_spec::filters::{Op, Test, pattern};
use lazuli_spec::python_json;
use lazuli_spec::traces::{Cost, META_SOURCE_RUN, TokenUsage};
use serde_json::json;

use super::assessments;
use crate::Value;
use crate::sql::Statement;

/// When a trace was over; one that is not over ends when it began.
pub(super) const END_TIME: &str = "(t.request_time_ms + COALESCE(t.execution_duration_ms, 0))";

/// The conditions of a filter. Those on spans are one condition: they must hold for the same span.
pub(crate) fn conditions(
    statement: &mut Statement,
    filter: &[TraceComparison],
    scope: &str,
) -> Vec<String> {
    let (spans, others): (Vec<_>, Vec<_>) = filter.iter().partition(|one| one.field.is_of_spans());
    let mut found: Vec<String> = others
        .into_iter()
        .map(|one| condition(statement, one, scope))
        .collect();
    if !spans.is_empty() {
        let tests: Vec<String> = spans.into_iter().map(|one| span(statement, one)).collect();
        found.push(format!(
            "EXISTS (SELECT 1 FROM spans s WHERE s.trace_no = t.trace_no AND {})",
            tests.join(" AND ")
        ));
    }
    found
}

fn condition(statement: &mut Statement, comparison: &TraceComparison, scope: &str) -> String {
    let test = &comparison.test;
    match &comparison.field {
        TraceField::Time => whole(statement, "t.request_time_ms", test),
        TraceField::Duration => whole(statement, "t.execution_duration_ms", test),
        TraceField::EndTime => whole(statement, END_TIME, test),
        TraceField::Experiment => statement.text_test("CAST(t.experiment_id AS TEXT)", test),
        TraceField::State => statement.text_test("t.state", test),
        TraceField::ClientRequestId => statement.text_test("t.client_request_id", test),
        TraceField::Name => statement.text_test("t.name", test),
        TraceField::Session => statement.text_test("t.session_id", test),
        TraceField::Tokens => tokens(statement, test),
        TraceField::Cost => cost(statement, test),
        TraceField::Run => run(statement, test),
        TraceField::Prompt => linked(statement, "trace_prompts f", "f.prompt", test),
        TraceField::Tag(key) => pair(statement, "trace_tags", key, test),
        TraceField::Metadata(key) => pair(statement, "trace_metadata", key, test),
        TraceField::Feedback(name) => {
            assessments::condition(statement, "feedback", name, test, scope)
        }
        TraceField::Expectation(name) => {
            assessments::condition(statement, "expectation", name, test, scope)
        }
        TraceField::Issue => linked(
            statement,
            "assessments f",
            "f.kind = 'issue' AND f.name",
            test,
        ),
        _ => statement.text_test("t.trace_id", test),
    }
}

/// A column of whole numbers against any number.
pub(super) fn whole(statement: &mut Statement, column: &str, test: &Test) -> String {
    let Test::Number(op, value) = test else {
        return "1 = 0".to_owned();
    };
    let floor = value.floor();
    let mut against = |op: Op| {
        let value = statement.bind(Value::Integer(floor as i64));
        format!("{column} {} {value}", op.as_sql())
    };
    if floor.total_cmp(value).is_eq() {
        return against(*op);
    }
    match op {
        Op::Eq => "1 = 0".to_owned(),
        Op::Ne => format!("{column} IS NOT NULL"),
        Op::Gt | Op::Ge => against(Op::Gt),
        Op::Lt | Op::Le => against(Op::Le),
    }
}

fn pair(statement: &mut Statement, table: &str, key: &str, test: &Test) -> String {
    let key = statement.bind(key);
    let (word, test) = match test {
        Test::Null { negated: false } => ("NOT EXISTS", "1 = 1".to_owned()),
        Test::Null { negated: true } => ("EXISTS", "1 = 1".to_owned()),
        test => ("EXISTS", statement.text_test("f.value", test)),
    };
    format!(
        "{word} (SELECT 1 FROM {table} f WHERE f.trace_no = t.trace_no AND f.key = {key} AND {test})"
    )
}

fn linked(statement: &mut Statement, table: &str, column: &str, test: &Test) -> String {
    let test = statement.text_test(column, test);
    format!("EXISTS (SELECT 1 FROM {table} WHERE f.trace_no = t.trace_no AND {test})")
}

/// Traces of a run are those that it made and those that were linked to it; other comparisons look at the maker only.
fn run(statement: &mut Statement, test: &Test) -> String {
    let made = pair(statement, "trace_metadata", META_SOURCE_RUN, test);
    if !matches!(test, Test::Text { negated: false, .. }) {
        return made;
    }
    let linked = statement.text_test("f.run_id", test);
    format!(
        "({made} OR EXISTS (SELECT 1 FROM trace_runs f WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id AND {linked}))"
    )
}

fn tokens(statement: &mut Statement, test: &Test) -> String {
    let canonical = |text: &str| {
        let tokens = TokenUsage::from_json(text);
        (tokens.to_json().as_deref() == Some(text))
            .then_some(tokens.0.map(|count| count.map(Value::from)))
    };
    reserved(statement, &TokenUsage::KEYS, test, canonical)
}

fn cost(statement: &mut Statement, test: &Test) -> String {
    let canonical = |text: &str| {
        let cost = Cost::from_json(text);
        (cost.to_json().as_deref() == Some(text))
            .then_some(cost.0.map(|part| part.map(Value::from)))
    };
    reserved(statement, &Cost::KEYS, test, canonical)
}

/// Metadata that stands in several columns: equal is only the very text that clients read.
fn reserved<const N: usize>(
    statement: &mut Statement,
    columns: &[&str; N],
    test: &Test,
    canonical: impl Fn(&str) -> Option<[Option<Value>; N]>,
) -> String {
    let some: Vec<String> = columns
        .iter()
        .map(|column| format!("t.{column} IS NOT NULL"))
        .collect();
    let exists = format!("({})", some.join(" OR "));
    let mut matches = |text: &str| match canonical(text) {
        None => "1 = 0".to_owned(),
        Some(values) => {
            let parts: Vec<String> = columns
                .iter()
                .zip(values)
                .map(|(column, value)| match value {
                    None => format!("t.{column} IS NULL"),
                    Some(value) => {
                        let value = statement.bind(value);
                        format!("(t.{column} IS NOT NULL AND t.{column} = {value})")
                    }
                })
                .collect();
            format!("({})", parts.join(" AND "))
        }
    };
    match test {
        Test::Null { negated: false } => format!("NOT {exists}"),
        Test::Null { negated: true } => exists,
        Test::Text {
            negated: false,
            value,
        } => matches(value),
        Test::Text {
            negated: true,
            value,
        } => format!("({exists} AND NOT {})", matches(value)),
        _ => "1 = 0".to_owned(),
    }
}

/// The condition on a span `s`.
fn span(statement: &mut Statement, comparison: &TraceComparison) -> String {
    let test = &comparison.test;
    match &comparison.field {
        TraceField::SpanName => statement.text_test("s.name", test),
        TraceField::SpanType => statement.text_test("s.type", test),
        TraceField::SpanStatus => statement.text_test("s.status", test),
        TraceField::SpanAttribute(name) => attribute(statement, name, test),
        _ => statement.text_test("s.content", test),
    }
}

/// Attributes stand in a span's content as `"name": "…"`, where … is the value's own JSON, written as a JSON text.
fn attribute(statement: &mut Statement, name: &str, test: &Test) -> String {
    match test {
        Test::Text { negated, value } => {
            let condition = attribute_is(statement, name, value);
            if *negated {
                format!("NOT {condition}")
            } else {
                condition
            }
        }
        Test::In { negated, values } => {
            let any: Vec<String> = values
                .iter()
                .map(|value| attribute_is(statement, name, value))
                .collect();
            let word = if *negated { "NOT " } else { "" };
            format!("{word}({})", any.join(" OR "))
        }
        Test::Like {
            ignore_case,
            pattern,
        } => {
            let test = Test::Like {
                ignore_case: *ignore_case,
                pattern: format!("%\"{name}\"{pattern}%"),
            };
            statement.text_test("s.content", &test)
        }
        Test::Regex { pattern } => {
            statement.regex_test("s.content", &attribute_regex(name, pattern))
        }
        _ => "1 = 0".to_owned(),
    }
}

/// A text value, or another one by its JSON.
fn attribute_is(statement: &mut Statement, name: &str, value: &str) -> String {
    let key = json!(name).to_string();
    let plain = json!(value).to_string();
    let mut forms = vec![plain.clone(), json!(plain).to_string()];
    let ascii = json!(python_json::text(&json!(value))).to_string();
    if !forms.contains(&ascii) {
        forms.push(ascii);
    }
    let dialect = statement.dialect();
    let any: Vec<String> = forms
        .into_iter()
        .map(|form| {
            let placeholder = statement.bind(format!("{key}: {form}"));
            dialect.contains("s.content", &placeholder)
        })
        .collect();
    format!("({})", any.join(" OR "))
}

/// The pattern for the value of an attribute, put where the value stands.
fn attribute_regex(name: &str, pattern: &str) -> String {
    let (start, rest) = match pattern.strip_prefix('^') {
        Some(rest) => ("\"\\\\\"", rest),
        None => ("\"\\\\\".*", pattern),
    };
    let (rest, end) = match rest.strip_suffix('$') {
        Some(rest) => (rest, "\\\\\""),
        None => (rest, ""),
    };
    format!("\"{}\": {start}(?:{rest}){end}", pattern::escape(name))
}
