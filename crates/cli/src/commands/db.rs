//! `lazuli db`: what the database is, and whether it is whole.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Globals;
use crate::client::block_on;
use crate::error::{CliError, CliResult};
use crate::output::{Printer, note};
use crate::server::compose;
use crate::server::config::flags::SettingFlags;
use crate::server::config::{Config, Surroundings};
use crate::server::home::Home;

/// `lazuli db …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Where the database is, its schema, and how full its tables are.
    #[command(after_help = "Examples:
  lazuli db status
  lazuli db status -o json")]
    Status(Settings),
    /// Read the whole database and report what is damaged. May take long.
    Check(Settings),
}

/// The settings that say where the database is.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    flags: SettingFlags,
}

impl Db {
    /// Runs the command.
    pub(crate) fn run(&self, globals: &Globals) -> CliResult<()> {
        let (Self::Status(settings) | Self::Check(settings)) = self;
        let config = Config::load(
            &settings.flags.with_home(globals.home.as_deref()),
            &Surroundings::process(),
        )?;
        let printer = Printer::new(globals.output, globals.query.as_deref())?;
        let home = Home::at(&config.home);
        if config.database.is_none() && !home.database().exists() {
            return Err(CliError::not_found(format!(
                "there is no database in `{}`",
                home.root().display()
            ))
            .hint("name the right home with --home; `lazuli up` makes a new one"));
        }
        block_on(async {
            let store = compose::open_store(&config, &home).await?;
            let failed = |error: lazuli_store::StoreError| {
                CliError::new(format!("cannot read the database: {error}"))
            };
            let done = match self {
                Self::Status(_) => printer.object(json!(store.status().await.map_err(failed)?)),
                Self::Check(_) => report(&store.check().await.map_err(failed)?),
            };
            store.close().await;
            done
        })
    }
}

fn report(faults: &[String]) -> CliResult<()> {
    if faults.is_empty() {
        note("the database is whole");
        return Ok(());
    }
    Err(CliError::new(format!("the database has {} faults", faults.len()))
        .detail(faults.join("\n"))
        .hint("stop the server, keep a copy of the file, and restore the latest backup with `lazuli restore`"))
}
