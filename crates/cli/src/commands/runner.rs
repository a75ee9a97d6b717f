//! `lazuli runner`: the process beside a job. The server starts it; people do not.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use lazuli_exec::runner;

/// Run one job from its launch file.
#[derive(Debug, Args)]
pub(crate) struct Runner {
    /// The launch file that the server wrote.
    #[arg(long, value_name = "FILE")]
    launch: PathBuf,
}

impl Runner {
    /// Runs the job to its end.
    pub(crate) fn run(&self) -> ExitCode {
        runner::main(&self.launch)
    }
}
