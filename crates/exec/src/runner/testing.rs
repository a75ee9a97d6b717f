//! A server that speaks the runner's protocol and remembers what it heard, and runners as processes of their own.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use lazuli_spec::runner::{
    Heartbeat, LogReply, OutputReport, PlanEnvironment, RunnerPlan, RunnerReply, RunnerState,
    StateReport,
};
use lazuli_spec::trees::{ContentHash, Tree};
use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "job-token";

/// What the server has and what it heard.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) plan: Mutex<Option<RunnerPlan>>,
    pub(crate) reports: Mutex<Vec<StateReport>>,
    pub(crate) beats: Mutex<Vec<Heartbeat>>,
    pub(crate) logs: Mutex<HashMap<String, Vec<u8>>>,
    pub(crate) first_log_at: Mutex<Option<std::time::Instant>>,
    pub(crate) artifacts: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) contents: Mutex<HashMap<String, Vec<u8>>>,
    pub(crate) trees: Mutex<HashMap<String, Tree>>,
    pub(crate) outputs: Mutex<HashMap<String, String>>,
    pub(crate) metrics: Mutex<Vec<Value>>,
    pub(crate) cancel: AtomicBool,
}

type Shared = State<Arc<Heard>>;

impl Heard {
    pub(crate) fn states(&self) -> Vec<RunnerState> {
        self.reports
            .lock()
            .unwrap()
            .iter()
            .map(|report| report.state)
            .collect()
    }

    pub(crate) fn last(&self) -> Option<StateReport> {
        self.reports
            .lock()
            .unwrap()
            .last()
            .cloned()
            .filter(|report| report.state.is_terminal())
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(
            self.logs
                .lock()
                .unwrap()
                .get("user_logs/std_log.txt")
                .map_or(&[], Vec::as_slice),
        )
        .into_owned()
    }

    /// Stores files as a tree; answers its id.
    pub(crate) fn store(&self, files: &[(&str, &str)]) -> String {
        let entries = files.iter().map(|(path, text)| {
            let sha256 = ContentHash::of(text.as_bytes());
            self.contents
                .lock()
                .unwrap()
                .insert(sha256.to_string(), text.as_bytes().to_vec());
            lazuli_spec::trees::TreeEntry {
                path: (*path).to_owned(),
                size: text.len() as u64,
                sha256,
            }
        });
        let tree = Tree::new(entries.collect()).unwrap();
        let id = tree.id().to_string();
        self.trees.lock().unwrap().insert(id.clone(), tree);
        id
    }
}

