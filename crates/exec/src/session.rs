//! Processes in a session of their own.
//!
//! The only unsafe code of the crate stands here: between fork and exec, a few system calls that allocate nothing.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::Signal;

/// Whether a process outlives the one that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bond {
    /// It is killed when the thread that started it ends.
    DiesWithParent,
    /// It lives on.
    Free,
}

/// Gives the process a session, and so a process group, of its own.
#[expect(
    unsafe_code,
    reason = "the standard library marks code between fork and exec as unsafe"
)]
pub(crate) fn own_session(command: &mut Command, bond: Bond) {
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::setsid()?;
        if bond == Bond::Free {
            return Ok(());
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // the parent may have died before the line above
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }
    };
    // SAFETY: the closure only makes system calls and allocates nothing (an error kind is a plain value).
    unsafe {
        command.pre_exec(prepare);
    }
}
