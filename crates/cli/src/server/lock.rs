//! One server for one home: an exclusive lock on `<home>/lock`, released by the kernel however the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

use super::announce;
use super::home::Home;
use crate::error::{CliError, Exit};

/// Held for the life of the server.
#[derive(Debug)]
pub(crate) struct HomeLock {
    _file: File,
}

/// Takes the lock, or says who has it.
pub(crate) fn take(home: &Home) -> Result<HomeLock, CliError> {
    let path = home.lock();
    let failed = |error| CliError::io("lock", &path, &error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(already_running(home, &mut file)),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(HomeLock { _file: file })
}

/// Whether a server runs on this home just now.
pub(crate) fn is_taken(home: &Home) -> bool {
    File::open(home.lock())
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn already_running(home: &Home, file: &mut File) -> CliError {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    let pid = text.trim();
    let at = announce::read(home).map_or_else(
        || "it is still starting".to_owned(),
        |found| format!("it serves {}", found.url),
    );
    let mut error = CliError::new(format!(
        "a server already runs on `{}`: process {pid}; {at}",
        home.root().display()
    ))
    .hint(format!(
        "use it, stop it with `kill {pid}`, or choose another home with --home"
    ));
    error.exit = Exit::AlreadyRunning;
    error
}
