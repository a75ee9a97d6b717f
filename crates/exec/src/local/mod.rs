//! Jobs on this machine: one detached runner process for each.
//!
//! A runner is started in a session of its own and outlives the server. It holds a lock in the job's directory for as long as it
//! lives, which says more surely than any number whether it does; its pid with its start time is only ever used together, so a
//! reused pid is never touched. Limits on cores and memory are the scheduler's accounting: nothing enforces them here yet, and the
//! runner says so in the job's system log.

mod runner_process;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lazuli_core::executor::{
    Capacity, Executor, ExecutorError, Handle, JobAddress, LaunchRequest, RunnerLife,
};
use lazuli_spec::runner::{LAUNCH_FILE, Launch, PackageIndex, RESULT_FILE, StateReport};
use rustix::process::Signal;

use self::runner_process::Known;
use crate::files;
use crate::runner::kill_marked;

/// How the local executor starts runners.
#[derive(Clone)]
pub struct LocalConfig {
    /// The program to start: this binary.
    pub program: PathBuf,
    /// Its arguments; the launch file's path is added as the last one. Usually `runner --launch`.
    pub arguments: Vec<OsString>,
    /// Lazuli's home.
    pub home: PathBuf,
    /// Where runners reach the server.
    pub server_url: String,
    /// The authority of the server's certificate, when it is not a public one.
    pub ca_pem: Option<String>,
    /// Where runners get the packages of environments.
    pub packages: PackageIndex,
}

impl LocalConfig {
    /// The usual configuration: the running program, started as `lazuli runner --launch FILE`.
    pub fn new(
        home: impl Into<PathBuf>,
        server_url: impl Into<String>,
        ca_pem: Option<String>,
        packages: PackageIndex,
    ) -> std::io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            arguments: vec!["runner".into(), "--launch".into()],
            home: home.into(),
            server_url: server_url.into(),
            ca_pem,
            packages,
        })
    }
}

/// Runs jobs on this machine.
#[derive(Clone)]
pub struct LocalExecutor {
    config: Arc<LocalConfig>,
    /// How runners that this server started have ended, by the job's directory; nothing for those that have not.
    ends: Arc<Mutex<HashMap<PathBuf, Option<String>>>>,
}

impl fmt::Debug for LocalExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalExecutor")
            .field("home", &self.config.home)
            .finish_non_exhaustive()
    }
}

impl LocalExecutor {
    /// An executor for jobs under `<home>/jobs`.
    pub fn new(config: LocalConfig) -> Self {
        Self {
            config: Arc::new(config),
            ends: Arc::default(),
        }
    }

    /// The directory of a job: `<home>/jobs/<workspace>/<job>`, of which both names must be plain path segments.
    fn directory(&self, address: JobAddress<'_>) -> Result<PathBuf, ExecutorError> {
        let mut path = self.config.home.join("jobs");
        for name in [address.workspace, address.job] {
            let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
            if !plain {
                return Err(ExecutorError::Refused(format!(
                    "`{name}` cannot be in the path of a job's directory"
                )));
            }
            path.push(name);
        }
        Ok(path)
    }

    fn write_launch(&self, directory: &Path, request: &LaunchRequest) -> std::io::Result<PathBuf> {
        let launch = Launch {
            server_url: self.config.server_url.clone(),
            ca_pem: self.config.ca_pem.clone(),
            token: request.token.clone(),
            workspace: request.workspace.clone(),
            job: request.job.clone(),
            home: self.config.home.display().to_string(),
            cores: request.cores,
            memory_bytes: request.memory_bytes,
            packages: self.config.packages.clone(),
        };
        let path = directory.join(LAUNCH_FILE);
        files::write_atomically(&path, &serde_json::to_vec(&launch)?, 0o600)?;
        Ok(path)
    }

    fn start(&self, directory: &Path, request: &LaunchRequest) -> std::io::Result<Known> {
        runner_process::private_directory(directory)?;
        let launch = self.write_launch(directory, request)?;
        let (known, child) = runner_process::spawn(
            &self.config.program,
            &self.config.arguments,
            &launch,
            directory,
        )?;
        let executor = self.clone();
        let directory = directory.to_owned();
        executor.note_end(&directory, None);
        tokio::spawn(async move {
            // waiting keeps the process table clean and learns what only a parent learns
            let end = runner_process::end_of(child).await;
            executor.note_end(&directory, Some(end));
        });
        Ok(known)
    }

