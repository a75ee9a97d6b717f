//! What the kernel knows about this process, under the names that Prometheus dashboards expect.

use std::fs;

use super::{counter, gauge};

/// Adds memory, processor time, open files and threads; leaves out what `/proc` does not say.
pub(super) fn write(out: &mut String) {
    if let Some(pages) = read_statm() {
        gauge(
            out,
            "process_resident_memory_bytes",
            "Memory in use.",
            (pages * rustix::param::page_size() as u64) as f64,
        );
    }
    if let Some((ticks, threads)) = read_stat() {
        let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        counter(
            out,
            "process_cpu_seconds_total",
            "Processor time used.",
            seconds,
        );
        gauge(out, "process_threads", "Threads.", threads as f64);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        gauge(
            out,
            "process_open_fds",
            "Open file descriptors.",
            entries.count() as f64,
        );
    }
}

fn read_statm() -> Option<u64> {
    fs::read_to_string("/proc/self/statm")
        .ok()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// Processor time in ticks, and threads. The program's name is in parentheses and may hold spaces, so fields are counted after it.
fn read_stat() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text
        .get(text.rfind(')')? + 1..)?
        .split_whitespace()
        .collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    Some((user + system, fields.get(17)?.parse().ok()?))
}
