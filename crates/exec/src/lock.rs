//! A lock between processes: a file, locked while something that only one may do is being done.
//!
//! The operating system lets go of it when its holder dies, so no stale lock can remain.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::files;

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock; `waiting` is called once if it is not free.
    pub(crate) async fn take(path: &Path, waiting: impl FnOnce()) -> io::Result<Self> {
        let file = files::open_lock(path)?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if let Some(tell) = waiting.take() {
                        tell();
                    }
                    // asking again, and not a thread that blocks, so that a canceled job can stop waiting
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}
