//! The life of one job: what each happening makes of it.
//!
//! ```text
//! Queued -> Starting -> Preparing -> Running -> Finalizing -> Completed | Failed | Canceled
//!    any of them but the last three -> CancelRequested -> Canceled (or what the runner says)
//!    Starting … Finalizing -> NotResponding -> back, when the runner is heard of again
//! ```

use lazuli_spec::Timestamp;
use lazuli_spec::jobs::{JobState, Phases};
use lazuli_spec::runner::{RunnerError, RunnerState, StateReport};

/// A job that has not ended, as far as scheduling cares.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The workspace's id.
    pub workspace_id: String,
    /// The job's name.
    pub name: String,
    /// The compute it waits for or runs on.
    pub compute: String,
    /// Its place in the queue.
    pub order: i64,
    /// Where it stands.
    pub state: JobState,
    /// The clocks.
    pub phases: Phases,
    /// The node it has.
    pub node: Option<i64>,
    /// By what the executor finds its runner; none until launched.
    pub handle: Option<String>,
    /// The last report taken in.
    pub sequence: u64,
    /// When the runner was last heard of.
    pub seen_at: Option<Timestamp>,
    /// When it was asked to end.
    pub cancel_at: Option<Timestamp>,
    /// Seconds the command may run.
    pub timeout_seconds: Option<u64>,
    /// Why it failed.
    pub error: Option<RunnerError>,
    /// The command's exit code.
    pub exit_code: Option<i32>,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A node was given and a launch is under way.
    Assigned(i64),
    /// The runner's process exists.
    Launched(String),
    /// The executor will never start it.
    LaunchRefused(String),
    /// The runner reports.
    Reported(StateReport),
    /// The runner is alive.
    Heard,
    /// The runner was silent for too long.
    Silent,
    /// The runner is gone without a report.
    Lost(String),
    /// The command outlived its limit, and the runner did not end it.
    Overdue,
    /// Someone asks it to end.
    CancelRequested,
}

/// What a happening changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: a repeat, or too late.
    Ignored,
    /// Something, but not the state.
    Noted,
    /// The state.
    Moved,
}

impl Entry {
    /// Applies a happening. What comes late, twice or out of order changes nothing.
    pub fn apply(&mut self, happening: Happening, now: Timestamp) -> Outcome {
        if self.state.is_terminal() {
            return Outcome::Ignored;
        }
        match happening {
            Happening::Assigned(node) => self.assigned(node, now),
            Happening::Launched(handle) => {
                self.handle = Some(handle);
                self.seen_at = Some(now);
                Outcome::Noted
            }
            Happening::LaunchRefused(reason) => self.fail(
                "launch_failed",
                reason,
                Some("`lazuli doctor` checks this machine"),
                now,
            ),
            Happening::Reported(report) => self.reported(report, now),
            Happening::Heard => self.heard(now),
            Happening::Silent => self.silent(),
            Happening::Lost(reason) => self.lost(&reason, now),
            Happening::Overdue => {
                let words = format!(
                    "the command ran longer than its limit of {} s and was killed",
                    self.timeout_seconds.unwrap_or(0)
                );
                self.fail("timeout", words, Some("raise `limits.timeout`"), now)
            }
            Happening::CancelRequested => self.cancel(now),
        }
    }

    fn assigned(&mut self, node: i64, now: Timestamp) -> Outcome {
        if self.state != JobState::Queued {
            return Outcome::Ignored;
        }
        self.node = Some(node);
        self.state = JobState::Starting;
        self.phases.preparing_at = Some(now);
        self.seen_at = Some(now);
        Outcome::Moved
    }

    fn reported(&mut self, report: StateReport, now: Timestamp) -> Outcome {
        if report.sequence <= self.sequence {
            return Outcome::Ignored;
        }
        self.sequence = report.sequence;
        self.seen_at = Some(now);
        self.exit_code = report.exit_code.or(self.exit_code);
        self.clock(&report, now);
        let next = JobState::from(report.state);
        if next.is_terminal() {
            self.error = report.error;
            self.end(next, now);
            return Outcome::Moved;
        }
        // a job that is to end shows that until it has
        if self.cancel_at.is_some() || self.state == next {
            return Outcome::Noted;
        }
        self.state = next;
        Outcome::Moved
    }

    /// Phases are told by the runner's clock, within what this server knows: a runner on another machine may be wrong.
    fn clock(&mut self, report: &StateReport, now: Timestamp) {
        let earliest = self
            .phases
            .running_at
            .or(self.phases.preparing_at)
            .unwrap_or(report.at);
        let at = report.at.clamp(earliest.min(now), now);
        match report.state {
            RunnerState::Running => {
                self.phases.running_at.get_or_insert(at);
            }
            RunnerState::Finalizing => {
                self.phases.finalizing_at.get_or_insert(at);
            }
            RunnerState::Preparing
            | RunnerState::Completed
            | RunnerState::Failed
            | RunnerState::Canceled => {}
        }
    }

    fn heard(&mut self, now: Timestamp) -> Outcome {
        self.seen_at = Some(now);
        if self.state != JobState::NotResponding {
            return Outcome::Noted;
        }
        self.state = match (
            self.cancel_at,
            self.phases.finalizing_at,
            self.phases.running_at,
        ) {
            (Some(_), ..) => JobState::CancelRequested,
            (None, Some(_), _) => JobState::Finalizing,
            (None, None, Some(_)) => JobState::Running,
            (None, None, None) => JobState::Preparing,
        };
        Outcome::Moved
    }

    fn silent(&mut self) -> Outcome {
        match self.state {
            JobState::Preparing | JobState::Running | JobState::Finalizing => {
                self.state = JobState::NotResponding;
                Outcome::Moved
            }
            _ => Outcome::Ignored,
        }
    }

    fn lost(&mut self, reason: &str, now: Timestamp) -> Outcome {
        if self.cancel_at.is_some() {
            self.end(JobState::Canceled, now);
            return Outcome::Moved;
        }
        let words = format!("the job's runner is gone: {reason}");
        self.fail("runner_lost", words, Some("the machine may have run out of memory, or someone killed the process; submit the job again"), now)
    }

    fn cancel(&mut self, now: Timestamp) -> Outcome {
        if self.cancel_at.is_some() {
            return Outcome::Ignored;
        }
        self.cancel_at = Some(now);
        match self.state {
            JobState::NotStarted | JobState::Queued => self.end(JobState::Canceled, now),
            _ => self.state = JobState::CancelRequested,
        }
        Outcome::Moved
    }

    fn fail(&mut self, code: &str, message: String, hint: Option<&str>, now: Timestamp) -> Outcome {
        self.error = Some(RunnerError {
            code: code.to_owned(),
            message,
            hint: hint.map(str::to_owned),
        });
        self.end(JobState::Failed, now);
        Outcome::Moved
    }

    fn end(&mut self, state: JobState, now: Timestamp) {
        self.state = state;
        self.phases.ended_at = Some(now);
        self.node = None;
    }
}
