//! What the core may ask of running deployments: counters and logs.

use async_trait::async_trait;
use lazuli_core::deployments::{DeploymentMetrics, InstanceStatus, LogContainer, ModelRuntime};
use lazuli_core::{Error, Result};

use crate::Serving;

#[async_trait]
impl ModelRuntime for Serving {
    fn metrics(&self, endpoint: &str, deployment: &str) -> DeploymentMetrics {
        let Some(live) = self.live(endpoint, deployment) else {
            return DeploymentMetrics::default();
        };
        let (requests, mirrored, latency_ms) = live.counters.read();
        let pool = live.pool();
        let instances = pool
            .as_ref()
            .map_or_else(InstanceStatus::default, |pool| InstanceStatus {
                ready: pool.alive(),
                restarts: pool.restarts(),
                pids: pool.pids(),
            });
        DeploymentMetrics {
            requests,
            in_flight: pool.map_or(0, |pool| pool.in_flight()),
            mirrored,
            latency_ms,
            instances,
        }
    }

    async fn logs(
        &self,
        endpoint: &str,
        deployment: &str,
        container: LogContainer,
        lines: usize,
    ) -> Result<String> {
        let Some(live) = self.live(endpoint, deployment) else {
            return Ok(String::new());
        };
        let log = match container {
            LogContainer::InferenceServer => live.log.clone(),
            LogContainer::StorageInitializer => live.preparation.clone(),
        };
        let read = tokio::task::spawn_blocking(move || log.tail(lines)).await;
        read.map_err(std::io::Error::other)
            .and_then(|read| read)
            .map_err(|error| {
                Error::internal("the deployment's log cannot be read").caused_by(error)
            })
    }
}

impl Serving {
    /// Prometheus lines of every deployment, for the server's `/metrics`.
    pub fn render_metrics(&self) -> String {
        let mut requests = String::from("# TYPE lazuli_endpoint_requests_total counter\n");
        let mut latency = String::from("# TYPE lazuli_endpoint_request_seconds summary\n");
        let table = self.table();
        let mut names: Vec<_> = table.routes.keys().collect();
        names.sort();
        for name in names {
            for live in table
                .routes
                .get(name)
                .into_iter()
                .flat_map(|route| &route.deployments)
            {
                live.counters
                    .render(name, &live.name, &mut requests, &mut latency);
            }
        }
        requests + &latency
    }
}
