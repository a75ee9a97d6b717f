//! The filters of searches for issues: two fields, equal to a text or not.

use super::lexer::{Token, Word, tokens};
use crate::invalid::Invalid;

/// Most comparisons of one filter.
const MOST: usize = 50;

/// What a comparison looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueField {
    /// What became of the issue.
    Status,
    /// The run that found it.
    SourceRun,
}

/// One comparison; all of a filter must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueComparison {
    /// What it looks at.
    pub field: IssueField,
    /// `!=` rather than `=`.
    pub negated: bool,
    /// What to compare with.
    pub value: String,
}

/// Reads a filter such as `status = 'resolved' AND source_run_id != 'x'`. An empty one has no comparisons.
pub fn parse_issues_filter(text: &str) -> Result<Vec<IssueComparison>, Invalid> {
    let found = tokens(text);
    let mut rest = found.as_slice();
    let mut comparisons = Vec::new();
    while !rest.is_empty() {
        let [Token::Word(word), Token::Op(op), value, after @ ..] = rest else {
            return Err(invalid_clause(rest));
        };
        if comparisons.len() == MOST {
            return Err(Invalid(format!("a filter has at most {MOST} comparisons")));
        }
        comparisons.push(IssueComparison {
            field: field(word)?,
            negated: negated(op)?,
            value: plain(value).ok_or_else(|| invalid_clause(rest))?,
        });
        rest = match after {
            [Token::Word(and), following @ ..] if and.is("AND") && !following.is_empty() => {
                following
            }
            [] => after,
            wrong => return Err(invalid_clause(wrong)),
        };
    }
    Ok(comparisons)
}

fn field(word: &Word) -> Result<IssueField, Invalid> {
    match (word.prefix.is_none(), word.name.as_str()) {
        (true, "status") => Ok(IssueField::Status),
        (true, "source_run_id") => Ok(IssueField::SourceRun),
        _ => Err(Invalid(format!(
            "Invalid filter field '{}'. Supported fields: {{'status', 'source_run_id'}}",
            word.raw
        ))),
    }
}

fn negated(op: &str) -> Result<bool, Invalid> {
    match op {
        "=" => Ok(false),
        "!=" => Ok(true),
        other => Err(Invalid(format!(
            "Invalid comparator '{other}'. Supported comparators: {{'=', '!='}}"
        ))),
    }
}

/// The text to compare with, which may stand without quotes.
fn plain(token: &Token) -> Option<String> {
    match token {
        Token::Text(text) | Token::Number(text) => Some(text.clone()),
        Token::Word(word) if word.prefix.is_none() => Some(word.name.clone()),
        _ => None,
    }
}

fn invalid_clause(tokens: &[Token]) -> Invalid {
    let words: Vec<String> = tokens.iter().take(3).map(ToString::to_string).collect();
    Invalid(format!(
        "Invalid clause(s) in filter string: {}",
        words.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(field: IssueField, negated: bool, value: &str) -> IssueComparison {
        IssueComparison {
            field,
            negated,
            value: value.to_owned(),
        }
    }

    #[test]
    fn filters_are_read() {
        use IssueField::{SourceRun, Status};
        assert_eq!(parse_issues_filter(" "), Ok(vec![]));
        assert_eq!(
            parse_issues_filter("status = 'resolved' and source_run_id != \"it's\""),
            Ok(vec![
                one(Status, false, "resolved"),
                one(SourceRun, true, "it's")
            ])
        );
        assert_eq!(
            parse_issues_filter("status=pending"),
            Ok(vec![one(Status, false, "pending")])
        );
    }

    #[test]
    fn what_is_none_is_told_so() {
        for (bad, words) in [
            (
                "severity = 'high'",
                "Invalid filter field 'severity'. Supported fields:",
            ),
            ("a.status = 'x'", "Invalid filter field 'a.status'"),
            ("status > 'x'", "Invalid comparator '>'"),
            ("status LIKE 'x'", "Invalid clause(s)"),
            ("status", "Invalid clause(s)"),
            ("status = 'x' OR status = 'y'", "Invalid clause(s)"),
            ("status = 'x' AND", "Invalid clause(s)"),
            ("status = (", "Invalid clause(s)"),
        ] {
            let refusal = parse_issues_filter(bad).unwrap_err().0;
            assert!(refusal.contains(words), "{bad}: {refusal}");
        }
        let many = vec!["status = 'x'"; MOST + 1].join(" AND ");
        assert!(parse_issues_filter(&many).is_err());
    }

    proptest! {
        #[test]
        fn no_filter_panics(text in ".*") {
            let _ = parse_issues_filter(&text);
        }
    }
}
