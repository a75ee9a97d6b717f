//! Starts one worker process and waits until it holds its model.
//!
//! The process leads a group of its own. Its standard output is one end of the socket the frames go over, its standard error
//! feeds the log, and its standard input is the lifeline: when this server is gone, however it went, the kernel closes the
//! other end and the worker's whole group is killed (`python/lazuli_worker/lifeline.py`). No orphan survives a `kill -9`.

use crate::frames::{self, WorkerHeader};
use crate::logs::{self, DeploymentLog};
use crate::pool::{LoadFailure, ModelKind, WorkerSpec};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, Command};

/// A process that is up and holds its model.
pub(crate) struct Launched {
    pub(crate) process: Process,
    pub(crate) stream: UnixStream,
    pub(crate) schema: serde_json::Value,
    pub(crate) seconds: f64,
}

/// A worker's process group; dropping it kills the group through the lifeline.
pub(crate) struct Process {
    child: Child,
    group: Option<Pid>,
    /// Taken out of `child`, which would close it as soon as its end is awaited.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    /// Waits until the process ends by itself.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Kills the process and everything it started, and reaps it.
    pub(crate) async fn kill(&mut self) {
        if let Some(group) = self.group {
            // the group may be gone already
            let _ = kill_process_group(group, Signal::KILL);
        }
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "a worker could not be reaped");
        }
    }

    /// The process id, while it lives.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

/// Starts a process and waits for its first word, at most `spec.load_timeout`.
pub(crate) async fn launch(
    spec: &WorkerSpec,
    log: &Arc<DeploymentLog>,
) -> Result<Launched, LoadFailure> {
    let (mut process, mut stream) = spawn(spec, log).map_err(|error| {
        LoadFailure::new(format!(
            "the worker could not be started with {}: {error}",
            spec.python.display()
        ))
    })?;
    let word = tokio::time::timeout(spec.load_timeout, frames::read(&mut stream)).await;
    let failure = match word {
        Ok(Ok((WorkerHeader::Ready { schema, seconds }, _))) => {
            return Ok(Launched {
                process,
                stream,
                schema,
                seconds,
            });
        }
        Ok(Ok((WorkerHeader::Failed { message, traceback }, _))) => LoadFailure {
            message,
            traceback: Some(traceback),
        },
        Ok(Ok((WorkerHeader::Reply { .. }, _))) => {
            LoadFailure::new("the worker answered before it was asked".to_owned())
        }
        Ok(Err(_)) => {
            process.kill_group();
            let how = process
                .ended()
                .await
                .map_or_else(|error| error.to_string(), |status| status.to_string());
            LoadFailure::new(format!(
                "the worker ended while it loaded the model ({how}); its log has more"
            ))
        }
        Err(_) => LoadFailure::new(format!(
            "the model was not loaded within {} seconds; raise readiness_probe.failure_threshold or initial_delay if it needs longer",
            spec.load_timeout.as_secs_f64()
        )),
    };
    process.kill().await;
    Err(failure)
}

impl Process {
    fn kill_group(&self) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn spawn(spec: &WorkerSpec, log: &Arc<DeploymentLog>) -> io::Result<(Process, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = theirs.into_std()?;
    theirs.set_nonblocking(false)?;
    let mut child = Command::new(&spec.python)
        .args(["-c", crate::embedded::START])
        .arg(&spec.worker_dir)
        .env_clear()
        .envs(&spec.env)
        .env("LAZULI_WORKER", settings(&spec.model))
        .current_dir(&spec.cwd)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(pipe) = child.stderr.take() {
        tokio::spawn(logs::pump(pipe, log.clone()));
    }
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let lifeline = child.stdin.take();
    Ok((
        Process {
            child,
            group,
            _lifeline: lifeline,
        },
        ours,
    ))
}

fn settings(model: &ModelKind) -> String {
    let (kind, path) = match model {
        ModelKind::Mlflow(folder) => ("mlflow", folder),
        ModelKind::Script(file) => ("score", file),
    };
    serde_json::json!({ "kind": kind, "path": path }).to_string()
}