/// A running server; it stops listening when dropped.
pub(crate) struct Server {
    pub(crate) heard: Arc<Heard>,
    pub(crate) address: SocketAddr,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Server {
    pub(crate) async fn start(heard: Arc<Heard>, at: Option<SocketAddr>) -> Self {
        let wanted = at.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        let listener = loop {
            if let Ok(listener) = tokio::net::TcpListener::bind(wanted).await {
                break listener;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let router = router(Arc::clone(&heard));
        tokio::spawn(async move {
            let serve = axum::serve(listener, router);
            tokio::select! { _ = serve => (), _ = stopped.changed() => () }
        });
        Self {
            heard,
            address,
            stop,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the last report.
    pub(crate) async fn end(&self) -> StateReport {
        self.until("the last report", Heard::last).await
    }

    pub(crate) async fn until<T>(&self, what: &str, found: impl Fn(&Heard) -> Option<T>) -> T {
        for _ in 0..1500 {
            if let Some(found) = found(&self.heard) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "waited in vain for {what}; states {:?}, log {}",
            self.heard.states(),
            self.heard.log()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

fn router(heard: Arc<Heard>) -> axum::Router {
    axum::Router::new()
        .route("/api/v1/runner/plan", get(plan))
        .route("/api/v1/runner/state", post(state))
        .route("/api/v1/runner/heartbeat", post(heartbeat))
        .route("/api/v1/runner/logs", post(logs))
        .route("/api/v1/runner/outputs/{name}", put(output))
        .route("/api/v1/workspaces/w/content/missing", post(missing))
        .route(
            "/api/v1/workspaces/w/content/{sha256}",
            get(content).put(put_content),
        )
        .route("/api/v1/workspaces/w/trees/{id}", get(tree).put(put_tree))
        .route("/api/2.0/mlflow/runs/log-batch", post(metrics))
        .route(
            "/api/2.0/mlflow-artifacts/artifacts/7/{run}/artifacts/{*path}",
            put(artifact),
        )
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(heard)
}

async fn plan(State(heard): Shared, headers: HeaderMap) -> Result<Json<RunnerPlan>, StatusCode> {
    let expected = format!("Bearer {TOKEN}");
    if headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        != Some(expected.as_str())
    {
        return Err(StatusCode::UNAUTHORIZED);
    }
    heard
        .plan
        .lock()
        .unwrap()
        .clone()
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

fn reply(heard: &Heard) -> Json<RunnerReply> {
    Json(RunnerReply {
        cancel: heard.cancel.load(Ordering::SeqCst),
    })
}

async fn state(State(heard): Shared, Json(report): Json<StateReport>) -> Json<RunnerReply> {
    let mut reports = heard.reports.lock().unwrap();
    if reports
        .last()
        .is_none_or(|last| last.sequence < report.sequence)
    {
        reports.push(report);
    }
    reply(&heard)
}

async fn heartbeat(State(heard): Shared, Json(beat): Json<Heartbeat>) -> Json<RunnerReply> {
    heard.beats.lock().unwrap().push(beat);
    reply(&heard)
}

async fn logs(
    State(heard): Shared,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Json<LogReply> {
    let mut logs = heard.logs.lock().unwrap();
    let log = logs.entry(query["name"].clone()).or_default();
    if query["name"].starts_with("user_logs") {
        heard
            .first_log_at
            .lock()
            .unwrap()
            .get_or_insert_with(std::time::Instant::now);
    }
    let offset: usize = query["offset"].parse().unwrap();
    if offset <= log.len() && offset + body.len() > log.len() {
        log.truncate(offset);
        log.extend_from_slice(&body);
    }
    Json(LogReply {
        next_offset: log.len() as u64,
    })
}

async fn output(
    State(heard): Shared,
    UrlPath(name): UrlPath<String>,
    Json(report): Json<OutputReport>,
) {
    heard.outputs.lock().unwrap().insert(name, report.tree);
}

async fn missing(State(heard): Shared, Json(asked): Json<Value>) -> Json<Value> {
    let contents = heard.contents.lock().unwrap();
    let missing: Vec<&Value> = asked["sha256s"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|hash| !contents.contains_key(hash.as_str().unwrap()))
        .collect();
    Json(json!({ "sha256s": missing }))
}

async fn content(
    State(heard): Shared,
    UrlPath(hash): UrlPath<String>,
) -> Result<Vec<u8>, StatusCode> {
    heard
        .contents
        .lock()
        .unwrap()
        .get(&hash)
        .cloned()
        .ok_or(StatusCode::NOT_FOUND)
}

async fn put_content(
    State(heard): Shared,
    UrlPath(hash): UrlPath<String>,
    body: Bytes,
) -> StatusCode {
    if ContentHash::of(&body).as_str() != hash {
        return StatusCode::BAD_REQUEST;
    }
    heard.contents.lock().unwrap().insert(hash, body.to_vec());
    StatusCode::CREATED
}

async fn tree(
    State(heard): Shared,
    UrlPath(id): UrlPath<String>,
) -> Result<Json<Tree>, StatusCode> {
    heard
        .trees
        .lock()
        .unwrap()
        .get(&id)
        .cloned()
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

async fn put_tree(
    State(heard): Shared,
    UrlPath(id): UrlPath<String>,
    Json(tree): Json<Tree>,
) -> StatusCode {
    if tree.id().as_str() != id {
        return StatusCode::BAD_REQUEST;
    }
    heard.trees.lock().unwrap().insert(id, tree);
    StatusCode::CREATED
}

async fn metrics(State(heard): Shared, Json(batch): Json<Value>) -> Json<Value> {
    heard.metrics.lock().unwrap().push(batch);
    Json(json!({}))
}

async fn artifact(
    State(heard): Shared,
    UrlPath((_run, path)): UrlPath<(String, String)>,
    body: Bytes,
) -> Json<Value> {
    heard.artifacts.lock().unwrap().insert(path, body.to_vec());
    Json(json!({}))
}

/// A plan that runs one command in a plain Python.
pub(crate) fn plan_of(command: &str) -> RunnerPlan {
    RunnerPlan {
        protocol: lazuli_spec::runner::PROTOCOL,
        workspace: "w".to_owned(),
        job: "job1".to_owned(),
        run_id: "job1".to_owned(),
        experiment_id: "7".to_owned(),
        experiment_name: "exp".to_owned(),
        display_name: "calm_lake".to_owned(),
        command: command.to_owned(),
        code_tree: None,
        environment: PlanEnvironment {
            label: "inline".to_owned(),
            image: Some("python".to_owned()),
            ..PlanEnvironment::default()
        },
        environment_variables: BTreeMap::new(),
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        timeout_seconds: None,
    }
}

/// A program that behaves as `lazuli runner --launch FILE`: this test binary, told to be a runner.
pub(crate) fn runner_program(home: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let script = home.join("runner.sh");
    let binary = std::env::current_exe().unwrap();
    let text = format!(
        "#!/bin/sh\nLAZULI_TEST_LAUNCH=\"$3\" exec {} runner::tests::as_a_runner --exact --nocapture\n",
        binary.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

/// Whether a process with this text in its command line lives.
pub(crate) fn runs(text: &str) -> bool {
    let wanted = text.as_bytes();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.windows(wanted.len()).any(|part| part == wanted)
            && entry.file_name().to_string_lossy() != std::process::id().to_string()
    })
}
