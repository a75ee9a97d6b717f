//! `--query`: JMESPath over the result, as `az` has it.

use jmespath::{Expression, Variable};
use serde_json::Value;

use crate::error::{CliError, CliResult};

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Query(Expression<'static>);

impl Query {
    /// Compiles the expression; a mistake names its place.
    pub(crate) fn parse(text: &str) -> CliResult<Self> {
        jmespath::compile(text).map(Self).map_err(|error| {
            CliError::usage(format!("`--query {text}` is not JMESPath: {}", reason(&error)))
                .hint("see https://jmespath.org for the language; quote the expression so that the shell leaves it alone")
        })
    }

    /// Picks from a value.
    pub(crate) fn apply(&self, value: &Value) -> CliResult<Value> {
        let failed =
            |why: String| CliError::usage(format!("`--query {}` failed: {why}", self.0.as_str()));
        let input = Variable::from_serializable(value).map_err(|e| failed(reason(&e)))?;
        let found = self.0.search(input).map_err(|e| failed(reason(&e)))?;
        serde_json::to_value(&*found)
            .map(tidy_numbers)
            .map_err(|e| failed(e.to_string()))
    }
}

/// What went wrong without the library's drawing of the expression.
fn reason(error: &jmespath::JmespathError) -> String {
    format!("{} (column {})", error.reason, error.column + 1)
}

/// JMESPath computes in floating point (`length(@)` is `3.0`); whole numbers go out as whole numbers.
fn tidy_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                Value::from(float as i64)
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(tidy_numbers).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, item)| (key, tidy_numbers(item)))
            .collect(),
        other => other,
    }
}
