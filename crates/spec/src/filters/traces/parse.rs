//! From tokens to comparisons over traces, with messages in the words clients know.

use super::super::lexer::{Token, Word, tokens};
use super::super::{Op, Test, pattern};
use super::{TraceComparison, TraceField, TraceOrder};
use crate::invalid::Invalid;
use crate::traces::{META_COST, META_SESSION, META_SOURCE_RUN, META_TOKENS, TAG_NAME, TAG_PROMPTS};

/// Every comparison is one more subquery.
const MAX_COMPARISONS: usize = 50;
/// The same for orders.
const MAX_ORDERS: usize = 20;
/// Most values of one list.
const MAX_VALUES: usize = 1_000;

/// The comparators that a kind of field takes.
type Comparators = &'static [&'static str];
const NUMBERS: Comparators = &["!=", "<", "<=", "=", ">", ">="];
const TEXTS: Comparators = &["!=", "=", "ILIKE", "IN", "LIKE", "NOT IN", "RLIKE"];
const PAIRS: Comparators = &[
    "!=",
    "=",
    "ILIKE",
    "IS NOT NULL",
    "IS NULL",
    "LIKE",
    "RLIKE",
];
const RESERVED: Comparators = &["!=", "=", "IS NOT NULL", "IS NULL"];
const CONTENT: Comparators = &["ILIKE", "LIKE"];
const VALUES: Comparators = &[
    "!=",
    "<",
    "<=",
    "=",
    ">",
    ">=",
    "ILIKE",
    "IS NOT NULL",
    "IS NULL",
    "LIKE",
    "RLIKE",
];
const EQUAL: Comparators = &["="];

/// Reads a filter. An empty one has no comparisons.
pub fn parse_filter(text: &str) -> Result<Vec<TraceComparison>, Invalid> {
    let tokens = tokens(text);
    let mut rest = tokens.as_slice();
    let mut comparisons = Vec::new();
    while !rest.is_empty() {
        let (comparison, after) = comparison(rest)?;
        if comparisons.len() == MAX_COMPARISONS {
            return Err(Invalid(format!(
                "a filter has at most {MAX_COMPARISONS} comparisons"
            )));
        }
        comparisons.push(comparison);
        rest = match after {
            [] => after,
            [Token::Word(and), following @ ..] if and.is("AND") && !following.is_empty() => {
                following
            }
            [wrong, ..] => return Err(invalid_clause(wrong)),
        };
    }
    Ok(comparisons)
}

/// Reads an order. A key may stand in it once.
pub fn parse_order_by(clauses: &[String]) -> Result<Vec<TraceOrder>, Invalid> {
    if clauses.len() > MAX_ORDERS {
        let message = format!(
            "`order_by` has {} clauses; the limit is {MAX_ORDERS}",
            clauses.len()
        );
        return Err(Invalid(message));
    }
    let mut order: Vec<TraceOrder> = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let key = order_key(clause)?;
        if order.iter().any(|seen| seen.field == key.field) {
            return Err(Invalid(format!(
                "`order_by` contains duplicate fields: {clauses:?}"
            )));
        }
        order.push(key);
    }
    Ok(order)
}

fn order_key(clause: &str) -> Result<TraceOrder, Invalid> {
    let found = tokens(clause);
    let (word, ascending) = match found.as_slice() {
        [Token::Word(word)] => (word, true),
        [Token::Word(word), Token::Word(way)] if way.is("ASC") => (word, true),
        [Token::Word(word), Token::Word(way)] if way.is("DESC") => (word, false),
        [Token::Word(_), Token::Word(_)] => {
            return Err(Invalid(format!(
                "Invalid ordering key in order_by clause '{clause}'."
            )));
        }
        _ => {
            return Err(Invalid(format!(
                "Invalid order_by clause '{clause}'. Could not be parsed."
            )));
        }
    };
    let field = field(word, ORDERED)?;
    match field {
        TraceField::Tokens | TraceField::Cost => Err(Invalid(format!(
            "Ordering by reserved metadata '{}' is not supported because it is represented by multiple columns.",
            word.name
        ))),
        field if field.is_of_spans() => Err(wrong_order("span")),
        TraceField::Feedback(_) => Err(wrong_order("feedback")),
        TraceField::Expectation(_) => Err(wrong_order("expectation")),
        TraceField::Issue => Err(wrong_order("issue")),
        TraceField::Prompt => Err(Invalid::new("Traces cannot be ordered by their prompts")),
        field => Ok(TraceOrder { field, ascending }),
    }
}

