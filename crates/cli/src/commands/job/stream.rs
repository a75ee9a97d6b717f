//! Watching a job: its log as it is written, until it ends.
//!
//! The log comes as server-sent events whose ids are places in it, so that after a broken connection (the server was
//! restarted, a laptop slept) the stream goes on where it stopped. Log text goes to standard output, everything else to
//! standard error.

use std::process::ExitCode;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::COLLECTION;
use crate::client::{Client, Event, EventStream};
use crate::commands::Context;
use crate::commands::wait::{is_at_rest, state};
use crate::error::{CliError, CliResult};
use crate::output::{note, write_stdout_bytes};

/// The exit status of a program ended by Ctrl-C.
const INTERRUPTED: u8 = 130;
/// How often a lost server is looked for again, a second apart.
const PATIENCE: u32 = 300;

/// Shows the log until the job ends; the exit status says how it ended.
pub(crate) async fn watch(context: &Context, name: &str) -> CliResult<ExitCode> {
    let client = context.client()?;
    let mut watcher = Watcher {
        client,
        name,
        resume: None,
        told: String::new(),
    };
    let job = tokio::select! {
        ended = watcher.run() => ended?,
        _ = tokio::signal::ctrl_c() => {
            note(format!("\nStopped watching; the job goes on. `lazuli job stream {name}` resumes, `lazuli job cancel {name}` ends it."));
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    outcome(name, &job)
}

/// How the job ended, in words and as an exit status.
fn outcome(name: &str, job: &Value) -> CliResult<ExitCode> {
    match state(job) {
        "Completed" => {
            note(format!("The job {name} is Completed"));
            Ok(ExitCode::SUCCESS)
        }
        ended => {
            let error = CliError::new(match reason(job) {
                Some(reason) => format!("the job `{name}` is {ended}: {reason}"),
                None => format!("the job `{name}` is {ended}"),
            });
            let default = || {
                format!(
                    "`lazuli job show {name}` shows its phases, `lazuli job download {name}` fetches its logs"
                )
            };
            Err(error.hint(
                job.pointer("/error/hint")
                    .and_then(Value::as_str)
                    .map_or_else(default, str::to_owned),
            ))
        }
    }
}

/// What the server says about the end.
fn reason(job: &Value) -> Option<String> {
    job.pointer("/error/message")
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

struct Watcher<'a> {
    client: &'a Client,
    name: &'a str,
    /// The id of the last event that was shown.
    resume: Option<String>,
    /// The last state that was told.
    told: String,
}

impl Watcher<'_> {
    /// Follows the stream, again after each break, until the job is at rest and its log has been read to the end.
    async fn run(&mut self) -> CliResult<Value> {
        let mut failures = 0;
        loop {
            let followed = self.follow().await;
            let job = self
                .client
                .get(&self.client.path(&[COLLECTION, self.name]))
                .await;
            match (followed, job) {
                (Ok(()), Ok(job)) if is_at_rest(state(&job)) => return Ok(job),
                (Ok(()), Ok(_)) => failures = 0,
                (_, Err(error)) | (Err(error), _) => {
                    failures += 1;
                    if !error.is_passing || failures > PATIENCE {
                        return Err(error);
                    }
                    if failures == 1 {
                        note(format!("{}; trying again", error.message));
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Shows events until the server ends the stream.
    async fn follow(&mut self) -> CliResult<()> {
        let path = self.client.path(&[COLLECTION, self.name, "logs", "stream"]);
        let mut request = self
            .client
            .request(Method::GET, &path)
            .header(reqwest::header::ACCEPT, "text/event-stream");
        if let Some(id) = &self.resume {
            request = request.header("last-event-id", id);
        }
        let mut events = EventStream::new(self.client.send(request).await?.stream());
        while let Some(event) = events.next().await? {
            self.show(&event)?;
            if event.id.is_some() {
                self.resume = event.id;
            }
            if event.name == "end" {
                break;
            }
        }
        Ok(())
    }

    fn show(&mut self, event: &Event) -> CliResult<()> {
        match event.name.as_str() {
            "state" => self.tell(&event.data),
            "end" => {}
            _ => return write_stdout_bytes(log_text(&event.data).as_bytes()),
        }
        Ok(())
    }

    fn tell(&mut self, data: &str) {
        let now = data.trim_matches('"');
        if now != self.told && !is_at_rest(now) {
            now.clone_into(&mut self.told);
            note(format!("{}: {now}", self.name));
        }
    }
}

/// The text of a log event, which is JSON text: it can hold any line break, or none.
fn log_text(data: &str) -> String {
    serde_json::from_str(data).unwrap_or_else(|_| format!("{data}\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failed_job_is_an_error_with_its_reason() {
        let job = json!({ "status": "Failed", "error": { "message": "the command ended with exit code 3" } });
        insta::assert_snapshot!(outcome("brave_fox_1", &job).unwrap_err().render(), @r"
        error: the job `brave_fox_1` is Failed: the command ended with exit code 3

        hint: `lazuli job show brave_fox_1` shows its phases, `lazuli job download brave_fox_1` fetches its logs
        ");
        assert!(outcome("x", &json!({ "status": "Canceled" })).is_err());
        assert!(outcome("x", &json!({ "status": "Completed" })).is_ok());
    }

    #[test]
    fn log_events_are_text_in_json() {
        assert_eq!(log_text("\"a\\nb\""), "a\nb");
        assert_eq!(log_text("plain"), "plain\n");
    }
}
