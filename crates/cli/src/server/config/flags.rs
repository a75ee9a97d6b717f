//! The command-line flags of the settings, made from the table so that they cannot drift from it.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::sources::Flags;
use super::table::{Kind, SETTINGS, Setting};

/// The settings given as flags; flatten it into any command that reads the server's configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct SettingFlags(Flags);

/// The one setting that is a flag of every command, and so is defined at the root of the command line.
const GLOBAL: &str = "home";

/// Settings shown by `-h`; the others appear with `--help`.
fn is_common(setting: &Setting) -> bool {
    !setting.key.contains('.')
}

fn argument(setting: &'static Setting) -> Arg {
    let value_name = match setting.kind {
        Kind::Path => "PATH",
        Kind::Count => "NUMBER",
        Kind::Port => "PORT",
        Kind::Bytes => "SIZE",
        Kind::Span => "TIME",
        Kind::List => "VALUE",
        Kind::Choice(_) => "WORD",
        Kind::Text => "TEXT",
    };
    let default = if setting.default.is_empty() {
        String::new()
    } else {
        format!(" [default: {}]", setting.default)
    };
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(value_name)
        .help(format!("{}{default}", setting.meaning))
        .help_heading("Settings")
        .hide_short_help(!is_common(setting));
    if setting.kind == Kind::List {
        arg.action(ArgAction::Append).num_args(1..)
    } else {
        arg.action(ArgAction::Set)
    }
}

impl SettingFlags {
    /// The flags together with the global `--home`.
    pub(crate) fn with_home(&self, home: Option<&Path>) -> Flags {
        let mut flags = self.0.clone();
        if let Some(home) = home {
            flags.insert(GLOBAL, vec![home.display().to_string()]);
        }
        flags
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(
            SETTINGS
                .iter()
                .filter(|setting| setting.key != GLOBAL)
                .map(argument),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for setting in SETTINGS {
            // the global one is typed by its own definition
            if setting.key == GLOBAL {
                continue;
            }
            if let Ok(Some(values)) = matches.try_get_many::<String>(setting.key) {
                self.0.insert(setting.key, values.cloned().collect());
            }
        }
        Ok(())
    }
}
