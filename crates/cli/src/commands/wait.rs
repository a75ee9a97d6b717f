//! Waiting for something to come to rest: an endpoint, a deployment, a job.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::client::Client;
use crate::error::CliResult;
use crate::output::note;

/// States in which nothing more will happen.
const AT_REST: [&str; 6] = [
    "Succeeded",
    "Completed",
    "Failed",
    "Canceled",
    "Deleted",
    "NotFound",
];

/// The state of an object, by whichever name its kind has for it.
pub(crate) fn state(object: &Value) -> &str {
    let field = |key: &str| object.get(key).and_then(Value::as_str);
    field("provisioning_state")
        .or_else(|| field("status"))
        .unwrap_or("Succeeded")
}

/// Whether nothing more will happen.
pub(crate) fn is_at_rest(state: &str) -> bool {
    AT_REST.contains(&state)
}

/// Asks again until the object at `path` is at rest. The pauses grow: short work is seen at once, long work costs little.
pub(crate) async fn until_at_rest(client: &Client, path: &str, what: &str) -> CliResult<Value> {
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(
        ProgressStyle::with_template("{spinner} {msg} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let is_watched = std::io::stderr().is_terminal();
    let mut pause = Duration::from_millis(50);
    let mut told = String::new();
    loop {
        let object = client.get(path).await?;
        let now = state(&object);
        if is_at_rest(now) {
            spinner.finish_and_clear();
            return Ok(object);
        }
        if now != told {
            now.clone_into(&mut told);
            spinner.set_message(format!("{what}: {now}"));
            if !is_watched {
                note(format!("{what}: {now}"));
            }
        }
        spinner.tick();
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(1));
    }
}
