//! `/metrics`: a small registry of exactly what this server counts, written in Prometheus' text format.
//!
//! Requests are counted by method, route pattern and status, never by path, so that the number of series is bounded by the route table.
//! Counting takes a shared lock and atomics only.

mod process;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// Adds lines of other parts (queue lengths, jobs by state) when the page is written.
pub(crate) type Collector = Box<dyn Fn(&mut String) + Send + Sync>;

/// The registry.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: RwLock<BTreeMap<Key, Arc<Series>>>,
    statuses: RwLock<BTreeMap<(Key, u16), Arc<AtomicU64>>>,
    in_flight: AtomicI64,
    connections: AtomicI64,
    accepted: AtomicU64,
    refused: RwLock<BTreeMap<&'static str, u64>>,
    collectors: RwLock<Vec<Collector>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics")
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    route: String,
    method: &'static str,
}

impl Key {
    fn labels(&self) -> String {
        let route = self
            .route
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        format!("method=\"{}\",route=\"{route}\"", self.method)
    }
}

#[derive(Debug, Default)]
struct Series {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn request(&self, method: &http::Method, route: &str, status: u16, took: Duration) {
        let key = Key {
            route: route.to_owned(),
            method: method_name(method),
        };
        shared(&self.statuses, (key.clone(), status)).fetch_add(1, Ordering::Relaxed);
        let series = shared(&self.requests, key);
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(BOUNDS.len());
        series.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        series
            .micros
            .fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// A request began (+1) or its answer was sent (-1).
    pub(crate) fn in_flight(&self, change: i64) {
        self.in_flight.fetch_add(change, Ordering::Relaxed);
    }

    /// A connection was accepted.
    pub(crate) fn connection_opened(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended.
    pub(crate) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection was closed by the server for this reason.
    pub(crate) fn connection_refused(&self, reason: &'static str) {
        *self
            .refused
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(reason)
            .or_default() += 1;
    }

    /// Registers a source of further lines.
    pub(crate) fn collect(&self, collector: Collector) {
        self.collectors
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(collector);
    }

    /// The whole page.
    pub(crate) fn page(&self) -> String {
        let mut out = String::with_capacity(8192);
        let _ = writeln!(
            out,
            "# HELP lazuli_build_info The running version.\n# TYPE lazuli_build_info gauge"
        );
        let _ = writeln!(
            out,
            "lazuli_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        );
        self.write_requests(&mut out);
        gauge(
            &mut out,
            "lazuli_http_requests_in_flight",
            "Requests being answered.",
            self.in_flight.load(Ordering::Relaxed) as f64,
        );
        gauge(
            &mut out,
            "lazuli_connections",
            "Open connections.",
            self.connections.load(Ordering::Relaxed) as f64,
        );
        counter(
            &mut out,
            "lazuli_connections_accepted_total",
            "Connections accepted.",
            self.accepted.load(Ordering::Relaxed) as f64,
        );
        self.write_refused(&mut out);
        process::write(&mut out);
        for collector in self
            .collectors
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            collector(&mut out);
        }
        out
    }

    fn write_requests(&self, out: &mut String) {
        out.push_str("# HELP lazuli_http_requests_total Requests answered; 499 when the client left first.\n");
        out.push_str("# TYPE lazuli_http_requests_total counter\n");
        for ((key, status), count) in self
            .statuses
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(
                out,
                "lazuli_http_requests_total{{{},status=\"{status}\"}} {count}",
                key.labels()
            );
        }
        let name = "lazuli_http_request_duration_seconds";
        let _ = writeln!(
            out,
            "# HELP {name} Time from the request's headers to the last byte of its answer.\n# TYPE {name} histogram"
        );
        for (key, series) in self
            .requests
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            let labels = key.labels();
            let mut sum = 0;
            for (bound, bucket) in BOUNDS.iter().zip(&series.buckets) {
                sum += bucket.load(Ordering::Relaxed);
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {sum}");
            }
            sum += series.buckets[BOUNDS.len()].load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {sum}");
            let seconds = series.micros.load(Ordering::Relaxed) as f64 / 1e6;
            let _ = writeln!(
                out,
                "{name}_sum{{{labels}}} {seconds}\n{name}_count{{{labels}}} {sum}"
            );
        }
    }

    fn write_refused(&self, out: &mut String) {
        out.push_str("# HELP lazuli_connections_refused_total Connections closed by the server, by reason.\n");
        out.push_str("# TYPE lazuli_connections_refused_total counter\n");
        for (reason, count) in self
            .refused
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            let _ = writeln!(
                out,
                "lazuli_connections_refused_total{{reason=\"{reason}\"}} {count}"
            );
        }
    }
}

/// Writes one gauge with its description.
pub(crate) fn gauge(out: &mut String, name: &str, help: &str, value: f64) {
    let _ = writeln!(
        out,
        "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
    );
}

/// Writes one counter with its description.
pub(crate) fn counter(out: &mut String, name: &str, help: &str, value: f64) {
    let _ = writeln!(
        out,
        "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
    );
}

/// Methods as labels; unknown ones share a label, so that a client cannot make series.
fn method_name(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The value of a key, made when it is first asked for.
fn shared<K: Ord, V: Default>(map: &RwLock<BTreeMap<K, Arc<V>>>, key: K) -> Arc<V> {
    if let Some(found) = map.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Arc::clone(found);
    }
    Arc::clone(
        map.write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key)
            .or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_counts_by_route_and_status() {
        let metrics = Metrics::default();
        metrics.request(
            &http::Method::GET,
            "/api/v1/jobs/{name}",
            200,
            Duration::from_millis(3),
        );
        metrics.request(
            &http::Method::GET,
            "/api/v1/jobs/{name}",
            200,
            Duration::from_secs(100),
        );
        metrics.request(
            &http::Method::from_bytes(b"BREW").unwrap(),
            "unmatched",
            404,
            Duration::from_micros(10),
        );
        metrics.connection_opened();
        metrics.connection_refused("plain_http");
        metrics.collect(Box::new(|out| gauge(out, "lazuli_test", "A test.", 7.0)));
        let page = metrics.page();
        for line in [
            r#"lazuli_http_request_duration_seconds_bucket{method="GET",route="/api/v1/jobs/{name}",le="0.0025"} 0"#,
            r#"lazuli_http_request_duration_seconds_bucket{method="GET",route="/api/v1/jobs/{name}",le="0.005"} 1"#,
            r#"lazuli_http_request_duration_seconds_bucket{method="GET",route="/api/v1/jobs/{name}",le="+Inf"} 2"#,
            r#"lazuli_http_request_duration_seconds_sum{method="GET",route="/api/v1/jobs/{name}"} 100.003"#,
            r#"lazuli_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
            "lazuli_connections 1",
            r#"lazuli_connections_refused_total{reason="plain_http"} 1"#,
            "lazuli_test 7",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(page.contains("process_resident_memory_bytes "));
    }
}
