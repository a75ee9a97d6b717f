//! What a deployment has done since the server started: requests by status, and how long they took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lazuli_core::deployments::Latency;
use lazuli_learn::quantiles::QuantileSketch;

/// Counters of one deployment; one lock of a few dozen nanoseconds a request.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<u16, u64>,
    mirrored: u64,
    milliseconds: QuantileSketch,
}

impl Counters {
    /// Counts one answered request.
    pub(crate) fn answered(&self, status: u16, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.requests.entry(status).or_default() += 1;
        counts.milliseconds.add(took.as_secs_f64() * 1e3);
    }

    /// Counts one request mirrored here.
    pub(crate) fn mirrored(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .mirrored += 1;
    }

    /// Requests by status, those mirrored, and the latency once there is one.
    pub(crate) fn read(&self) -> (BTreeMap<u16, u64>, u64, Option<Latency>) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |q| counts.milliseconds.quantile(q);
        let latency = counts.milliseconds.mean().map(|mean| Latency {
            mean,
            p50: at(0.5).unwrap_or(mean),
            p90: at(0.9).unwrap_or(mean),
            p95: at(0.95).unwrap_or(mean),
            p99: at(0.99).unwrap_or(mean),
        });
        (counts.requests.clone(), counts.mirrored, latency)
    }

    /// Appends Prometheus lines labelled with the deployment.
    pub(crate) fn render(
        &self,
        endpoint: &str,
        deployment: &str,
        requests: &mut String,
        latency: &mut String,
    ) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = format!("endpoint=\"{endpoint}\",deployment=\"{deployment}\"");
        for (status, count) in &counts.requests {
            // writing to a String cannot fail
            let _ = writeln!(
                requests,
                "lazuli_endpoint_requests_total{{{labels},status=\"{status}\"}} {count}"
            );
        }
        for q in [0.5, 0.9, 0.95, 0.99] {
            if let Some(value) = counts.milliseconds.quantile(q) {
                let _ = writeln!(
                    latency,
                    "lazuli_endpoint_request_seconds{{{labels},quantile=\"{q}\"}} {}",
                    value / 1e3
                );
            }
        }
        let _ = writeln!(
            latency,
            "lazuli_endpoint_request_seconds_sum{{{labels}}} {}",
            counts.milliseconds.sum() / 1e3
        );
        let _ = writeln!(
            latency,
            "lazuli_endpoint_request_seconds_count{{{labels}}} {}",
            counts.milliseconds.count()
        );
    }
}
