//! The one error every command returns, and how it reads on a terminal.
//!
//! A message says what was wrong; `field` and `location` say where; `hint` says what to do next. The words carry the
//! meaning, colour is only decoration. Everything here goes to standard error: standard output is for data.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// What a command returns.
pub(crate) type CliResult<T> = Result<T, CliError>;

/// An error as a person sees it. Boxed texts keep it small: it travels in every `Result`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    /// What was wrong, lower case, no full stop.
    pub(crate) message: String,
    /// The field of a request or file that was wrong.
    pub(crate) field: Option<Box<str>>,
    /// `file:line:column`, when a file was wrong.
    pub(crate) location: Option<Box<str>>,
    /// What to do about it.
    pub(crate) hint: Option<Box<str>>,
    /// Further lines, printed as they are (the last lines of a failed job, a list of mistakes).
    pub(crate) detail: Option<Box<str>>,
    /// Whether the same request may succeed a little later: the server was away, or broke off.
    pub(crate) is_passing: bool,
    /// Process exit status.
    pub(crate) exit: Exit,
}

/// Exit statuses; the first three are the same as Azure's command line uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command failed.
    Failure = 1,
    /// The command line itself was wrong.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// Another server already runs on this home.
    AlreadyRunning = 4,
}

impl CliError {
    /// A plain failure.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            field: None,
            location: None,
            hint: None,
            detail: None,
            is_passing: false,
            exit: Exit::Failure,
        }
    }

    /// A mistake on the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(message)
        }
    }

    /// Something that does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::NotFound,
            ..Self::new(message)
        }
    }

    /// A failed operation on a local file.
    pub(crate) fn io(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(format!("cannot {what} `{}`: {error}", path.display()))
    }

    /// Says that the same request may succeed a little later.
    #[must_use]
    pub(crate) fn passing(mut self) -> Self {
        self.is_passing = true;
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the field that was wrong.
    #[must_use]
    pub(crate) fn field(mut self, field: impl Into<Box<str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds lines to print below the message.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<Box<str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The text for a terminal, without colour.
    pub(crate) fn render(&self) -> String {
        let mut text = match &self.location {
            Some(location) => format!("error: {location}: {}\n", self.message),
            None => format!("error: {}\n", self.message),
        };
        if let Some(field) = &self.field {
            let _ = writeln!(text, "  field: {field}");
        }
        for line in self.detail.iter().flat_map(|detail| detail.lines()) {
            let _ = writeln!(text, "  | {line}");
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\nhint: {hint}\n");
        }
        text
    }

    /// Prints to standard error; `error:` and `hint:` are coloured on a terminal unless `NO_COLOR` is set.
    pub(crate) fn print(&self) {
        let mut text = self.render();
        if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
            text = text
                .replacen("error:", "\x1b[1;31merror:\x1b[0m", 1)
                .replacen("\nhint:", "\n\x1b[1;36mhint:\x1b[0m", 1);
        }
        // Nobody is left to tell when standard error is closed.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// The status to leave with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_shown_in_reading_order() {
        let mut error = CliError::new("`cpus` is not a known field")
            .field("resources.cpus")
            .detail("one\ntwo")
            .hint("did you mean `cpu`?");
        error.location = Some("job.yml:3:5".into());
        insta::assert_snapshot!(error.render(), @r"
        error: job.yml:3:5: `cpus` is not a known field
          field: resources.cpus
          | one
          | two

        hint: did you mean `cpu`?
        ");
    }
}
