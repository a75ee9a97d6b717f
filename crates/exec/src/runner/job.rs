//! The walk of one job: plan, prepare, run, upload, report.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lazuli_spec::runner::{
    Launch, PROTOCOL, RunnerError, RunnerPlan, RunnerState, STD_LOG, SYSTEM_LOG,
};
use lazuli_spec::{Clock, SystemClock};

use super::beats::{Beater, Heart};
use super::client::Client;
use super::command;
use super::content::TreeCache;
use super::folders::Folders;
use super::logs::{Log, tail};
use super::outputs;
use super::prepare::{Prepared, prepare, tell};
use super::process::{self, CommandEnd};
use super::processes;
use super::reporter::{End, Reporter};
use super::stop::Stop;

/// What every part of the walk uses.
struct Job {
    launch: Launch,
    plan: RunnerPlan,
    folders: Folders,
    client: Client,
    clock: Arc<dyn Clock>,
    stop: Stop,
}

/// Runs one job to its reported end.
pub(super) async fn run(launch: Launch, directory: PathBuf) -> Result<(), String> {
    let stop = Stop::new();
    stop.listen_to_signals()
        .map_err(|error| format!("cannot listen to signals: {error}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let folders = Folders::new(directory);
    let client = Client::new(&launch)?;
    let reporter = Reporter::new(
        client.clone(),
        Arc::clone(&clock),
        folders.result(),
        stop.clone(),
    );
    let plan = tokio::select! {
        plan = client.get_json::<RunnerPlan>("/api/v1/runner/plan") => plan,
        () = stop.asked() => return reporter.finish(End::canceled()).await,
    };
    let plan = match plan {
        Ok(plan) if plan.protocol == PROTOCOL => plan,
        Ok(plan) => {
            return reporter
                .finish(End::failed(
                    "launch_failed",
                    format!(
                        "the plan speaks protocol {}, this runner {PROTOCOL}",
                        plan.protocol
                    ),
                ))
                .await;
        }
        Err(refused) => {
            return reporter
                .finish(End::failed("launch_failed", refused.to_string()))
                .await;
        }
    };
    let job = Job {
        launch,
        plan,
        folders,
        client,
        clock,
        stop,
    };
    job.walk(reporter).await
}

impl Job {
    async fn walk(self, mut reporter: Reporter) -> Result<(), String> {
        reporter.state(RunnerState::Preparing);
        self.folders
            .create()
            .map_err(|error| format!("cannot make the job's folders: {error}"))?;
        let start_log = |path: PathBuf, name| {
            Log::start(&path, name, self.client.clone())
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        let system = Mutex::new(start_log(self.folders.system_log(), SYSTEM_LOG)?);
        let mut output = start_log(self.folders.std_log(), STD_LOG)?;
        let heart = Heart::start(Beater {
            client: self.client.clone(),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            run_id: self.plan.run_id.clone(),
            cores: self.launch.cores,
        });
        let trees = TreeCache::new(self.launch.home.as_ref(), self.client.clone());
        let prepared = tokio::select! {
            biased;
            () = self.stop.asked() => Err(None),
            prepared = prepare(&self.launch, &self.plan, &self.folders, &trees, &system) => prepared.map_err(Some),
        };
        let end = match prepared {
            Err(None) => {
                // a build that was given up may have started compilers
                processes::kill_descendants().await;
                End::canceled()
            }
            Err(Some(error)) => {
                tell(&system, &error.message);
                End {
                    state: RunnerState::Failed,
                    error: Some(error),
                    exit_code: None,
                }
            }
            Ok(prepared) => {
                reporter.environment(prepared.environment.clone());
                self.execute(prepared, &mut reporter, &heart, &mut output, &system)
                    .await
            }
        };
        tell(&system, &format!("the job ended: {:?}", end.state));
        // the end stands in the directory before anything waits for a server that may be away
        let (last, written) = reporter.write_down(end);
        let system = system.into_inner().unwrap_or_else(PoisonError::into_inner);
        tokio::join!(output.finish(), system.finish());
        reporter.send_last(last).await;
        written
    }

    /// Runs the command and uploads what it made.
    async fn execute(
        &self,
        prepared: Prepared,
        reporter: &mut Reporter,
        heart: &Heart,
        output: &mut Log,
        system: &Mutex<Log>,
    ) -> End {
        let started = command::start(&prepared.command, &self.folders.code(), &prepared.variables);
        let (child, pipe) = match started {
            Ok(started) => started,
            Err(error) => {
                return End::failed(
                    "launch_failed",
                    format!("the shell could not be started: {error}"),
                );
            }
        };
        reporter.state(RunnerState::Running);
        tell(
            system,
            "the command runs; cores and memory of the node are counted by the scheduler and not enforced",
        );
        let own = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .unwrap_or(0);
        heart.command_runs(own);
        let limit = self.plan.timeout_seconds.map(Duration::from_secs);
        let ended = process::watch(child, pipe, output, &self.stop, limit).await;
        heart.command_ended();
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                processes::kill_descendants().await;
                return End::failed(
                    "internal",
                    format!("the command could not be watched: {error}"),
                );
            }
        };
        tell(system, &format!("the command ended: {ended:?}"));
        reporter.state(RunnerState::Finalizing);
        let mut end = self.judge(ended);
        if let Err(why) = outputs::upload(&self.plan, &self.folders, &self.client).await {
            tell(system, &format!("outputs: {why}"));
            if end.state == RunnerState::Completed {
                end = End {
                    exit_code: end.exit_code,
                    ..End::failed("output_upload_failed", why)
                };
            }
        }
        end
    }

    fn judge(&self, ended: CommandEnd) -> End {
        let exit_code = Some(ended.exit_code());
        match ended {
            CommandEnd::Canceled(_) => End {
                exit_code,
                ..End::canceled()
            },
            CommandEnd::Exited(0) => End {
                state: RunnerState::Completed,
                error: None,
                exit_code,
            },
            CommandEnd::TimedOut(_) => {
                let seconds = self.plan.timeout_seconds.unwrap_or(0);
                let mut end = End::failed(
                    "timeout",
                    format!("the command ran longer than its limit of {seconds} s and was ended"),
                );
                if let Some(error) = &mut end.error {
                    error.hint = Some("raise limits.timeout".to_owned());
                }
                End { exit_code, ..end }
            }
            CommandEnd::Exited(code) => End {
                exit_code,
                error: Some(self.command_error(code)),
                state: RunnerState::Failed,
            },
        }
    }

    fn command_error(&self, code: i32) -> RunnerError {
        let (word, mut message, hint) = match code {
            137 => (
                "out_of_memory",
                "the command was killed by signal 9, most likely because memory ran out".to_owned(),
                Some("ask for a larger size, or use less memory"),
            ),
            129..=192 => (
                "command_failed",
                format!("the command was ended by signal {}", code - 128),
                None,
            ),
            127 => (
                "command_failed",
                "the command ended with exit code 127: a program was not found".to_owned(),
                Some("does the environment bring the program?"),
            ),
            _ => (
                "command_failed",
                format!("the command ended with exit code {code}"),
                None,
            ),
        };
        let lines = tail(&self.folders.std_log(), 10, 4096);
        if !lines.is_empty() {
            message.push_str("\nlast lines:");
            for line in lines {
                message.push_str("\n  ");
                message.push_str(&line);
            }
        }
        RunnerError {
            code: word.to_owned(),
            message,
            hint: hint.map(ToOwned::to_owned),
        }
    }
}
