//! `/healthz`, `/readyz` and `/metrics`: what supervisors and dashboards read. They need no workspace and no database to be routed.
//!
//! `/healthz` says that the process answers; `/readyz` that everything it depends on answers too, by name; `/metrics` is open to this
//! machine only unless `metrics.access` says otherwise.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::{BoxFuture, join_all};
use http::{Method, StatusCode, header};
use lazuli_api::routing::{OwnRoute, Permission};
use serde_json::json;

use super::metrics::Metrics;
use super::requests::is_local;

/// How long one part may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);

/// Something the server depends on.
pub(crate) struct Probe {
    /// Its name in the answer.
    pub name: &'static str,
    /// Asks it; an error is a sentence.
    pub ask: Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

/// Counts that the database knows, by job state.
pub(crate) type JobCounts = Box<dyn Fn() -> BoxFuture<'static, Vec<(String, i64)>> + Send + Sync>;

/// What the three routes need.
pub(crate) struct Health {
    pub probes: Vec<Probe>,
    pub jobs: JobCounts,
    pub metrics: Arc<Metrics>,
    pub metrics_for_anyone: bool,
}

/// The three routes, each with who may ask.
pub(crate) fn routes(health: Health) -> [(Permission, OwnRoute); 3] {
    let health = Arc::new(health);
    let metrics_for = if health.metrics_for_anyone {
        Permission::Public
    } else {
        Permission::Loopback
    };
    [
        (Permission::Public, "/healthz", get(healthz)),
        (Permission::Public, "/readyz", get(readyz)),
        (metrics_for, "/metrics", get(metrics)),
    ]
    .map(|(who, path, route)| {
        let route = route.with_state(Arc::clone(&health));
        (who, (Method::GET, path, route))
    })
}

async fn healthz() -> Response {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })).into_response()
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let answers = join_all(health.probes.iter().map(|probe| async {
        match tokio::time::timeout(PATIENCE, (probe.ask)()).await {
            Ok(Ok(())) => (probe.name, None),
            Ok(Err(why)) => (probe.name, Some(why)),
            Err(_) => (
                probe.name,
                Some(format!("no answer within {} s", PATIENCE.as_secs())),
            ),
        }
    }))
    .await;
    for (name, why) in &answers {
        if let Some(why) = why {
            tracing::warn!(part = name, why, "not ready");
        }
    }
    // reasons may name hosts and paths; they are for the log, not for whoever asks
    let parts: serde_json::Map<String, serde_json::Value> = answers
        .iter()
        .map(|(name, why)| {
            (
                (*name).to_owned(),
                json!(if why.is_none() { "ok" } else { "unavailable" }),
            )
        })
        .collect();
    let ready = answers.iter().all(|(_, why)| why.is_none());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({ "status": if ready { "ok" } else { "unavailable" }, "parts": parts })),
    )
        .into_response()
}

async fn metrics(State(health): State<Arc<Health>>, request: Request) -> Response {
    if !health.metrics_for_anyone && !is_local(&request) {
        let why = "metrics are open to this server's own machine only; the setting `metrics.access` changes that\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let mut page = health.metrics.page();
    let jobs = tokio::time::timeout(PATIENCE, (health.jobs)())
        .await
        .unwrap_or_default();
    page.push_str("# HELP lazuli_jobs Jobs by state.\n# TYPE lazuli_jobs gauge\n");
    for (state, count) in jobs {
        let _ = writeln!(page, "lazuli_jobs{{state=\"{state}\"}} {count}");
    }
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        page,
    )
        .into_response()
}