    fn note_end(&self, directory: &Path, end: Option<String>) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.insert(directory.to_owned(), end);
    }

    /// What is known of a runner's end; a runner of this very server may be dead a moment before its parent hears of it.
    async fn end_of(&self, directory: &Path) -> Option<String> {
        for _ in 0..40 {
            let known = self
                .ends
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(directory)
                .cloned();
            match known {
                None => return None,
                Some(Some(end)) => return Some(end),
                Some(None) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        None
    }

    async fn why_lost(&self, directory: &Path) -> String {
        let unknown = || "it was killed, or the machine was restarted".to_owned();
        let mut why = self.end_of(directory).await.unwrap_or_else(unknown);
        let said = runner_process::last_words(directory);
        if !said.is_empty() {
            why.push_str(": ");
            why.push_str(&said);
        }
        why
    }
}

fn result_of(directory: &Path) -> Option<StateReport> {
    let text = std::fs::read(directory.join(RESULT_FILE)).ok()?;
    serde_json::from_slice::<StateReport>(&text)
        .ok()
        .filter(|report| report.state.is_terminal())
}

fn known(handle: &Handle) -> Result<Known, ExecutorError> {
    Known::parse(&handle.0).ok_or_else(|| {
        ExecutorError::Refused(format!(
            "`{}` is not a handle of the local executor",
            handle.0
        ))
    })
}

#[async_trait]
impl Executor for LocalExecutor {
    fn capacity(&self) -> Capacity {
        let cores = std::thread::available_parallelism()
            .map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
        Capacity {
            cores,
            memory_bytes: runner_process::memory_of_machine(),
        }
    }

    async fn launch(&self, request: LaunchRequest) -> Result<Handle, ExecutorError> {
        let directory = self.directory(request.address())?;
        if let Some(known) = runner_process::started_before(&directory) {
            return Ok(Handle(known.to_string()));
        }
        let started = self.start(&directory, &request);
        let known = started.map_err(|error| {
            ExecutorError::Unavailable(format!("the runner could not be started: {error}"))
        })?;
        Ok(Handle(known.to_string()))
    }

    async fn poll(
        &self,
        job: JobAddress<'_>,
        handle: &Handle,
    ) -> Result<RunnerLife, ExecutorError> {
        let directory = self.directory(job)?;
        if known(handle)?.lives() || runner_process::holds_lock(&directory) {
            return Ok(RunnerLife::Alive);
        }
        if let Some(report) = result_of(&directory) {
            return Ok(RunnerLife::Ended(Box::new(report)));
        }
        let left = kill_marked(&directory).await;
        let mut why = self.why_lost(&directory).await;
        if left > 0 {
            let _ = write!(why, "; {left} process(es) of the job were ended");
        }
        Ok(RunnerLife::Lost(why))
    }

    async fn cancel(&self, job: JobAddress<'_>, handle: &Handle) -> Result<(), ExecutorError> {
        self.directory(job)?;
        known(handle)?.signal(Signal::TERM);
        Ok(())
    }

    async fn kill(&self, job: JobAddress<'_>, handle: &Handle) -> Result<(), ExecutorError> {
        let directory = self.directory(job)?;
        known(handle)?.signal(Signal::KILL);
        kill_marked(&directory).await;
        Ok(())
    }

    async fn forget(&self, job: JobAddress<'_>) -> Result<(), ExecutorError> {
        let directory = self.directory(job)?;
        if runner_process::holds_lock(&directory) {
            return Err(ExecutorError::Unavailable(format!(
                "the runner of `{}` still lives",
                job.job
            )));
        }
        self.ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&directory);
        let removed = tokio::task::spawn_blocking(move || files::remove_tree(&directory)).await;
        removed.map_err(|error| ExecutorError::Unavailable(error.to_string()))
    }
}
