//! The runner's heartbeat, from its plan to its last report: it says that the runner lives, carries what the job uses while the
//! command runs, and brings back the wish to cancel.

use std::sync::Arc;
use std::time::Duration;

use lazuli_spec::runner::{HEARTBEAT_SECONDS, Heartbeat, RunnerReply, Usage};
use lazuli_spec::{Clock, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::client::Client;
use super::processes;
use super::stop::Stop;
use super::usage::Meter;

const PAUSE: Duration = Duration::from_secs(HEARTBEAT_SECONDS);
/// The first sample of a job comes soon, so that short jobs have one.
const FIRST_SAMPLE: Duration = Duration::from_secs(1);

/// A heart that beats until it is dropped.
#[derive(Debug)]
pub(super) struct Heart {
    /// The pid of the command while it runs.
    command: watch::Sender<Option<i32>>,
}

/// Whose heart it is.
#[derive(Debug)]
pub(super) struct Beater {
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: Stop,
    pub(super) run_id: String,
    pub(super) cores: u32,
}

impl Heart {
    /// Begins to beat.
    pub(super) fn start(beater: Beater) -> Self {
        let (command, seen) = watch::channel(None);
        tokio::spawn(beater.beat(seen));
        Self { command }
    }

    /// From now on beats carry what the command and everything below it use.
    pub(super) fn command_runs(&self, pid: i32) {
        self.command.send_replace(Some(pid));
    }

    /// From now on they do not.
    pub(super) fn command_ended(&self) {
        self.command.send_replace(None);
    }
}

impl Beater {
    async fn beat(self, mut command: watch::Receiver<Option<i32>>) {
        let mut meter: Option<(i32, Meter)> = None;
        let mut pause = PAUSE;
        let mut step = 0;
        loop {
            tokio::select! {
                changed = command.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    meter = command.borrow_and_update().map(|pid| (pid, Meter::start()));
                    pause = if meter.is_some() { FIRST_SAMPLE } else { PAUSE };
                    continue;
                }
                () = tokio::time::sleep(pause) => pause = PAUSE,
            }
            let usage = meter.as_mut().map(|(pid, meter)| {
                processes::reap_orphans(*pid);
                meter.sample()
            });
            let at = self.clock.now();
            self.tell(at, usage).await;
            if let Some(usage) = usage {
                self.log_metrics(at, usage, step).await;
                step += 1;
            }
        }
    }

    async fn tell(&self, at: Timestamp, usage: Option<Usage>) {
        let beat = Heartbeat { at, usage };
        let path = "/api/v1/runner/heartbeat";
        let reply: Option<RunnerReply> = self.client.try_once(Method::POST, path, &beat).await;
        if reply.is_some_and(|reply| reply.cancel) {
            self.stop.ask();
        }
    }

    /// Under the names that MLflow's own monitor gives to what it samples.
    async fn log_metrics(&self, at: Timestamp, usage: Usage, step: i64) {
        let metric = |key: &str, value: f64| json!({ "key": key, "value": value, "timestamp": at.as_millis(), "step": step });
        let percent = usage.cpu_percent / f64::from(self.cores.max(1));
        let megabytes = usage.memory_bytes as f64 / 1e6;
        let batch = json!({
            "run_id": self.run_id,
            "metrics": [
                metric("system/cpu_utilization_percentage", percent),
                metric("system/system_memory_usage_megabytes", megabytes),
            ],
        });
        let path = "/api/2.0/mlflow/runs/log-batch";
        let _: Option<Value> = self.client.try_once(Method::POST, path, &batch).await;
    }
}
