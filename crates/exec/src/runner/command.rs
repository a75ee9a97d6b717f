//! Starting a job's command: a shell in a session of its own that dies with the runner.

use std::collections::BTreeMap;
use std::io::{self, PipeReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::process::Child;

use crate::session::{Bond, own_session};

/// Starts `bash -c <command>` (`sh` where there is no bash); both of its outputs are one pipe, in the order they were written.
pub(super) fn start(
    command: &str,
    directory: &Path,
    variables: &BTreeMap<String, String>,
) -> io::Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let mut shell = Command::new(shell());
    shell
        .args(["-c", command])
        .current_dir(directory)
        .env_clear()
        .envs(variables);
    shell
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    own_session(&mut shell, Bond::DiesWithParent);
    let child = tokio::process::Command::from(shell).spawn()?;
    // the pipe's writing ends went away with the command, so the end of the job's output is seen
    Ok((child, reader))
}

fn shell() -> &'static str {
    if Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    }
}