fn wrong_order(kind: &str) -> Invalid {
    Invalid(format!("Invalid identifier type '{kind}'"))
}

/// Attributes by their names in a filter.
const FILTERED: &[&str] = &[
    "client_request_id",
    "end_time",
    "end_time_ms",
    "execution_time",
    "execution_time_ms",
    "name",
    "prompt",
    "request_id",
    "run_id",
    "status",
    "text",
    "timestamp",
    "timestamp_ms",
];
/// Attributes by their names in an order.
const ORDERED: &[&str] = &[
    "end_time",
    "end_time_ms",
    "execution_time",
    "execution_time_ms",
    "experiment_id",
    "name",
    "request_id",
    "run_id",
    "status",
    "timestamp",
    "timestamp_ms",
];

/// What stands on the left.
fn field(word: &Word, attributes: &[&str]) -> Result<TraceField, Invalid> {
    let name = word.name.as_str();
    match word.prefix.as_deref() {
        None | Some("attribute" | "attributes" | "trace") => attribute(name, attributes),
        Some("tag" | "tags") => Ok(tag_field(name)),
        Some("metadata" | "request_metadata") => Ok(metadata_field(name)),
        Some("span") => span(name),
        Some("feedback") => named(name).map(TraceField::Feedback),
        Some("expectation") => named(name).map(TraceField::Expectation),
        Some("issue") if name == "id" => Ok(TraceField::Issue),
        Some("issue") => Err(Invalid(format!(
            "Invalid issue attribute '{name}'. Supported attributes: id"
        ))),
        Some(other) => Err(Invalid(format!(
            "Invalid entity type '{other}'. Valid values are {{'attribute', 'attributes', 'expectation', 'feedback', 'issue', 'metadata', 'request_metadata', 'span', 'tag', 'tags', 'trace'}}"
        ))),
    }
}

fn attribute(name: &str, attributes: &[&str]) -> Result<TraceField, Invalid> {
    if !attributes.contains(&name) {
        let known: Vec<String> = attributes
            .iter()
            .map(|known| format!("'{known}'"))
            .collect();
        return Err(Invalid(format!(
            "Invalid attribute key '{name}' specified. Valid keys are '{{{}}}'",
            known.join(", ")
        )));
    }
    Ok(match name {
        "timestamp" | "timestamp_ms" => TraceField::Time,
        "execution_time" | "execution_time_ms" => TraceField::Duration,
        "end_time" | "end_time_ms" => TraceField::EndTime,
        "status" => TraceField::State,
        "client_request_id" => TraceField::ClientRequestId,
        "experiment_id" => TraceField::Experiment,
        "name" => TraceField::Name,
        "run_id" => TraceField::Run,
        "prompt" => TraceField::Prompt,
        "text" => TraceField::SpanContent,
        _ => TraceField::Id,
    })
}

/// A tag as a field: some of them have places of their own.
pub(crate) fn tag_field(name: &str) -> TraceField {
    match name {
        TAG_NAME => TraceField::Name,
        TAG_PROMPTS => TraceField::Prompt,
        name => TraceField::Tag(name.to_owned()),
    }
}

/// A key of the metadata as a field: some of them have places of their own.
pub(crate) fn metadata_field(name: &str) -> TraceField {
    match name {
        META_SESSION => TraceField::Session,
        META_TOKENS => TraceField::Tokens,
        META_COST => TraceField::Cost,
        META_SOURCE_RUN => TraceField::Run,
        name => TraceField::Metadata(name.to_owned()),
    }
}

fn span(name: &str) -> Result<TraceField, Invalid> {
    match name {
        "name" => Ok(TraceField::SpanName),
        "type" => Ok(TraceField::SpanType),
        "status" => Ok(TraceField::SpanStatus),
        "content" => Ok(TraceField::SpanContent),
        name => match name.strip_prefix("attributes.") {
            Some("") => Err(Invalid::new(
                "Span attribute name cannot be empty after 'attributes.'",
            )),
            Some(attribute) => Ok(TraceField::SpanAttribute(
                attribute.trim_matches('`').to_owned(),
            )),
            None => Err(Invalid(format!(
                "Invalid span attribute '{name}'. Supported attributes: name, status, type, attributes.<attribute_name>."
            ))),
        },
    }
}

fn named(name: &str) -> Result<String, Invalid> {
    if name.is_empty() {
        return Err(Invalid::new("Assessment field name cannot be empty"));
    }
    Ok(name.to_owned())
}

