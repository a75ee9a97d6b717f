//! What a job's processes use together, from one sample to the next.

use std::collections::HashMap;
use std::time::Instant;

use lazuli_spec::runner::Usage;

use super::processes::{self, Process};

/// Remembers the last sample.
#[derive(Debug)]
pub(super) struct Meter {
    at: Instant,
    ticks: HashMap<i32, u64>,
}

impl Meter {
    pub(super) fn start() -> Self {
        Self {
            at: Instant::now(),
            ticks: HashMap::new(),
        }
    }

    /// What the job's processes used since the last sample.
    pub(super) fn sample(&mut self) -> Usage {
        let seconds = self.at.elapsed().as_secs_f64();
        self.at = Instant::now();
        self.measure(&processes::descendants(), seconds)
    }

    fn measure(&mut self, found: &[Process], seconds: f64) -> Usage {
        let spent: u64 = found
            .iter()
            .map(|process| {
                process
                    .ticks
                    .saturating_sub(self.ticks.get(&process.pid).copied().unwrap_or(0))
            })
            .sum();
        self.ticks = found
            .iter()
            .map(|process| (process.pid, process.ticks))
            .collect();
        let rate = rustix::param::clock_ticks_per_second() as f64;
        let pages: u64 = found.iter().map(|process| process.pages).sum();
        Usage {
            cpu_percent: if seconds > 0.0 {
                spent as f64 / rate / seconds * 100.0
            } else {
                0.0
            },
            memory_bytes: pages * rustix::param::page_size() as u64,
            processes: found.len() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_once() {
        let process = |pid, ticks| Process {
            pid,
            parent: 1,
            zombie: false,
            ticks,
            pages: 10,
        };
        let mut meter = Meter::start();
        let rate = rustix::param::clock_ticks_per_second();
        let first = meter.measure(&[process(5, rate)], 1.0);
        assert!((first.cpu_percent - 100.0).abs() < 1e-9);
        let second = meter.measure(&[process(5, rate), process(6, rate / 2)], 1.0);
        assert!((second.cpu_percent - 50.0).abs() < 1e-9);
        assert_eq!(second.processes, 2);
        assert_eq!(second.memory_bytes, 20 * rustix::param::page_size() as u64);
    }
}
