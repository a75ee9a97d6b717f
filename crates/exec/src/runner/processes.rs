//! The processes of a job, found through `/proc`.
//!
//! The runner adopts orphans (child subreaper), so whatever a job starts, also with `setsid` and double forks, stays among the
//! runner's descendants. Once the runner itself is dead, the marker variable that every process of a job inherits finds them.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};

/// The variable by which a job's processes are known; its value is the job's directory.
pub(super) const MARKER_VARIABLE: &str = "LAZULI_JOB_DIRECTORY";

/// One line of `/proc/<pid>/stat`, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) zombie: bool,
    /// Clock ticks on a processor, with those of its children that were waited for.
    pub(super) ticks: u64,
    /// Resident pages.
    pub(super) pages: u64,
}

/// From now on orphaned descendants become children of this process.
pub(super) fn adopt_orphans() {
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        tracing::warn!(%error, "orphans cannot be adopted: only the marker finds them");
    }
}

/// When a process started, in ticks since the machine did; with the pid it names the process for good.
pub(crate) fn identity(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = after_name(&text)?;
    // a zombie is over, whoever has yet to wait for it
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// The fields after the name, which itself may hold anything.
fn after_name(stat: &str) -> Option<Vec<&str>> {
    Some(
        stat.get(stat.rfind(')')? + 1..)?
            .split_whitespace()
            .collect(),
    )
}

fn read(pid: i32) -> Option<Process> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = after_name(&text)?;
    let number = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        zombie: fields.first() == Some(&"Z"),
        ticks: number(11) + number(12) + number(13) + number(14),
        pages: number(21),
    })
}

fn pids() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Every living process below this one.
pub(super) fn descendants() -> Vec<Process> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in pids().filter_map(read) {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut parents = vec![own];
    while let Some(parent) = parents.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            parents.push(process.pid);
            if !process.zombie {
                found.push(process);
            }
        }
    }
    found
}

/// Waits for adopted orphans that have ended; `own` is waited for elsewhere.
pub(super) fn reap_orphans(own: i32) {
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    let ended = pids()
        .filter_map(read)
        .filter(|process| process.parent == parent && process.zombie && process.pid != own);
    for process in ended {
        let _ = rustix::process::waitpid(Pid::from_raw(process.pid), WaitOptions::NOHANG);
    }
}

/// Sends a signal; a process that is gone is fine.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Sends a signal to every descendant.
pub(super) fn signal_descendants(which: Signal) -> usize {
    let found = descendants();
    for process in &found {
        signal(process.pid, which);
    }
    found.len()
}

/// Kills every descendant, and what they start meanwhile.
pub(super) async fn kill_descendants() {
    for _ in 0..200 {
        if signal_descendants(Signal::KILL) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Processes that carry the marker of this job's directory.
fn marked(directory: &Path) -> Vec<i32> {
    let wanted = format!("{MARKER_VARIABLE}={}", directory.display()).into_bytes();
    let carries = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == wanted)
    };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    pids().filter(|pid| *pid != own).filter(carries).collect()
}

/// Kills every process that a job's dead runner left behind; says how many there were.
pub(crate) async fn kill_marked(directory: &Path) -> usize {
    let mut count = 0;
    for _ in 0..200 {
        let found: Vec<i32> = marked(directory)
            .into_iter()
            .filter(|pid| identity(*pid).is_some())
            .collect();
        if found.is_empty() {
            break;
        }
        count = count.max(found.len());
        for pid in found {
            signal(pid, Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let fields = after_name("12 (a) b) c) S 1 2").unwrap();
        assert_eq!(fields, ["S", "1", "2"]);
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        assert_eq!(identity(own), identity(own));
        assert!(identity(own).is_some());
        assert!(identity(i32::MAX).is_none());
    }

    #[tokio::test]
    async fn marked_processes_are_killed_wherever_they_are() {
        let home = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("setsid")
            .args(["sleep", "60"])
            .env(MARKER_VARIABLE, home.path())
            .spawn()
            .unwrap();
        while marked(home.path()).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(kill_marked(home.path()).await >= 1);
        assert!(!child.wait().unwrap().success());
        assert!(marked(&home.path().join("other")).is_empty());
    }
}