const fn comparators(field: &TraceField) -> Comparators {
    match field {
        TraceField::Time | TraceField::Duration | TraceField::EndTime => NUMBERS,
        TraceField::Id
        | TraceField::State
        | TraceField::ClientRequestId
        | TraceField::Experiment
        | TraceField::SpanName
        | TraceField::SpanType
        | TraceField::SpanStatus
        | TraceField::SpanAttribute(_) => TEXTS,
        TraceField::Name
        | TraceField::Session
        | TraceField::Run
        | TraceField::Tag(_)
        | TraceField::Metadata(_) => PAIRS,
        TraceField::Tokens | TraceField::Cost => RESERVED,
        TraceField::SpanContent => CONTENT,
        TraceField::Feedback(_) | TraceField::Expectation(_) => VALUES,
        TraceField::Prompt | TraceField::Issue => EQUAL,
    }
}

/// The first comparison of the tokens, and what follows it.
fn comparison(tokens: &[Token]) -> Result<(TraceComparison, &[Token]), Invalid> {
    let [Token::Word(word), rest @ ..] = tokens else {
        return Err(match tokens.first() {
            Some(wrong) => invalid_clause(wrong),
            None => Invalid::new("Invalid comparison clause. Expected 3 tokens found 0"),
        });
    };
    let Some((comparator, rest)) = comparator(rest) else {
        return Err(Invalid(format!(
            "Invalid clause(s) in filter string: '{}'",
            word.raw
        )));
    };
    let field = field(word, FILTERED)?;
    if !comparators(&field).contains(&comparator) {
        return Err(wrong_comparator(&field, comparator));
    }
    let (test, after) = test(&field, comparator, rest)?;
    if field == TraceField::Prompt
        && let Test::Text { value, .. } = &test
        && value.matches('/').count() != 1
    {
        return Err(Invalid(format!(
            "Invalid prompts filter value '{value}'. Expected format: prompt = \"name/version\""
        )));
    }
    Ok((TraceComparison { field, test }, after))
}

/// The comparator in its canonical form, and what follows it.
fn comparator(tokens: &[Token]) -> Option<(&'static str, &[Token])> {
    match tokens {
        [Token::Op(op), rest @ ..] => Some((op, rest)),
        [
            Token::Word(is),
            Token::Word(not),
            Token::Word(null),
            rest @ ..,
        ] if is.is("IS") && not.is("NOT") && null.is("NULL") => Some(("IS NOT NULL", rest)),
        [Token::Word(is), Token::Word(null), rest @ ..] if is.is("IS") && null.is("NULL") => {
            Some(("IS NULL", rest))
        }
        [Token::Word(not), Token::Word(within), rest @ ..] if not.is("NOT") && within.is("IN") => {
            Some(("NOT IN", rest))
        }
        [Token::Word(word), rest @ ..] => {
            let known = ["LIKE", "ILIKE", "RLIKE", "IN"];
            known
                .into_iter()
                .find(|known| word.is(known))
                .map(|known| (known, rest))
        }
        _ => None,
    }
}

fn test<'t>(
    field: &TraceField,
    comparator: &str,
    rest: &'t [Token],
) -> Result<(Test, &'t [Token]), Invalid> {
    match comparator {
        "IS NULL" | "IS NOT NULL" => {
            let negated = comparator == "IS NOT NULL";
            return Ok((Test::Null { negated }, rest));
        }
        "IN" | "NOT IN" => {
            let (values, after) = list(rest)?;
            let negated = comparator == "NOT IN";
            return Ok((Test::In { negated, values }, after));
        }
        _ => {}
    }
    let [value, after @ ..] = rest else {
        return Err(Invalid::new(
            "Invalid comparison clause. Expected 3 tokens found 2",
        ));
    };
    let ordering = matches!(comparator, "<" | "<=" | ">" | ">=");
    if comparators(field) == NUMBERS || ordering {
        return Ok((
            Test::Number(op(comparator), number(field, comparator, value)?),
            after,
        ));
    }
    let text = text(field, value)?;
    let test = match comparator {
        "LIKE" | "ILIKE" => Test::Like {
            ignore_case: comparator == "ILIKE",
            pattern: text,
        },
        "RLIKE" => {
            pattern::check(&text)?;
            Test::Regex { pattern: text }
        }
        _ => Test::Text {
            negated: comparator == "!=",
            value: text,
        },
    };
    Ok((test, after))
}

fn op(comparator: &str) -> Op {
    match comparator {
        "=" => Op::Eq,
        "!=" => Op::Ne,
        ">" => Op::Gt,
        ">=" => Op::Ge,
        "<" => Op::Lt,
        _ => Op::Le,
    }
}

