//! SQL put together at run time from parsed filters: the text holds only our own words, every value is bound.

use lazuli_spec::filters::{Op, Test, pattern};

use crate::{Dialect, Value};

/// A statement under construction: its text, and the values of its placeholders.
#[derive(Debug)]
pub(crate) struct Statement {
    dialect: Dialect,
    pub(crate) values: Vec<Value>,
}

impl Statement {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            values: Vec::new(),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Binds a value and gives its placeholder.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// The condition that a text column fulfils the test. A number test cannot stand against a text and matches nothing;
    /// the grammar does not let one come here.
    pub(crate) fn text_test(&mut self, column: &str, test: &Test) -> String {
        match test {
            Test::Text { negated, value } => {
                let placeholder = self.bind(value.as_str());
                let operator = if *negated { "<>" } else { "=" };
                format!("{column} {operator} {placeholder}")
            }
            Test::Like {
                ignore_case,
                pattern,
            } => {
                let placeholder = self.bind(pattern.as_str());
                if *ignore_case {
                    self.dialect.ilike(column, &placeholder)
                } else {
                    self.dialect.like(column, &placeholder)
                }
            }
            Test::Regex { pattern } => self.regex_test(column, pattern),
            Test::In { negated, values } => {
                let list: Vec<String> = values.iter().map(|v| self.bind(v.as_str())).collect();
                let operator = if *negated { "NOT IN" } else { "IN" };
                format!("{column} {operator} ({})", list.join(", "))
            }
            Test::Null { negated } => {
                let operator = if *negated { "IS NOT NULL" } else { "IS NULL" };
                format!("{column} {operator}")
            }
            Test::Number(..) => "1 = 0".to_owned(),
        }
    }

    /// The condition that a text column equals a value, for an index on the column's first 128 characters. It says "does not
    /// differ": told that the column equals the value, SQLite puts the value into the index's expression and loses the index.
    pub(crate) fn is_by_prefix(&mut self, column: &str, value: &str) -> String {
        let value = self.bind(value);
        format!("substr({column}, 1, 128) = substr({value}, 1, 128) AND NOT {column} <> {value}")
    }

    /// The condition that a regular expression matches somewhere in a text column. A pattern that cannot run matches nothing; the
    /// grammar does not let one come here.
    pub(crate) fn regex_test(&mut self, column: &str, regex: &str) -> String {
        let regex = match self.dialect {
            Dialect::Sqlite => Ok(regex.to_owned()),
            Dialect::Postgres => pattern::for_postgres(regex),
        };
        match regex {
            Ok(regex) => {
                let placeholder = self.bind(regex);
                self.dialect.regex(column, &placeholder)
            }
            Err(_) => "1 = 0".to_owned(),
        }
    }

    /// The condition on a column of microseconds, asked for in milliseconds: what is shown is rounded down, so
    /// `= 5` means the whole fifth millisecond.
    pub(crate) fn millis_test(&mut self, column: &str, op: Op, millis: f64) -> String {
        let floor = millis.floor();
        let whole = floor.total_cmp(&millis).is_eq();
        let start = Value::Integer((floor * 1_000.0) as i64);
        let next = Value::Integer(((floor + 1.0) * 1_000.0) as i64);
        match op {
            Op::Eq | Op::Ne if !whole => if op == Op::Eq { "1 = 0" } else { "1 = 1" }.to_owned(),
            Op::Eq => {
                let (from, to) = (self.bind(start), self.bind(next));
                format!("({column} >= {from} AND {column} < {to})")
            }
            Op::Ne => {
                let (from, to) = (self.bind(start), self.bind(next));
                format!("({column} < {from} OR {column} >= {to})")
            }
            Op::Ge if whole => format!("{column} >= {}", self.bind(start)),
            Op::Lt if whole => format!("{column} < {}", self.bind(start)),
            Op::Gt | Op::Ge => format!("{column} >= {}", self.bind(next)),
            Op::Lt | Op::Le => format!("{column} < {}", self.bind(next)),
        }
    }

    /// The condition that a row comes after the given place in an order of several keys: (expression, ascending, value
    /// of the last row shown). The first key also bounds the range by itself, so that an index can start there.
    pub(crate) fn after(&mut self, keys: &[(String, bool, Value)]) -> String {
        let mut alternatives = Vec::with_capacity(keys.len());
        let mut equal = String::new();
        let mut bound = String::new();
        for (expression, ascending, value) in keys {
            let placeholder = self.bind(value.clone());
            let further = if *ascending { ">" } else { "<" };
            alternatives.push(format!("({equal}{expression} {further} {placeholder})"));
            if bound.is_empty() {
                bound = format!("{expression} {further}= {placeholder} AND ");
            }
            equal = format!("{equal}{expression} = {placeholder} AND ");
        }
        format!("({bound}({}))", alternatives.join(" OR "))
    }
}

/// Placeholder lists of a few fixed lengths, so that statements stay prepared: `items` in chunks whose last one is filled
/// up by repeating its last item.
pub(crate) fn padded_chunks<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    const SIZES: [usize; 4] = [1, 16, 128, 1_024];
    let mut chunks = Vec::new();
    for chunk in items.chunks(1_024) {
        let size = SIZES
            .into_iter()
            .find(|size| chunk.len() <= *size)
            .unwrap_or(1_024);
        let mut padded = chunk.to_vec();
        if let Some(last) = chunk.last() {
            padded.resize(size, last.clone());
        }
        chunks.push(padded);
    }
    chunks
}

/// `$first, $first+1, …`: a list of `count` placeholders.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    let list: Vec<String> = (first..first + count).map(|n| format!("${n}")).collect();
    list.join(", ")
}

/// `($1, $2), ($3, $4), …`: rows for an INSERT.
pub(crate) fn rows(count: usize, columns: usize) -> String {
    let list: Vec<String> = (0..count)
        .map(|row| format!("({})", placeholders(row * columns + 1, columns)))
        .collect();
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_by_their_first_key() {
        let mut statement = Statement::new(Dialect::Sqlite);
        let keys = [
            ("a".to_owned(), false, Value::Integer(5)),
            ("b".to_owned(), true, Value::Text("x".into())),
        ];
        assert_eq!(
            statement.after(&keys),
            "(a <= $1 AND ((a < $1) OR (a = $1 AND b > $2)))"
        );
    }

    #[test]
    fn milliseconds_are_whole_spans_of_microseconds() {
        let mut statement = Statement::new(Dialect::Sqlite);
        assert_eq!(statement.millis_test("t", Op::Gt, 5.0), "t >= $1");
        assert_eq!(statement.values, [Value::Integer(6_000)]);
        assert_eq!(statement.millis_test("t", Op::Eq, 5.5), "1 = 0");
        assert_eq!(statement.millis_test("t", Op::Ge, 5.5), "t >= $2");
    }

    #[test]
    fn chunks_have_few_lengths() {
        let lengths: Vec<usize> = padded_chunks(&vec![7; 1_100])
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(lengths, [1_024, 128]);
        assert_eq!(padded_chunks(&[1, 2])[0][15], 2);
        assert_eq!(rows(2, 2), "($1, $2), ($3, $4)");
    }
}
