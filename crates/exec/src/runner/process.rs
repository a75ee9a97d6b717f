//! Watching the command: its output into the log, its time, the wish to cancel, and the end of all its processes.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::time::{Instant, sleep_until, timeout};

use super::logs::Log;
use super::processes;
use super::stop::Stop;

/// What a command that was asked to end has to do so.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// What processes have that outlive their command.
const LEFTOVER_GRACE: Duration = Duration::from_secs(1);
/// How long output may still come once every process is gone.
const DRAIN: Duration = Duration::from_secs(2);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandEnd {
    /// By itself, with this code; 128 + n when signal n ended it.
    Exited(i32),
    /// Its time was over.
    TimedOut(i32),
    /// It was asked to end.
    Canceled(i32),
}

impl CommandEnd {
    pub(super) fn exit_code(self) -> i32 {
        match self {
            Self::Exited(code) | Self::TimedOut(code) | Self::Canceled(code) => code,
        }
    }
}

#[derive(Clone, Copy)]
enum Asked {
    Canceled,
    TimedOut,
}

/// Watches a command until it and everything it started are gone.
pub(super) async fn watch(
    mut child: Child,
    output: io::PipeReader,
    log: &mut Log,
    stop: &Stop,
    limit: Option<Duration>,
) -> io::Result<CommandEnd> {
    let mut output = Receiver::from_owned_fd(OwnedFd::from(output))?;
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut asked: Option<(Asked, Instant)> = None;
    let mut buffer = vec![0; 64 * 1024];
    let mut open = true;
    let status = loop {
        let far = Instant::now() + Duration::from_hours(24);
        let kill_at = asked.map_or(far, |(_, at)| at);
        tokio::select! {
            read = output.read(&mut buffer), if open => {
                let count = read?;
                open = count > 0;
                log.write(&buffer[..count])?;
            }
            status = child.wait() => break status?,
            () = stop.asked(), if asked.is_none() => {
                asked = Some((Asked::Canceled, Instant::now() + GRACE));
                processes::signal_descendants(Signal::TERM);
            }
            () = sleep_until(deadline.unwrap_or(far)), if asked.is_none() && deadline.is_some() => {
                asked = Some((Asked::TimedOut, Instant::now() + GRACE));
                processes::signal_descendants(Signal::TERM);
            }
            () = sleep_until(kill_at), if asked.is_some() => processes::kill_descendants().await,
        }
    };
    let grace_ends = asked.map_or_else(|| Instant::now() + LEFTOVER_GRACE, |(_, at)| at);
    let drained = async {
        while open {
            let count = output.read(&mut buffer).await?;
            open = count > 0;
            log.write(&buffer[..count])?;
        }
        io::Result::Ok(())
    };
    let ended = end_leftovers(grace_ends);
    let both = async {
        tokio::join!(ended, async {
            timeout(grace_ends + DRAIN - Instant::now(), drained).await
        })
    };
    if let ((), Ok(Err(error))) = both.await {
        tracing::warn!(%error, "the last output of the job was lost");
    }
    let code = code_of(status);
    Ok(match asked {
        None => CommandEnd::Exited(code),
        Some((Asked::Canceled, _)) => CommandEnd::Canceled(code),
        Some((Asked::TimedOut, _)) => CommandEnd::TimedOut(code),
    })
}

/// Ends what the command left running: politely until `grace_ends`, then for good.
async fn end_leftovers(grace_ends: Instant) {
    if processes::signal_descendants(Signal::TERM) == 0 {
        return;
    }
    while Instant::now() < grace_ends {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if processes::descendants().is_empty() {
            return;
        }
    }
    processes::kill_descendants().await;
}

fn code_of(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}
