//! The protocol between the server and the runner, the small process beside each job.
//!
//! The executor writes a [`Launch`] file and starts the runner with it. The runner asks for its [`RunnerPlan`], then reports
//! each change of state ([`StateReport`]), beats ([`Heartbeat`]), sends logs as raw bytes at an offset, and names the tree of each
//! output ([`OutputReport`]). Every call may be repeated: reports carry a sequence number, logs an offset. The last report is
//! also written to `result.json` in the job's directory, so that a server that was away finds the end of the job.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::expressions::{self, Binding, ExpressionError};

/// The version of this protocol; a runner refuses a plan with another one.
pub const PROTOCOL: u32 = 1;
/// The log that holds the job's own output.
pub const STD_LOG: &str = "user_logs/std_log.txt";
/// The log in which the runner tells what it does.
pub const SYSTEM_LOG: &str = "system_logs/lazuli.txt";
/// The file in the job's directory that tells the runner where to begin.
pub const LAUNCH_FILE: &str = "launch.json";
/// The file in the job's directory that holds the last [`StateReport`].
pub const RESULT_FILE: &str = "result.json";
/// How often a runner beats.
pub const HEARTBEAT_SECONDS: u64 = 5;
/// The most bytes of a log that one request carries.
pub const MAX_LOG_CHUNK: usize = 1024 * 1024;

/// What a runner is started with; the file is readable by its owner only.
#[derive(Clone, Serialize, Deserialize)]
pub struct Launch {
    /// Where the server answers.
    pub server_url: String,
    /// The server's certificate authority, when it is not a public one.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// The job-scoped token.
    pub token: String,
    /// The workspace's name.
    pub workspace: String,
    /// The job's name, which is its run's id.
    pub job: String,
    /// Lazuli's home directory: environments and caches live under it.
    pub home: String,
    /// Processor cores the job may use.
    pub cores: u32,
    /// Memory the job may use, in bytes; none for no limit.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Where the packages of environments come from.
    #[serde(default)]
    pub packages: PackageIndex,
}

/// Where the packages of environments come from. Nothing set means: what uv's and pip's own variables say, else PyPI.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageIndex {
    /// The index to ask instead of PyPI; may hold a password.
    pub index_url: Option<String>,
    /// Further indexes, asked first; may hold passwords.
    #[serde(default)]
    pub extra_index_urls: Vec<String>,
    /// Folders or pages of wheels.
    #[serde(default)]
    pub find_links: Vec<String>,
    /// Use only what the cache and local folders hold.
    #[serde(default)]
    pub offline: bool,
}

impl fmt::Debug for PackageIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // addresses may hold passwords: only how many there are is shown
        f.debug_struct("PackageIndex")
            .field("index_url", &self.index_url.is_some())
            .field("extra_index_urls", &self.extra_index_urls.len())
            .field("find_links", &self.find_links.len())
            .field("offline", &self.offline)
            .finish()
    }
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the token stays out of logs
        f.debug_struct("Launch")
            .field("server_url", &self.server_url)
            .field("job", &self.job)
            .finish_non_exhaustive()
    }
}

/// All that a runner needs to know about its job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerPlan {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The workspace's name.
    pub workspace: String,
    /// The job's name.
    pub job: String,
    /// The run's id: the job's name.
    pub run_id: String,
    /// The experiment's id.
    pub experiment_id: String,
    /// The experiment's name.
    pub experiment_name: String,
    /// The name shown to people.
    pub display_name: String,
    /// The shell command, with `${{inputs.x}}`, `${{outputs.x}}` and `$[[ ]]` still in it: see [`RunnerPlan::render`].
    pub command: String,
    /// The tree of the code snapshot.
    pub code_tree: Option<String>,
    /// What to run it in.
    pub environment: PlanEnvironment,
    /// The job's own variables; values may hold expressions.
    pub environment_variables: BTreeMap<String, String>,
    /// Inputs by name (`group.key` for a group's).
    pub inputs: BTreeMap<String, PlanInput>,
    /// Outputs by name.
    pub outputs: BTreeMap<String, PlanOutput>,
    /// Seconds the command may run.
    pub timeout_seconds: Option<u64>,
}

