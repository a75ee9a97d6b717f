//! `lazuli import mlflow` and `lazuli export mlflow`: moving from MLflow's own server to this one, and back.
//!
//! Both work on the home itself and take its lock, so no server may run on it meanwhile.

mod export;
mod import;
mod progress;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use lazuli_core::Core;
use lazuli_core::mlflow_moves::{Foreign, Given, Purpose};
use lazuli_spec::SystemClock;
use lazuli_store::Store;

use crate::cli::Globals;
use crate::client::block_on;
use crate::error::{CliError, CliResult};
use crate::server::config::flags::SettingFlags;
use crate::server::config::{Config, Surroundings};
use crate::server::home::Home;
use crate::server::lock::HomeLock;
use crate::server::{compose, lock};

/// `lazuli import …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Bring an MLflow tracking and registry database over, with its artifacts; no server may be running on the home.
    #[command(after_help = import::HELP)]
    Mlflow(import::Mlflow),
}

/// `lazuli export …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Write a workspace into an MLflow database and an artifact folder; no server may be running on the home.
    #[command(after_help = export::HELP)]
    Mlflow(export::Mlflow),
}

impl Import {
    /// Runs the command.
    pub(crate) fn run(&self, globals: &Globals) -> CliResult<()> {
        let Self::Mlflow(args) = self;
        block_on(args.run(globals))
    }
}

impl Export {
    /// Runs the command.
    pub(crate) fn run(&self, globals: &Globals) -> CliResult<()> {
        let Self::Mlflow(args) = self;
        block_on(args.run(globals))
    }
}

/// Where MLflow's side is.
#[derive(Debug, Args)]
pub(super) struct Side {
    /// MLflow's artifact folder: what `--artifacts-destination` or `mlartifacts`, `mlruns` was.
    #[arg(long, value_name = "FOLDER")]
    artifacts: Option<PathBuf>,
    /// What MLflow's rows call that folder, where that is neither its path nor `mlflow-artifacts:/`, for example `s3://bucket/mlflow`.
    #[arg(long, value_name = "URI", requires = "artifacts")]
    artifacts_uri: Option<String>,
    /// Workspace on Lazuli's side [default: that of --workspace-name].
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
}

impl Side {
    fn workspace<'a>(&'a self, globals: &'a Globals) -> &'a str {
        self.workspace.as_deref().unwrap_or(&globals.workspace_name)
    }

    async fn open(&self, url: &str, theirs: &str, purpose: Purpose) -> CliResult<Foreign> {
        let current = std::env::current_dir().map_err(|error| {
            CliError::new(format!("cannot find the working directory: {error}"))
        })?;
        let given = Given {
            url: url.to_owned(),
            artifacts: self.artifacts.clone(),
            artifacts_name: self.artifacts_uri.clone(),
            workspace: theirs.to_owned(),
            current,
        };
        Foreign::open(&given, purpose).await.map_err(told)
    }
}

/// The home, locked, and the core on it.
struct Opened {
    core: Core,
    store: Store,
    _lock: HomeLock,
}

/// The settings of the home, as `lazuli up` would find them in its file and the environment.
fn settings(globals: &Globals) -> CliResult<(Config, Home)> {
    let config = Config::load(
        &SettingFlags::default().with_home(globals.home.as_deref()),
        &Surroundings::process(),
    )?;
    let home = Home::at(&config.home);
    Ok((config, home))
}

async fn open(config: &Config, home: &Home) -> CliResult<Opened> {
    home.prepare()?;
    let lock = lock::take(home)
        .map_err(|error| error.hint("stop the server first: this works on its home directly"))?;
    let (core, store, _) = compose::open_core(config, home, Arc::new(SystemClock)).await?;
    Ok(Opened {
        core,
        store,
        _lock: lock,
    })
}

impl Opened {
    async fn close(self) {
        self.store.close().await;
    }
}

/// The core's error as a command shows it; the one who runs it sits at the machine and sees the cause.
fn told(error: lazuli_core::Error) -> CliError {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let mut shown = CliError::new(error.message.to_string());
    if let Some(hint) = error.hint {
        shown = shown.hint(hint.to_string());
    }
    match cause {
        Some(cause) if cause != shown.message => shown.detail(cause),
        _ => shown,
    }
}
