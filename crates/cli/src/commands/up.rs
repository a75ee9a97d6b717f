//! `lazuli up`: start the server and stay until it is stopped.

use clap::Args;

use crate::cli::Globals;
use crate::error::CliResult;
use crate::server;
use crate::server::config::flags::SettingFlags;
use crate::server::config::{Config, Surroundings};

/// Start the server; it stays in the foreground until Ctrl-C or SIGTERM.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 after a signal, 2 for a wrong setting, 4 when a server already runs on this home, 1 for anything else.

Examples:
  lazuli up                                      on this machine only, https://127.0.0.1:7878
  lazuli up --host ml.example.org                for everyone who can reach this machine, under this name
  lazuli up --port 0 --home /tmp/trial           on a free port, with a home of its own"
)]
pub(crate) struct Up {
    #[command(flatten)]
    settings: SettingFlags,
}

impl Up {
    /// Runs the command.
    pub(crate) fn run(&self, globals: &Globals) -> CliResult<()> {
        let config = Config::load(
            &self.settings.with_home(globals.home.as_deref()),
            &Surroundings::process(),
        )?;
        server::run(&config)
    }
}
