//! `lazuli`, the one binary: the server, the small process beside each job, and every client command.
//!
//! This file only parses the command line, dispatches, and turns the result into an exit code. Nothing heavy
//! happens before a command needs it: no threads, no TLS, no files are touched for `--help` or `--version`.

mod archive;
mod cli;
mod client;
mod commands;
#[cfg(test)]
mod documentation;
mod download;
mod error;
mod output;
#[cfg(test)]
mod reference;
mod server;
mod upload;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            error.print();
            error.exit_code()
        }
    }
}
