//! What a back end that runs jobs must do: the port between the scheduler and the machines.
//!
//! A back end only starts runners on nodes and says whether they live; the runner does everything else and reports over HTTP.
//! The scheduler's driver calls these methods, never a request handler. Each call may be repeated after a crash of the server:
//! launching a job that is launched answers with its handle, ending one that has ended does nothing.

use std::fmt;

use async_trait::async_trait;
use lazuli_spec::runner::StateReport;
use thiserror::Error;

/// A back end that runs jobs.
#[async_trait]
pub trait Executor: Send + Sync + fmt::Debug {
    /// What the machine or machines behind it can give.
    fn capacity(&self) -> Capacity;

    /// Starts the runner of a job on a node. Returns as soon as the runner's process exists, with the text by which it can be
    /// found again, by another server too.
    async fn launch(&self, request: LaunchRequest) -> Result<Handle, ExecutorError>;

    /// Whether the runner lives, and if not, what it left behind.
    async fn poll(&self, job: JobAddress<'_>, handle: &Handle)
    -> Result<RunnerLife, ExecutorError>;

    /// Asks the runner to end its job: it stops the job's processes, uploads what there is and reports `canceled`.
    async fn cancel(&self, job: JobAddress<'_>, handle: &Handle) -> Result<(), ExecutorError>;

    /// Ends the runner and every process of the job at once.
    async fn kill(&self, job: JobAddress<'_>, handle: &Handle) -> Result<(), ExecutorError>;

    /// Removes what the job left on the node, once the server has all of it.
    async fn forget(&self, job: JobAddress<'_>) -> Result<(), ExecutorError>;
}

/// A job as a back end knows it. Names are unique only within their workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobAddress<'a> {
    /// The workspace's name.
    pub workspace: &'a str,
    /// The job's name.
    pub job: &'a str,
}

/// What a back end can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Processor cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

/// A job to be started.
#[derive(Clone)]
pub struct LaunchRequest {
    /// The workspace's name.
    pub workspace: String,
    /// The job's name.
    pub job: String,
    /// The job-scoped token's text.
    pub token: String,
    /// Processor cores of the node.
    pub cores: u32,
    /// Memory of the node, when limited.
    pub memory_bytes: Option<u64>,
}

impl LaunchRequest {
    /// Which job this is.
    pub fn address(&self) -> JobAddress<'_> {
        JobAddress {
            workspace: &self.workspace,
            job: &self.job,
        }
    }
}

impl fmt::Debug for LaunchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the token stays out of logs
        f.debug_struct("LaunchRequest")
            .field("job", &self.job)
            .field("cores", &self.cores)
            .finish_non_exhaustive()
    }
}

/// By what a back end finds a runner again (for local processes: the pid and its start time); kept in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle(pub String);

/// What became of a runner.
#[derive(Debug, Clone, PartialEq)]
pub enum RunnerLife {
    /// It lives.
    Alive,
    /// It has ended and left its last report.
    Ended(Box<StateReport>),
    /// It is gone without a last report; the words say what is known (`killed by signal 9`).
    Lost(String),
}

/// Why a back end could not do as asked.
#[derive(Debug, Error)]
pub enum ExecutorError {
    /// It will not work by trying again: the job fails with these words.
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
}
