//! Everything that goes to standard output.
//!
//! A command hands over JSON, as the server gave it, and says which columns a person wants to see; the printer applies
//! `--query` and `--output`. Programs get the whole object (`-o json`), people a table. Messages that are not data go
//! to standard error through [`note`].

mod detail;
mod query;
mod table;
mod tsv;

use std::io::{self, Write as _};

use serde_json::Value;

pub(crate) use query::Query;
pub(crate) use table::{Column, human_size};

use crate::error::{CliError, CliResult};

/// The shapes `--output` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people.
    Table,
    /// Indented JSON, the whole object.
    Json,
    /// YAML, the whole object.
    Yaml,
    /// Tab-separated values without a header, for shells.
    Tsv,
    /// Nothing: only the exit status.
    None,
}

/// Prints results as the caller asked.
#[derive(Debug)]
pub(crate) struct Printer {
    format: Format,
    query: Option<Query>,
}

impl Printer {
    /// `--query` without `--output` means JSON, as in `az`; a bad expression is reported before anything is done.
    pub(crate) fn new(format: Option<Format>, query: Option<&str>) -> CliResult<Self> {
        let query = query.map(Query::parse).transpose()?;
        let default = if query.is_some() {
            Format::Json
        } else {
            Format::Table
        };
        Ok(Self {
            format: format.unwrap_or(default),
            query,
        })
    }

    /// Whether people read the result (then hints and notes are welcome).
    pub(crate) fn for_people(&self) -> bool {
        self.format == Format::Table
    }

    /// Prints a list; `columns` are what the table shows.
    pub(crate) fn list(&self, items: Vec<Value>, columns: &[Column]) -> CliResult<()> {
        if self.format == Format::Table && self.query.is_none() {
            return write_stdout(&table::render(&items, columns));
        }
        self.any(Value::Array(items))
    }

    /// Prints one object.
    pub(crate) fn object(&self, object: Value) -> CliResult<()> {
        self.any(object)
    }

    fn any(&self, value: Value) -> CliResult<()> {
        let value = match &self.query {
            Some(query) => query.apply(&value)?,
            None => value,
        };
        write_stdout(&render(&value, self.format)?)
    }
}

/// Renders any value in a format; the table of an unknown shape is derived from its keys.
fn render(value: &Value, format: Format) -> CliResult<String> {
    Ok(match format {
        Format::Json => to_json(value)? + "\n",
        Format::Yaml => {
            let text = serde_saphyr::to_string(value)
                .map_err(|e| CliError::new(format!("cannot write YAML: {e}")))?;
            if text.ends_with('\n') {
                text
            } else {
                text + "\n"
            }
        }
        Format::Tsv => tsv::render(value),
        Format::Table => match value {
            Value::Array(items) => table::derived(items),
            Value::Object(_) => detail::render(value),
            Value::Null => String::new(),
            scalar => table::plain(scalar) + "\n",
        },
        Format::None => String::new(),
    })
}

fn to_json(value: &Value) -> CliResult<String> {
    serde_json::to_string_pretty(value)
        .map_err(|e| CliError::new(format!("cannot write JSON: {e}")))
}

/// Writes data to standard output. A reader that has gone away (`| head`) is not a failure.
pub(crate) fn write_stdout(text: &str) -> CliResult<()> {
    write_stdout_bytes(text.as_bytes())
}

/// As [`write_stdout`], for bytes that need not be text (a log, a scoring answer).
pub(crate) fn write_stdout_bytes(bytes: &[u8]) -> CliResult<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::new(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Tells a person something that is not data, on standard error.
pub(crate) fn note(message: impl AsRef<str>) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{}", message.as_ref());
}

#[cfg(test)]
mod tests;
