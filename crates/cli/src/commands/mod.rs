//! One file per command group, and the dispatch from the command line to them.
//!
//! A client command gets a [`Context`]: the printer, and a connection that is made when it is first asked for.

mod args;
mod assets;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod completion;
pub(crate) mod compute;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod db;
pub(crate) mod doctor;
mod document;
pub(crate) mod env;
pub(crate) mod environment;
pub(crate) mod gc;
pub(crate) mod job;
pub(crate) mod lineage;
pub(crate) mod link;
mod local;
pub(crate) mod login;
pub(crate) mod mlflow;
pub(crate) mod model;
pub(crate) mod online_deployment;
pub(crate) mod online_endpoint;
pub(crate) mod restore;
pub(crate) mod role;
pub(crate) mod runner;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod user;
pub(crate) mod version;
mod wait;
pub(crate) mod workspace;

use std::cell::OnceCell;
use std::process::ExitCode;

use crate::cli::{Cli, Command, Globals};
use crate::client::{Client, block_on};
use crate::error::CliResult;
use crate::output::Printer;

/// What a client command works with.
pub(crate) struct Context {
    pub(crate) globals: Globals,
    pub(crate) printer: Printer,
    client: OnceCell<Client>,
}

impl Context {
    fn new(globals: Globals) -> CliResult<Self> {
        let printer = Printer::new(globals.output, globals.query.as_deref())?;
        Ok(Self {
            globals,
            printer,
            client: OnceCell::new(),
        })
    }

    /// The connection, made on first use.
    pub(crate) fn client(&self) -> CliResult<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::connect(&self.globals)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli) -> CliResult<ExitCode> {
    let Cli { globals, command } = cli;
    if let Command::Completion(args) = command {
        return completion::run(&args).map(|()| ExitCode::SUCCESS);
    }
    let command = match local_command(&globals, command)? {
        Local::Done(code) => return Ok(code),
        Local::No(command) => command,
    };
    let context = Context::new(globals)?;
    block_on(client_command(&context, command))
}

/// What became of a command that may need no server.
enum Local {
    /// It was one, and it is done.
    Done(ExitCode),
    /// It was not.
    No(Command),
}

/// Commands of the server's own machine: they start it, or look at its files.
fn local_command(globals: &Globals, command: Command) -> CliResult<Local> {
    match command {
        Command::Up(args) => args.run(globals)?,
        Command::Config(args) => args.run(globals)?,
        Command::Doctor(args) => args.run(globals)?,
        Command::Db(args) => args.run(globals)?,
        Command::Backup(args) => args.run(globals)?,
        Command::Restore(args) => args.run(globals)?,
        Command::Import(command) => command.run(globals)?,
        Command::Export(command) => command.run(globals)?,
        Command::Runner(args) => return Ok(Local::Done(args.run())),
        other => return Ok(Local::No(other)),
    }
    Ok(Local::Done(ExitCode::SUCCESS))
}

async fn client_command(context: &Context, command: Command) -> CliResult<ExitCode> {
    match command {
        // done in `local_command`
        Command::Up(_)
        | Command::Config(_)
        | Command::Doctor(_)
        | Command::Db(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Import(_)
        | Command::Export(_)
        | Command::Runner(_) => {}
        Command::Job(command) => return job::run(context, command).await,
        Command::Data(command) => data::run(context, command).await?,
        Command::Model(command) => model::run(context, command).await?,
        Command::Environment(command) => environment::run(context, command).await?,
        Command::Compute(command) => compute::run(context, command).await?,
        Command::OnlineEndpoint(command) => online_endpoint::run(context, command).await?,
        Command::OnlineDeployment(command) => online_deployment::run(context, command).await?,
        Command::Lineage(command) => lineage::run(context, command).await?,
        Command::Link(command) => link::run(context, command).await?,
        Command::Workspace(command) => workspace::run(context, command).await?,
        Command::Token(command) => token::run(context, command).await?,
        Command::User(command) => user::run(context, command).await?,
        Command::Role(command) => role::run(context, command).await?,
        Command::Gc(args) => gc::run(context, args).await?,
        Command::Audit(command) => return audit::run(context, command).await,
        Command::Login(args) => login::login(context, args).await?,
        Command::Logout(args) => login::logout(context, &args)?,
        Command::Whoami(args) => login::whoami(context, &args).await?,
        Command::Env(args) => env::run(context, &args)?,
        Command::Version(args) => version::run(context, &args).await?,
        Command::Completion(args) => completion::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
