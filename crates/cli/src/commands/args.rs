//! Options that many commands share, spelled as `az ml` spells them.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;

use crate::error::{CliError, CliResult};

/// One thing by name: `--name NAME`, or the name alone.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Name {
    /// Its name.
    #[arg(value_name = "NAME")]
    position: Option<String>,
    /// Its name, as an option.
    #[arg(long = "name", short = 'n', value_name = "NAME")]
    option: Option<String>,
}

impl Name {
    /// The name, however it was given.
    pub(crate) fn get(&self) -> &str {
        self.position
            .as_deref()
            .or(self.option.as_deref())
            .unwrap_or_default()
    }
}

/// A YAML file and what is changed in it.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// YAML file that describes it.
    #[arg(long, short = 'f', value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Change a field before it is read, for example `--set inputs.rate=0.1`; may be repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE", num_args = 1..)]
    pub(crate) set: Vec<String>,
}

/// How much of a list to show.
#[derive(Debug, Args)]
pub(crate) struct Listing {
    #[command(flatten)]
    pub(crate) sorted: Sorted,
    #[command(flatten)]
    tag: Tag,
    /// Show archived ones as well.
    #[arg(long)]
    pub(crate) include_archived: bool,
    /// Show archived ones only.
    #[arg(long, conflicts_with = "include_archived")]
    pub(crate) archived_only: bool,
}

impl Listing {
    /// The query parameters that say the same to the server.
    pub(crate) fn query(&self) -> Query {
        let view = match (self.archived_only, self.include_archived) {
            (true, _) => Some("ArchivedOnly".to_owned()),
            (false, true) => Some("All".to_owned()),
            (false, false) => None,
        };
        [
            said("list_view_type", view.as_ref()),
            self.sorted.query(),
            self.tag.query(),
        ]
        .concat()
    }
}

/// In which order to show a list, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct Sorted {
    /// Show at most this many.
    #[arg(long, short = 'r', value_name = "COUNT")]
    pub(crate) max_results: Option<usize>,
    #[command(flatten)]
    order: Order,
}

/// In which order to show a list.
#[derive(Debug, Args)]
pub(crate) struct Order {
    /// Sort by this, for example `name` or `created_at desc`.
    #[arg(long, value_name = "FIELD")]
    order_by: Option<String>,
}

/// Which things to show, by their names.
#[derive(Debug, Args)]
pub(crate) struct Named {
    #[command(flatten)]
    pub(crate) sorted: Sorted,
    /// Only names that begin so.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
}

/// Which things to show, by their names and tags.
#[derive(Debug, Args)]
pub(crate) struct Tagged {
    #[command(flatten)]
    pub(crate) named: Named,
    #[command(flatten)]
    tag: Tag,
}

/// Which things to show, by their tags.
#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// Only with this tag.
    #[arg(long, value_name = "KEY[=VALUE]")]
    tag: Option<String>,
}

/// Query parameters of a list.
pub(crate) type Query = Vec<(&'static str, String)>;

fn said(key: &'static str, value: Option<&String>) -> Query {
    value
        .map(|value| (key, value.clone()))
        .into_iter()
        .collect()
}

impl Order {
    /// The query parameter that says the same to the server.
    pub(crate) fn query(&self) -> Query {
        said("order_by", self.order_by.as_ref())
    }
}

impl Sorted {
    /// The query parameters that say the same to the server.
    pub(crate) fn query(&self) -> Query {
        self.order.query()
    }
}

impl Named {
    /// The query parameters that say the same to the server.
    pub(crate) fn query(&self) -> Query {
        let prefix = said("prefix", self.prefix.as_ref());
        [self.sorted.query(), prefix].concat()
    }
}

impl Tag {
    /// The query parameter that says the same to the server.
    pub(crate) fn query(&self) -> Query {
        said("tag", self.tag.as_ref())
    }
}

impl Tagged {
    /// The query parameters that say the same to the server.
    pub(crate) fn query(&self) -> Query {
        [self.named.query(), self.tag.query()].concat()
    }

    /// How many to show.
    pub(crate) fn most(&self) -> Option<usize> {
        self.named.sorted.max_results
    }
}

/// Permission to do what cannot be undone.
#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

impl Consent {
    /// Asks the person at the terminal; without one, `--yes` is required.
    pub(crate) fn obtain(&self, what: &str) -> CliResult<()> {
        if self.yes {
            return Ok(());
        }
        let refused = || {
            CliError::usage(format!("not done: {what}"))
                .hint("pass `--yes` to do it without being asked")
        };
        if !std::io::stdin().is_terminal() {
            return Err(refused());
        }
        // A prompt that cannot be written is answered with nothing, which means no.
        let _ = write!(std::io::stderr(), "{what}? [y/N] ");
        let mut answer = String::new();
        std::io::stdin()
            .read_line(&mut answer)
            .map_err(|error| CliError::new(format!("cannot read the answer: {error}")))?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(refused())
        }
    }
}

/// `key=value` from the command line.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("write it as `key=value`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_cut_at_the_first_equals_sign() {
        assert_eq!(key_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(key_value("=b").is_err() && key_value("ab").is_err());
    }
}
