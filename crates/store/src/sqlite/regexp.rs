//! `regexp(pattern, text)`: regular expressions in filters, by the rules that PostgreSQL's are written for.

use std::sync::Arc;

use lazuli_spec::filters::pattern;
use regex::Regex;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Makes the function known to a connection.
pub(super) fn register(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("regexp", 2, flags, matches)
}

/// NULL for what is no text, as a comparison with NULL is. The pattern is compiled once in a statement.
fn matches(context: &Context<'_>) -> Result<Option<bool>, Error> {
    let regex: Arc<Regex> = context.get_or_create_aux(0, |value| -> Result<Regex, Failure> {
        pattern::compile(value.as_str()?).map_err(Failure::from)
    })?;
    Ok(match context.get_raw(1) {
        ValueRef::Text(text) => std::str::from_utf8(text)
            .ok()
            .map(|text| regex.is_match(text)),
        _ => None,
    })
}
