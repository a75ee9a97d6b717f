//! State reports: in order, repeated until answered, never in the job's way.

use std::path::PathBuf;
use std::sync::Arc;

use lazuli_spec::Clock;
use lazuli_spec::runner::{EnvironmentReport, RunnerError, RunnerReply, RunnerState, StateReport};
use reqwest::Method;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::Client;
use super::stop::Stop;
use crate::files;

/// Tells the server what state the job is in.
#[derive(Debug)]
pub(super) struct Reporter {
    queue: mpsc::UnboundedSender<StateReport>,
    sender: JoinHandle<()>,
    clock: Arc<dyn Clock>,
    sequence: u64,
    result: PathBuf,
    environment: Option<EnvironmentReport>,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) state: RunnerState,
    pub(super) error: Option<RunnerError>,
    pub(super) exit_code: Option<i32>,
}

impl End {
    pub(super) fn failed(code: &str, message: impl Into<String>) -> Self {
        let error = RunnerError {
            code: code.to_owned(),
            message: message.into(),
            hint: None,
        };
        Self {
            state: RunnerState::Failed,
            error: Some(error),
            exit_code: None,
        }
    }

    pub(super) fn canceled() -> Self {
        Self {
            state: RunnerState::Canceled,
            error: None,
            exit_code: None,
        }
    }
}

impl Reporter {
    pub(super) fn new(client: Client, clock: Arc<dyn Clock>, result: PathBuf, stop: Stop) -> Self {
        let (queue, reports) = mpsc::unbounded_channel();
        let sender = tokio::spawn(send_all(client, reports, stop));
        Self {
            queue,
            sender,
            clock,
            sequence: 0,
            result,
            environment: None,
        }
    }

    /// Remembers what the environment turned out to be; every later report carries it.
    pub(super) fn environment(&mut self, report: EnvironmentReport) {
        self.environment = Some(report);
    }

    /// Reports a state on the way. Returns at once.
    pub(super) fn state(&mut self, state: RunnerState) {
        let report = self.report(End {
            state,
            error: None,
            exit_code: None,
        });
        // the sender ends only with the reporter
        let _ = self.queue.send(report);
    }

    /// Writes the end down, then reports it and waits for the answer.
    pub(super) async fn finish(mut self, end: End) -> Result<(), String> {
        let (last, written) = self.write_down(end);
        self.send_last(last).await;
        written
    }

    /// Writes the end into the job's directory; a disk that takes nothing more does not keep it from the server.
    pub(super) fn write_down(&mut self, end: End) -> (StateReport, Result<(), String>) {
        let report = self.report(end);
        let text = serde_json::to_vec_pretty(&report).unwrap_or_default();
        let written = files::write_atomically(&self.result, &text, 0o600)
            .map_err(|error| format!("cannot write {}: {error}", self.result.display()));
        (report, written)
    }

    /// Sends the last report and waits until it, and all before it, are answered.
    pub(super) async fn send_last(self, report: StateReport) {
        let _ = self.queue.send(report);
        drop(self.queue);
        let _ = self.sender.await;
    }

    fn report(&mut self, end: End) -> StateReport {
        self.sequence += 1;
        let End {
            state,
            error,
            exit_code,
        } = end;
        StateReport {
            sequence: self.sequence,
            state,
            at: self.clock.now(),
            error,
            exit_code,
            environment: self.environment.clone(),
        }
    }
}

async fn send_all(client: Client, mut reports: mpsc::UnboundedReceiver<StateReport>, stop: Stop) {
    while let Some(report) = reports.recv().await {
        match client
            .send_json::<RunnerReply>(Method::POST, "/api/v1/runner/state", &report)
            .await
        {
            Ok(reply) if reply.cancel => stop.ask(),
            Ok(_) => {}
            // the server no longer wants this job: nobody would read what it makes
            Err(refused) if !report.state.is_terminal() => {
                tracing::warn!(%refused, "the server refused a report; the job is stopped");
                stop.ask();
            }
            Err(refused) => tracing::warn!(%refused, "the server refused the last report"),
        }
    }
}
