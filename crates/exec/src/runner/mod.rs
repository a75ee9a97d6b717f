//! The runner: the small process beside one job.
//!
//! `lazuli runner --launch FILE` ends here. It asks the server for its plan, prepares (environment, code, inputs), runs the command
//! in a session of its own, watches it, streams its log, uploads what it made and reports the end. It outlives the server: every
//! call is repeated until it is answered, the log waits in a file, and `result.json` holds the end for a server that was away.
//!
//! Invariants: the job is never disturbed by the network; one terminal report, written to `result.json` before it is sent; no process
//! of the job outlives the runner's report, and none outlives a killed runner for long (death signal, then the executor's sweep).

mod beats;
mod client;
mod command;
mod content;
mod folders;
mod inputs;
mod job;
mod logs;
mod outputs;
mod overlay;
mod prepare;
mod process;
mod processes;
mod reporter;
mod stop;
mod usage;
mod variables;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::ExitCode;

use lazuli_spec::runner::Launch;

pub(crate) use processes::{identity, kill_marked};
pub(crate) use variables::passes;

/// Locked by a runner for as long as it lives, in the job's directory.
pub(crate) const LOCK_FILE: &str = "runner.lock";

/// The runner's whole life. Blocks until the job's end is reported; the exit code says only whether that went well.
///
/// Must be called on the main thread and outside a runtime: the death signal of the job's first process follows this thread.
pub fn main(launch_file: &Path) -> ExitCode {
    match start(launch_file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // the runner's standard error is `runner.log` in the job's directory
            tracing::error!("{why}");
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("lazuli runner: {why}\n").as_bytes(),
            );
            ExitCode::FAILURE
        }
    }
}

fn start(launch_file: &Path) -> Result<(), String> {
    let text = std::fs::read(launch_file)
        .map_err(|error| format!("cannot read {}: {error}", launch_file.display()))?;
    let launch: Launch = serde_json::from_slice(&text)
        .map_err(|error| format!("{} is not a launch file: {error}", launch_file.display()))?;
    let directory = launch_file.parent().unwrap_or(Path::new(".")).to_owned();
    let directory = directory
        .canonicalize()
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let lock = crate::files::open_lock(&directory.join(LOCK_FILE))
        .map_err(|error| format!("cannot open the runner's lock: {error}"))?;
    hold(&lock)
        .map_err(|error| format!("another runner works in {}: {error}", directory.display()))?;
    // an error only says that the binary has chosen its provider already
    let _ = rustls::crypto::ring::default_provider().install_default();
    processes::adopt_orphans();
    // one thread does all of it, so the thread whose death kills the job is the process
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let outcome = runtime.block_on(job::run(launch, directory));
    // a thread that still reads a file must not keep the process
    runtime.shutdown_background();
    outcome
}

/// Takes the lock to the end of the process: a second runner of the same job would disturb the first. Whoever asks whether a
/// runner lives holds it for an instant, so one refusal says nothing.
fn hold(lock: &std::fs::File) -> Result<(), std::fs::TryLockError> {
    for _ in 0..50 {
        if lock.try_lock().is_ok() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    lock.try_lock()
}