/// The environment to be made or found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEnvironment {
    /// What it is called, for people: `sklearn-1.5`, `my-env:3`, or `inline`.
    pub label: String,
    /// The image's name.
    #[serde(default)]
    pub image: Option<String>,
    /// The conda file's text.
    #[serde(default)]
    pub conda_file: Option<String>,
    /// The requirements' text.
    #[serde(default)]
    pub requirements: Option<String>,
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PlanInput {
    /// A value, as text.
    Literal {
        /// The text put in place of the expression.
        value: String,
    },
    /// Content that Lazuli holds.
    Tree {
        /// The tree's id.
        tree: String,
        /// The one file, relative to the tree, that the input means; none for the whole folder.
        file: Option<String>,
        /// How it is made available.
        mode: InputMode,
    },
    /// A folder or file on the machine that runs the job, or an address that is only passed on.
    Uri {
        /// The address.
        uri: String,
        /// Whether it means one file.
        file: bool,
        /// How it is made available.
        mode: InputMode,
    },
}

/// How an input reaches the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputMode {
    /// Read in place where possible.
    #[default]
    RoMount,
    /// Read and written in place; read in place here.
    RwMount,
    /// Copied beside the job.
    Download,
    /// Only the address is passed.
    Direct,
}

/// An output that the job fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOutput {
    /// Whether it is one file; else a folder.
    pub file: bool,
}

impl RunnerPlan {
    /// Puts values in place of expressions in the command or in a variable. `path` gives the local path of a staged input
    /// or of an output. An expression that names nothing is an error, except in an optional group, which is then dropped.
    pub fn render(
        &self,
        text: &str,
        path: &dyn Fn(Binding<'_>) -> Option<String>,
    ) -> Result<String, ExpressionError> {
        expressions::render(text, &|binding| match binding {
            Binding::Input(name) => match self.inputs.get(name)? {
                PlanInput::Literal { value } => Some(value.clone()),
                PlanInput::Tree { .. } | PlanInput::Uri { .. } => path(binding),
            },
            Binding::Output(name) => self.outputs.get(name).and_then(|_| path(binding)),
        })
    }
}

/// The states a runner reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerState {
    /// Making the environment, staging inputs.
    Preparing,
    /// The command runs.
    Running,
    /// The command has ended; outputs are being uploaded.
    Finalizing,
    /// All done, exit code 0.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended because it was asked to.
    Canceled,
}

impl RunnerState {
    /// Whether nothing can follow.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

/// `POST /api/v1/runner/state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateReport {
    /// Counts up from 1; an older or equal number is answered and changes nothing.
    pub sequence: u64,
    /// The state reached.
    pub state: RunnerState,
    /// When, by the runner's clock.
    pub at: Timestamp,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<RunnerError>,
    /// The command's exit code, once it has ended; 128 + n when signal n ended it.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// What the environment turned out to be, once known.
    #[serde(default)]
    pub environment: Option<EnvironmentReport>,
}

/// Why a job failed, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerError {
    /// A stable word: `environment_unresolvable`, `input_unavailable`, `command_failed`, `timeout`, `out_of_memory`,
    /// `output_upload_failed`, `runner_lost`, `launch_failed`, `internal`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<String>,
}

/// What the environment turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentReport {
    /// The content key under which it is cached.
    pub key: String,
    /// Whether it was there already.
    pub cached: bool,
    /// What had to be relaxed (interpreter version, pins, image layers), one line each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Milliseconds it took.
    pub millis: u64,
}

/// `POST /api/v1/runner/heartbeat`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When, by the runner's clock.
    pub at: Timestamp,
    /// What the job uses, when the command runs.
    #[serde(default)]
    pub usage: Option<Usage>,
}

/// One sample of what the job's processes use together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Percent of one core: 250 means two and a half cores.
    pub cpu_percent: f64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Processes alive.
    pub processes: u32,
}

/// The answer to a state report and to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerReply {
    /// Whether the job is to end now.
    pub cancel: bool,
}

/// The answer to `POST /api/v1/runner/logs?name=…&offset=…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogReply {
    /// The log's length on the server: what to send next begins here.
    pub next_offset: u64,
}

/// `PUT /api/v1/runner/outputs/{name}`: the tree must be stored already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputReport {
    /// The tree's id.
    pub tree: String,
}
