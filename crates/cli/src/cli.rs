//! The root of the command line: options that every command takes, and the list of commands.
//!
//! Groups and options are named as Azure's `az ml` names them, so that scripts move by changing two words. The help
//! texts here are also the reference manual: `docs/reference/cli.md` is generated from them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::output::Format;

/// A self-hosted machine learning platform: data, training, tracking, models, endpoints.
#[derive(Debug, Parser)]
#[command(
    name = "lazuli",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    after_help = "Examples:
  lazuli up                                       start the server
  lazuli job create --file job.yml --stream       run a job and watch it
  lazuli job list                                 see what has run
  eval \"$(lazuli env)\"                            point mlflow at this server"
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Workspace to work in.
    #[arg(
        long,
        short = 'w',
        global = true,
        value_name = "NAME",
        env = "LAZULI_WORKSPACE",
        default_value = "default",
        hide_env_values = true
    )]
    pub(crate) workspace_name: String,
    /// How to print the result [default: table, or json with --query].
    #[arg(
        long,
        short = 'o',
        global = true,
        value_enum,
        value_name = "FORMAT",
        env = "LAZULI_OUTPUT",
        hide_env_values = true
    )]
    pub(crate) output: Option<Format>,
    /// JMESPath expression that picks from the result, for example `[].name`.
    #[arg(long, global = true, value_name = "JMESPATH")]
    pub(crate) query: Option<String>,
    /// Address of the server [default: the one running in --home].
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LAZULI_SERVER",
        hide_env_values = true
    )]
    pub(crate) server: Option<String>,
    /// Certificate authority (PEM) to trust for the server [default: HOME/tls/ca.pem].
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LAZULI_CA",
        hide_env_values = true
    )]
    pub(crate) ca: Option<PathBuf>,
    /// Lazuli's own folder [default: ~/.lazuli].
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        env = "LAZULI_HOME",
        hide_env_values = true
    )]
    pub(crate) home: Option<PathBuf>,
    /// Accepted so that Azure scripts run unchanged; not used.
    #[arg(long, short = 'g', global = true, value_name = "NAME", hide = true)]
    pub(crate) resource_group: Option<String>,
    /// Accepted so that Azure scripts run unchanged; not used.
    #[arg(long, global = true, value_name = "ID", hide = true)]
    pub(crate) subscription: Option<String>,
}

impl Globals {
    /// The home folder: `--home`, `LAZULI_HOME`, else `~/.lazuli`.
    pub(crate) fn home(&self) -> PathBuf {
        if let Some(home) = &self.home {
            return home.clone();
        }
        std::env::home_dir()
            .unwrap_or_else(|| PathBuf::from("."))
            .join(".lazuli")
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server; it stays in the foreground until Ctrl-C or SIGTERM.
    Up(commands::up::Up),
    /// Check or show the server's settings.
    #[command(subcommand)]
    Config(commands::config::ConfigCommand),
    /// Check this machine: Python, uv, disk, port, permissions, isolation, database, clock.
    Doctor(commands::doctor::Doctor),
    /// What the database is, and whether it is whole.
    #[command(subcommand)]
    Db(commands::db::Db),
    /// Write a backup; the server may be running.
    Backup(commands::backup::Backup),
    /// Make a home from a backup; no server may be running on it.
    Restore(commands::restore::Restore),
    /// Bring over what is in another system.
    #[command(subcommand)]
    Import(commands::mlflow::Import),
    /// Give a workspace to another system.
    #[command(subcommand)]
    Export(commands::mlflow::Export),
    /// Run one job from its launch file.
    #[command(hide = true)]
    Runner(commands::runner::Runner),
    /// Jobs: run, watch, list, cancel, download.
    #[command(subcommand)]
    Job(commands::job::Job),
    /// Data assets: versioned files and folders.
    #[command(subcommand)]
    Data(commands::data::Data),
    /// Models: register, list, download.
    #[command(subcommand)]
    Model(commands::model::Model),
    /// Environments: what a job or a deployment runs in.
    #[command(subcommand)]
    Environment(commands::environment::Environment),
    /// Compute: where jobs run.
    #[command(subcommand)]
    Compute(commands::compute::Compute),
    /// Online endpoints: stable addresses that score.
    #[command(subcommand)]
    OnlineEndpoint(commands::online_endpoint::OnlineEndpoint),
    /// Online deployments: models behind an endpoint.
    #[command(subcommand)]
    OnlineDeployment(commands::online_deployment::OnlineDeployment),
    /// Lineage: what something was made from, back to the data and the code.
    #[command(subcommand)]
    Lineage(commands::lineage::Lineage),
    /// Links: one file for whoever has the address, until it expires.
    #[command(subcommand)]
    Link(commands::link::Link),
    /// Workspaces: separate rooms for teams.
    #[command(subcommand)]
    Workspace(commands::workspace::Workspace),
    /// Access tokens.
    #[command(subcommand)]
    Token(commands::token::Token),
    /// Users and service principals.
    #[command(subcommand)]
    User(commands::user::User),
    /// Roles and who holds them.
    #[command(subcommand)]
    Role(commands::role::Role),
    /// Remove for good what was deleted: runs, logged models, experiments, with their files.
    Gc(commands::gc::Gc),
    /// The audit log: read it, prove it whole.
    #[command(subcommand)]
    Audit(commands::audit::Audit),
    /// Remember a server and a token.
    Login(commands::login::Login),
    /// Forget a server and its token.
    Logout(commands::login::Logout),
    /// Who the server takes you for.
    Whoami(commands::login::Whoami),
    /// Print what mlflow needs in the environment: `eval "$(lazuli env)"`.
    Env(commands::env::Env),
    /// Versions of this program and of the server.
    Version(commands::version::Version),
    /// Print a completion script for your shell.
    Completion(commands::completion::Completion),
}
