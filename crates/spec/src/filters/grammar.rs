//! From tokens to comparisons, with messages in the words clients know.

use super::lexer::{Token, Word, tokens};
use super::{Attribute, Comparison, Kind, Op, OrderBy, Test, Vocabulary};
use crate::invalid::Invalid;

/// Every comparison is one more subquery, and a database needs ever longer to plan many of them: with 200 PostgreSQL is
/// busy for many seconds before it looks at the first row.
const MAX_COMPARISONS: usize = 50;
/// The same for orders.
const MAX_ORDERS: usize = 20;

/// Reads a filter. An empty one has no comparisons.
pub fn parse_filter(vocabulary: &Vocabulary, text: &str) -> Result<Vec<Comparison>, Invalid> {
    let tokens = tokens(text);
    let mut rest = tokens.as_slice();
    let mut comparisons = Vec::new();
    while !rest.is_empty() {
        let (comparison, after) = comparison(vocabulary, rest)?;
        if comparisons.len() == MAX_COMPARISONS {
            return Err(Invalid(format!(
                "a filter has at most {MAX_COMPARISONS} comparisons; a list of values is one: key IN ('a', 'b')"
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

/// Reads an order: `metrics.loss ASC`, `start_time desc`, `` tags.`a b` ``. A key may stand in it once.
pub fn parse_order_by(
    vocabulary: &Vocabulary,
    clauses: &[String],
) -> Result<Vec<OrderBy>, Invalid> {
    if clauses.len() > MAX_ORDERS {
        return Err(Invalid(format!(
            "`order_by` has {} clauses; the limit is {MAX_ORDERS}",
            clauses.len()
        )));
    }
    let mut order: Vec<OrderBy> = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let key = order_key(vocabulary, clause)?;
        if order
            .iter()
            .any(|seen| seen.kind == key.kind && seen.key == key.key)
        {
            return Err(Invalid(format!(
                "`order_by` contains duplicate fields: {clauses:?}"
            )));
        }
        order.push(key);
    }
    Ok(order)
}

fn order_key(vocabulary: &Vocabulary, clause: &str) -> Result<OrderBy, Invalid> {
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
    let (kind, key, _) = subject(vocabulary, word, |attribute| attribute.order)?;
    // tags can be ordered by where metrics can
    let rich = vocabulary
        .prefixes
        .iter()
        .any(|(_, kind)| *kind == Kind::Metric);
    if kind == Kind::Dataset || (kind == Kind::Tag && !rich) {
        return Err(Invalid(format!(
            "Invalid order_by entity: {}",
            kind.as_str()
        )));
    }
    Ok(OrderBy {
        kind,
        key,
        ascending,
    })
}

/// What stands on the left.
type Subject = (Kind, String, Option<Attribute>);

/// The first comparison of the tokens, and what follows it.
fn comparison<'t>(
    vocabulary: &Vocabulary,
    tokens: &'t [Token],
) -> Result<(Comparison, &'t [Token]), Invalid> {
    let [Token::Word(word), rest @ ..] = tokens else {
        return Err(match tokens.first() {
            Some(wrong) => invalid_clause(wrong),
            None => Invalid::new("Invalid comparison clause. Expected 3 tokens found 0"),
        });
    };
    let wanted = || subject(vocabulary, word, |attribute| attribute.filter);
    match rest {
        [Token::Op(_), Token::Word(keyword), ..] if is_constant(keyword) => Err(Invalid(format!(
            "Invalid clause(s) in filter string: '{}'",
            word.raw
        ))),
        [Token::Op(op), value, after @ ..] => {
            let subject = wanted()?;
            let test = compared(&subject, op, value)?;
            Ok((done(subject, test), after))
        }
        [Token::Word(like), value, after @ ..] if like.is("LIKE") || like.is("ILIKE") => {
            let subject = wanted()?;
            let test = liked(&subject, like.is("ILIKE"), value)?;
            Ok((done(subject, test), after))
        }
        [Token::Word(is), Token::Word(null), after @ ..] if is.is("IS") && null.is("NULL") => {
            Ok((done_null(wanted()?, false)?, after))
        }
        [
            Token::Word(is),
            Token::Word(not),
            Token::Word(null),
            after @ ..,
        ] if is.is("IS") && not.is("NOT") && null.is("NULL") => {
            Ok((done_null(wanted()?, true)?, after))
        }
        [Token::Word(within), Token::Open, list @ ..] if within.is("IN") => {
            listed(vocabulary, wanted()?, false, list)
        }
        [
            Token::Word(not),
            Token::Word(within),
            Token::Open,
            list @ ..,
        ] if not.is("NOT") && within.is("IN") => listed(vocabulary, wanted()?, true, list),
        _ => Err(Invalid(format!(
            "Invalid clause(s) in filter string: '{}'",
            word.raw
        ))),
    }
}

/// Words that stand for values elsewhere in SQL, but for none here.
fn is_constant(word: &Word) -> bool {
    ["TRUE", "FALSE", "NULL"]
        .iter()
        .any(|constant| word.is(constant))
}

fn done((kind, key, _): Subject, test: Test) -> Comparison {
    Comparison { kind, key, test }
}

/// Resolves the prefix and, for attributes, the name.
fn subject(
    vocabulary: &Vocabulary,
    word: &Word,
    allowed: impl Fn(&Attribute) -> bool,
) -> Result<Subject, Invalid> {
    let kind = match &word.prefix {
        None => Kind::Attribute,
        Some(prefix) => vocabulary
            .prefixes
            .iter()
            .find(|(name, _)| name == prefix)
            .map(|(_, kind)| *kind)
            .ok_or_else(|| {
                Invalid(format!(
                    "Invalid entity type '{prefix}'. Valid values are {}",
                    vocabulary.prefixes_shown
                ))
            })?,
    };
    match kind {
        Kind::Attribute => {
            let attribute = vocabulary
                .attributes
                .iter()
                .find(|a| {
                    allowed(a) && (a.name == word.name || a.aliases.contains(&word.name.as_str()))
                })
                .ok_or_else(|| unknown_attribute(vocabulary, &word.name, allowed))?;
            Ok((kind, attribute.name.to_owned(), Some(*attribute)))
        }
        Kind::Dataset if !matches!(word.name.as_str(), "name" | "digest" | "context") => {
            Err(Invalid(format!(
                "Invalid dataset key '{}' specified. Valid keys are '{{'name', 'digest', 'context'}}'",
                word.name
            )))
        }
        _ => Ok((kind, word.name.clone(), None)),
    }
}

fn unknown_attribute(
    vocabulary: &Vocabulary,
    name: &str,
    allowed: impl Fn(&Attribute) -> bool,
) -> Invalid {
    let known: Vec<String> = vocabulary
        .attributes
        .iter()
        .filter(|a| allowed(a))
        .map(|a| format!("'{}'", a.name))
        .collect();
    Invalid(format!(
        "Invalid attribute key '{name}' specified. Valid keys are '{{{}}}'",
        known.join(", ")
    ))
}

fn is_numeric(subject: &Subject) -> bool {
    subject.0 == Kind::Metric || subject.2.is_some_and(|attribute| attribute.numeric)
}

/// `left op value`.
fn compared(subject: &Subject, op: &str, value: &Token) -> Result<Test, Invalid> {
    if is_numeric(subject) {
        let op = match op {
            "=" => Op::Eq,
            "!=" => Op::Ne,
            ">" => Op::Gt,
            ">=" => Op::Ge,
            "<" => Op::Lt,
            _ => Op::Le,
        };
        return Ok(Test::Number(op, number(subject, value)?));
    }
    let value = text(subject, value)?;
    match op {
        "=" => Ok(Test::Text {
            negated: false,
            value,
        }),
        "!=" => Ok(Test::Text {
            negated: true,
            value,
        }),
        other => Err(wrong_comparator(subject, other)),
    }
}

fn liked(subject: &Subject, ignore_case: bool, value: &Token) -> Result<Test, Invalid> {
    if is_numeric(subject) {
        number(subject, value)?;
        return Err(wrong_comparator(
            subject,
            if ignore_case { "ILIKE" } else { "LIKE" },
        ));
    }
    Ok(Test::Like {
        ignore_case,
        pattern: text(subject, value)?,
    })
}

fn done_null(subject: Subject, negated: bool) -> Result<Comparison, Invalid> {
    if !matches!(subject.0, Kind::Tag | Kind::Param) {
        return Err(Invalid(format!(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}' '{}'",
            subject.0.as_str(),
            subject.1
        )));
    }
    Ok(done(subject, Test::Null { negated }))
}

/// The list after `IN (`, and what follows it.
fn listed<'t>(
    vocabulary: &Vocabulary,
    subject: Subject,
    negated: bool,
    list: &'t [Token],
) -> Result<(Comparison, &'t [Token]), Invalid> {
    if is_numeric(&subject) || matches!(subject.0, Kind::Param | Kind::Tag) {
        return Err(wrong_comparator(
            &subject,
            if negated { "NOT IN" } else { "IN" },
        ));
    }
    if subject.2.is_some_and(|attribute| !attribute.lists) {
        let known: Vec<String> = vocabulary
            .attributes
            .iter()
            .filter(|attribute| attribute.filter && attribute.lists)
            .map(|attribute| format!("'{}'", attribute.name))
            .collect();
        return Err(Invalid(format!(
            "Only [{}] attributes support comparison with a list of quoted string values.",
            known.join(", ")
        )));
    }
    let mut values = Vec::new();
    let mut rest = list;
    loop {
        rest = match rest {
            [Token::Close, after @ ..] if !values.is_empty() => {
                return Ok((done(subject, Test::In { negated, values }), after));
            }
            [Token::Close, ..] => {
                return Err(Invalid::new(
                    "While parsing a list in the query, expected a non-empty list of string values, but got empty list",
                ));
            }
            [value, Token::Comma, after @ ..] if *value != Token::Comma => {
                values.push(list_item(value)?);
                after
            }
            [value, Token::Close, ..] if *value != Token::Comma => {
                values.push(list_item(value)?);
                rest.get(1..).unwrap_or_default()
            }
            open if !open.contains(&Token::Close) => {
                return Err(Invalid(format!(
                    "Invalid clause(s) in filter string: the list after '{}' is not closed",
                    subject.1
                )));
            }
            _ => {
                return Err(Invalid::new(
                    "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.",
                ));
            }
        };
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

fn number(subject: &Subject, token: &Token) -> Result<f64, Invalid> {
    let (kind, key, _) = subject;
    if let Token::Number(raw) = token
        && let Ok(value) = raw.parse()
    {
        return Ok(value);
    }
    Err(Invalid(if *kind == Kind::Metric {
        format!("Expected numeric value type for metric. Found {token}")
    } else {
        format!("Expected numeric value type for numeric attribute: {key}. Found {token}")
    }))
}

fn text(subject: &Subject, token: &Token) -> Result<String, Invalid> {
    match token {
        Token::Text(text) => Ok(text.clone()),
        Token::Word(word) => word.double_quoted().map(str::to_owned).ok_or_else(|| {
            Invalid(format!(
                "Parameter value is either not quoted or unidentified quote types used for string value {}. Use either single or double quotes.",
                word.raw
            ))
        }),
        other => Err(Invalid(match subject.0 {
            Kind::Attribute => format!("Expected a quoted string value for attributes. Got value {other}"),
            Kind::Dataset => format!("Expected a quoted string value for dataset attributes. Got value {other}"),
            kind => format!("Expected a quoted string value for {} (e.g. 'my-value'). Got value {other}", kind.as_str()),
        })),
    }
}

fn wrong_comparator(subject: &Subject, comparator: &str) -> Invalid {
    let known = match subject.0 {
        _ if is_numeric(subject) => "'!=', '<', '<=', '=', '>', '>='",
        Kind::Param | Kind::Tag => "'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'",
        _ => "'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'",
    };
    Invalid(format!(
        "Invalid comparator '{comparator}' not one of '{{{known}}}'"
    ))
}

fn invalid_clause(token: &Token) -> Invalid {
    Invalid(format!("Invalid clause(s) in filter string: '{token}'"))
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;
