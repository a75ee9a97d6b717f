//! `lazuli completion`: scripts that complete commands and options in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::CliResult;
use crate::output::write_stdout_bytes;

/// Which shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lazuli completion bash > ~/.local/share/bash-completion/completions/lazuli
  lazuli completion zsh > \"${fpath[1]}/_lazuli\"")]
pub(crate) struct Completion {
    /// The shell to write for.
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Completion) -> CliResult<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lazuli", &mut script);
    write_stdout_bytes(&script)
}