fn number(field: &TraceField, comparator: &str, token: &Token) -> Result<f64, Invalid> {
    if let Token::Number(raw) = token
        && let Ok(value) = raw.parse()
    {
        return Ok(value);
    }
    Err(Invalid(match field {
        TraceField::Feedback(_) | TraceField::Expectation(_) => format!(
            "Expected a numeric value for {} when using comparator '{comparator}'. Got value {token}",
            kind(field)
        ),
        _ => format!("Expected numeric value type for numeric attribute. Found {token}"),
    }))
}

fn text(field: &TraceField, token: &Token) -> Result<String, Invalid> {
    match token {
        Token::Text(text) => Ok(text.clone()),
        Token::Word(word) => word.double_quoted().map(str::to_owned).ok_or_else(|| {
            Invalid(format!(
                "Parameter value is either not quoted or unidentified quote types used for string value {}. Use either single or double quotes.",
                word.raw
            ))
        }),
        other => Err(Invalid(format!(
            "Expected a quoted string value for {} (e.g. 'my-value'). Got value {other}",
            kind(field)
        ))),
    }
}

/// The values between the parentheses, and what follows them.
fn list(tokens: &[Token]) -> Result<(Vec<String>, &[Token]), Invalid> {
    let wrong = |found: &str| {
        Invalid(format!(
            "While parsing a list in the query, expected a non-empty list of string values, but got {found}"
        ))
    };
    let [Token::Open, rest @ ..] = tokens else {
        return Err(wrong("no list"));
    };
    let mut values = Vec::new();
    let mut rest = rest;
    loop {
        let [value, punctuation, after @ ..] = rest else {
            return Err(wrong(if values.is_empty() {
                "empty list"
            } else {
                "ill-formed list."
            }));
        };
        values.push(list_item(value)?);
        if values.len() > MAX_VALUES {
            return Err(Invalid(format!(
                "a list in a filter has at most {MAX_VALUES} values"
            )));
        }
        match punctuation {
            Token::Close => return Ok((values, after)),
            Token::Comma => rest = after,
            _ => return Err(wrong("ill-formed list.")),
        }
    }
}

fn list_item(token: &Token) -> Result<String, Invalid> {
    match token {
        Token::Text(text) => Ok(text.clone()),
        Token::Word(word) if word.double_quoted().is_some() => Ok(word.name.clone()),
        other => Err(Invalid(format!(
            "While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: ({other})"
        ))),
    }
}

/// The word for a kind of field in messages.
const fn kind(field: &TraceField) -> &'static str {
    match field {
        TraceField::Tag(_) | TraceField::Name | TraceField::Prompt => "tag",
        TraceField::Metadata(_)
        | TraceField::Session
        | TraceField::Tokens
        | TraceField::Cost
        | TraceField::Run => "request_metadata",
        TraceField::Feedback(_) => "feedback",
        TraceField::Expectation(_) => "expectation",
        TraceField::Issue => "issue",
        field if field.is_of_spans() => "span",
        _ => "attributes",
    }
}

fn wrong_comparator(field: &TraceField, comparator: &str) -> Invalid {
    let known: Vec<String> = comparators(field)
        .iter()
        .map(|known| format!("'{known}'"))
        .collect();
    let known = known.join(", ");
    Invalid(match field {
        TraceField::Prompt => format!(
            "Invalid comparator '{comparator}' for prompts filter. Only '=' is supported with format: prompt = \"name/version\""
        ),
        TraceField::Tokens | TraceField::Cost => {
            let key = if *field == TraceField::Tokens {
                META_TOKENS
            } else {
                META_COST
            };
            format!(
                "Comparator '{comparator}' is not supported for reserved metadata '{key}'. Only '=', '!=', 'IS NULL', and 'IS NOT NULL' are supported."
            )
        }
        TraceField::Issue => format!("issue.id comparator '{comparator}' not one of '{{{known}}}'"),
        TraceField::Feedback(name) | TraceField::Expectation(name) => {
            format!("assessment.{name} comparator '{comparator}' not one of '{{{known}}}'")
        }
        TraceField::SpanContent => {
            format!("span.content comparator '{comparator}' not one of '{{{known}}}'")
        }
        _ => format!("Invalid comparator '{comparator}' not one of '{{{known}}}'"),
    })
}

fn invalid_clause(token: &Token) -> Invalid {
    Invalid(format!("Invalid clause(s) in filter string: '{token}'"))
}
