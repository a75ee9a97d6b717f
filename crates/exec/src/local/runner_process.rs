//! One runner process: starting it, knowing it again, ending it.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::process::Child;

use crate::files;
use crate::runner::{LOCK_FILE, identity, passes};
use crate::session::{Bond, own_session};

const LOG_FILE: &str = "runner.log";
const HANDLE_FILE: &str = "runner.handle";
/// Variables that a runner needs and a job does not: how uv and pip reach their index, where interpreters are.
const RUNNER_STARTS: [&str; 3] = ["UV_", "PIP_", "PYENV_"];

/// A runner, known by its pid and the moment it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pid: i32,
    started: u64,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.started)
    }
}

impl Known {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (pid, started) = text.trim().split_once(':')?;
        Some(Self {
            pid: pid.parse().ok().filter(|pid| *pid > 1)?,
            started: started.parse().ok()?,
        })
    }

    /// Whether this very process lives.
    pub(super) fn lives(self) -> bool {
        identity(self.pid) == Some(self.started)
    }

    /// Sends a signal to this very process, or to none.
    pub(super) fn signal(self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        // the descriptor holds the process that has the pid now; the start time then says whether it is the right one
        if let Ok(held) = pidfd_open(pid, PidfdFlags::empty())
            && self.lives()
        {
            let _ = pidfd_send_signal(held, signal);
        }
    }
}

/// A directory that only its owner can look into: it holds the job's token.
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Starts a runner, detached.
pub(super) fn spawn(
    program: &Path,
    arguments: &[OsString],
    launch: &Path,
    directory: &Path,
) -> io::Result<(Known, Child)> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(directory.join(LOG_FILE))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(launch)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(reaches_runner)));
    own_session(&mut command, Bond::Free);
    // not `kill_on_drop`: the runner outlives this server
    let child = tokio::process::Command::from(command).spawn()?;
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .ok_or_else(|| io::Error::other("the new process has no pid"))?;
    // a runner that is over already is known by a moment at which nothing starts
    let known = Known {
        pid,
        started: identity(pid).unwrap_or(0),
    };
    files::write_atomically(
        &directory.join(HANDLE_FILE),
        known.to_string().as_bytes(),
        0o600,
    )?;
    Ok((known, child))
}

fn reaches_runner(name: &str) -> bool {
    name == "PATH"
        || name == "RUST_LOG"
        || passes(name)
        || RUNNER_STARTS.iter().any(|start| name.starts_with(start))
}

/// The runner that an earlier call, perhaps of an earlier server, started in this directory.
pub(super) fn started_before(directory: &Path) -> Option<Known> {
    Known::parse(&fs::read_to_string(directory.join(HANDLE_FILE)).ok()?)
}

/// Whether a living runner holds the directory's lock.
pub(super) fn holds_lock(directory: &Path) -> bool {
    let Ok(file) = OpenOptions::new()
        .read(true)
        .open(directory.join(LOCK_FILE))
    else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
}

/// Waits for the end of a runner, in words.
pub(super) async fn end_of(mut child: Child) -> String {
    match child.wait().await {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("it was killed by signal {signal}"),
            (_, Some(0)) => "it ended without a last report".to_owned(),
            (_, code) => format!("it ended with code {}", code.unwrap_or(-1)),
        },
        Err(error) => format!("its end was not seen: {error}"),
    }
}

/// The last line of the runner's own log.
pub(super) fn last_words(directory: &Path) -> String {
    let text = fs::read(directory.join(LOG_FILE)).unwrap_or_default();
    let from = text.len().saturating_sub(2048);
    String::from_utf8_lossy(&text[from..])
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// All memory of this machine, in bytes; 0 where it does not say.
pub(super) fn memory_of_machine() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<u64>()
            .ok()
    });
    kilobytes.unwrap_or(0) * 1024
}
