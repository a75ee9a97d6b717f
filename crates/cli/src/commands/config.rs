//! `lazuli config`: check the server's settings without starting it, or show where each value comes from.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Globals;
use crate::error::CliResult;
use crate::output::{Column, Printer, note};
use crate::server::config::flags::SettingFlags;
use crate::server::config::{Config, Origin, Raw, Surroundings};

/// `lazuli config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read every setting and say whether the server would start with them.
    #[command(after_help = "Examples:
  lazuli config check --config /etc/lazuli.toml")]
    Check(Settings),
    /// Print every setting with its value and the place it comes from; secrets are left out.
    Show(Settings),
}

/// The same settings that `lazuli up` takes.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    flags: SettingFlags,
}

const COLUMNS: &[Column] = &[
    Column::text("Key", "key"),
    Column::text("Value", "value"),
    Column::text("From", "from"),
];

impl ConfigCommand {
    /// Runs the command.
    pub(crate) fn run(&self, globals: &Globals) -> CliResult<()> {
        let (Self::Check(settings) | Self::Show(settings)) = self;
        let config = Config::load(
            &settings.flags.with_home(globals.home.as_deref()),
            &Surroundings::process(),
        )?;
        let printer = Printer::new(globals.output, globals.query.as_deref())?;
        match self {
            Self::Check(_) => {
                let set = config
                    .values()
                    .filter(|raw| raw.origin != Origin::Default)
                    .count();
                note(format!(
                    "the configuration is fine: {set} settings are set, the others have their defaults"
                ));
                Ok(())
            }
            Self::Show(_) => {
                let rows: Vec<_> = config.values().map(|raw| json!({ "key": raw.setting.key, "value": shown(raw), "from": raw.place() })).collect();
                printer.list(rows, COLUMNS)
            }
        }
    }
}

/// A value for the terminal. A database URL is shown without what could be a password.
fn shown(raw: &Raw) -> String {
    let text = raw.texts.join(",");
    if raw.setting.secret && !text.is_empty() {
        redacted(&text)
    } else {
        text
    }
}

fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "(set, not shown)".to_owned();
    };
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split_once('?').map_or(place, |(place, _)| place);
    if place.len() == rest.len() {
        format!("{scheme}://{place}")
    } else {
        format!("{scheme}://(not shown)@{place}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_shown() {
        assert_eq!(
            redacted("postgres://ml:s3cret@db/lazuli"),
            "postgres://(not shown)@db/lazuli"
        );
        assert_eq!(
            redacted("postgres://db/lazuli?password=s3cret"),
            "postgres://(not shown)@db/lazuli"
        );
        assert_eq!(redacted("host=db password=s3cret"), "(set, not shown)");
        assert_eq!(redacted("s3://bucket/prefix"), "s3://bucket/prefix");
    }
}
