//! The states of a job, by Azure's names, and the clock of each phase.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::runner::RunnerState;
use crate::runs::RunStatus;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum JobState {
    /// Accepted.
    NotStarted,
    /// Waits for a node.
    Queued,
    /// Its runner is being started.
    Starting,
    /// The environment is made, inputs are staged.
    Preparing,
    /// The command runs.
    Running,
    /// Outputs are uploaded.
    Finalizing,
    /// It was asked to end and has not yet.
    CancelRequested,
    /// Its runner has not been heard of for a while.
    NotResponding,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended because it was asked to.
    Canceled,
}

impl JobState {
    /// Every state.
    pub const ALL: &'static [Self] = &[
        Self::NotStarted,
        Self::Queued,
        Self::Starting,
        Self::Preparing,
        Self::Running,
        Self::Finalizing,
        Self::CancelRequested,
        Self::NotResponding,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
    ];

    /// The text stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "NotStarted",
            Self::Queued => "Queued",
            Self::Starting => "Starting",
            Self::Preparing => "Preparing",
            Self::Running => "Running",
            Self::Finalizing => "Finalizing",
            Self::CancelRequested => "CancelRequested",
            Self::NotResponding => "NotResponding",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }

    /// Reads the text, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|state| state.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether nothing can follow.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }

    /// The status of the job's run, in tracking's words.
    pub const fn run_status(self) -> RunStatus {
        match self {
            Self::NotStarted | Self::Queued | Self::Starting | Self::Preparing => {
                RunStatus::Scheduled
            }
            Self::Running | Self::Finalizing | Self::CancelRequested | Self::NotResponding => {
                RunStatus::Running
            }
            Self::Completed => RunStatus::Finished,
            Self::Failed => RunStatus::Failed,
            Self::Canceled => RunStatus::Killed,
        }
    }
}

impl From<RunnerState> for JobState {
    fn from(state: RunnerState) -> Self {
        match state {
            RunnerState::Preparing => Self::Preparing,
            RunnerState::Running => Self::Running,
            RunnerState::Finalizing => Self::Finalizing,
            RunnerState::Completed => Self::Completed,
            RunnerState::Failed => Self::Failed,
            RunnerState::Canceled => Self::Canceled,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The phases a job passes, each with a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From submission to a node.
    Queued,
    /// From a node to the command's start.
    Preparing,
    /// While the command runs.
    Running,
    /// From the command's end to the last upload.
    Finalizing,
}

/// When each phase began, and when the last one ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Submission.
    pub queued_at: Option<Timestamp>,
    /// A node was found.
    pub preparing_at: Option<Timestamp>,
    /// The command started.
    pub running_at: Option<Timestamp>,
    /// The command ended.
    pub finalizing_at: Option<Timestamp>,
    /// All ended.
    pub ended_at: Option<Timestamp>,
}

impl Phases {
    /// How long each phase took, in seconds; one still open is measured up to `now`. A phase that was skipped is left out.
    pub fn seconds(&self, now: Timestamp) -> Vec<(Phase, f64)> {
        let starts = [
            (Phase::Queued, self.queued_at),
            (Phase::Preparing, self.preparing_at),
            (Phase::Running, self.running_at),
            (Phase::Finalizing, self.finalizing_at),
        ];
        let begun: Vec<(Phase, Timestamp)> = starts
            .into_iter()
            .filter_map(|(phase, at)| Some((phase, at?)))
            .collect();
        let end = self.ended_at.unwrap_or(now);
        let until = |index: usize| begun.get(index + 1).map_or(end, |(_, at)| *at);
        begun
            .iter()
            .enumerate()
            .map(|(index, (phase, at))| (*phase, until(index).since(*at).as_secs_f64()))
            .collect()
    }
}

impl Phase {
    /// The word shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Finalizing => "finalizing",
        }
    }
}
