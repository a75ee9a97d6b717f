//! The worker pool with real Python processes: crashes, hangs, failures to load, and what survives them.

use bytes::Bytes;
use lazuli_serve::logs::DeploymentLog;
use lazuli_serve::pool::{
    ModelKind, Pool, PoolLimits, ScoreError, ScoreReply, ScoreRequest, WorkerSpec, prepare_worker,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Fixture {
    folder: tempfile::TempDir,
    log: Arc<DeploymentLog>,
}

impl Fixture {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("score.py"), script).unwrap();
        prepare_worker(&folder.path().join("worker")).unwrap();
        let log = Arc::new(DeploymentLog::new(&folder.path().join("logs")));
        Self { folder, log }
    }

    fn pool(&self, processes: usize, timeout_ms: u64) -> Pool {
        let path = self.folder.path();
        let spec = WorkerSpec {
            python: python(),
            worker_dir: path.join("worker"),
            model: ModelKind::Script(path.join("score.py")),
            cwd: path.to_owned(),
            env: BTreeMap::from([
                ("PATH".to_owned(), std::env::var("PATH").unwrap()),
                ("AZUREML_MODEL_DIR".to_owned(), path.display().to_string()),
            ]),
            load_timeout: Duration::from_secs(5),
        };
        let limits = PoolLimits {
            processes,
            in_flight: 2 * processes,
            request_timeout: Duration::from_millis(timeout_ms),
        };
        Pool::start(spec, limits, self.log.clone())
    }
}

fn python() -> std::path::PathBuf {
    let paths = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&paths)
        .map(|folder| folder.join("python3"))
        .find(|path| path.exists())
        .unwrap()
}

async fn ask(pool: &Pool, body: &'static str) -> Result<ScoreReply, ScoreError> {
    pool.score(ScoreRequest {
        method: "POST".to_owned(),
        path: "/score".to_owned(),
        headers: BTreeMap::new(),
        body: Bytes::from_static(body.as_bytes()),
    })
    .await
}

async fn text(pool: &Pool, body: &'static str) -> String {
    String::from_utf8(ask(pool, body).await.unwrap().body.to_vec()).unwrap()
}

const ECHO: &str = r#"
import json, os, time, signal, subprocess, sys
def init():
    print("init was called")
def run(data):
    order = json.loads(data)
    if order == "die": os.kill(os.getpid(), signal.SIGKILL)
    if order == "hang":
        while True: pass
    if order == "raise": raise ValueError("no such flower")
    if order == "pid": return os.getpid()
    if order == "child": return subprocess.Popen(["sleep", "600"]).pid
    if isinstance(order, float): time.sleep(order)
    return {"order": order, "model": os.path.isdir(os.environ["AZUREML_MODEL_DIR"])}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_answers_and_its_prints_are_in_the_log() {
    let fixture = Fixture::new(ECHO);
    let pool = fixture.pool(1, 5_000);
    pool.ready().await.unwrap();
    assert_eq!(
        text(&pool, "[1, 2]").await,
        r#"{"order": [1, 2], "model": true}"#
    );
    let reply = ask(&pool, "\"raise\"").await.unwrap();
    assert_eq!((reply.status, reply.failed), (500, true));
    pool.stop().await;
    let log = fixture.log.tail(100).unwrap();
    assert!(
        log.contains("init was called") && log.contains("ValueError: no such flower"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_fails_its_request_alone_and_is_replaced() {
    let fixture = Fixture::new(ECHO);
    let pool = fixture.pool(2, 5_000);
    pool.ready().await.unwrap();
    let (died, other) = tokio::join!(ask(&pool, "\"die\""), ask(&pool, "0.3"));
    assert_eq!(died, Err(ScoreError::WorkerDied));
    assert_eq!(other.unwrap().status, 200);
    for _ in 0..4 {
        assert_eq!(ask(&pool, "1").await.unwrap().status, 200);
    }
    until(|| pool.alive() == 2).await;
    assert_eq!(pool.restarts(), 1);
    // an idle worker that is killed costs no request at all
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pool.pids()[0].cast_signed()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    until(|| pool.restarts() == 2).await;
    until(|| pool.alive() == 2).await;
    assert_eq!(ask(&pool, "1").await.unwrap().status, 200);
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_times_out_and_its_worker_is_replaced() {
    let fixture = Fixture::new(ECHO);
    let pool = fixture.pool(1, 300);
    pool.ready().await.unwrap();
    let before = pool.pids();
    assert_eq!(
        ask(&pool, "\"hang\"").await,
        Err(ScoreError::Timeout(Duration::from_millis(300)))
    );
    until(|| pool.alive() == 1 && pool.pids() != before).await;
    assert_eq!(ask(&pool, "1").await.unwrap().status, 200);
    // a late answer is thrown away, never given to the next caller, and costs no restart
    assert!(matches!(
        ask(&pool, "0.4").await,
        Err(ScoreError::Timeout(_))
    ));
    assert_eq!(text(&pool, "7").await, r#"{"order": 7, "model": true}"#);
    assert_eq!(pool.restarts(), 1);
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_requests_run_side_by_side_and_too_many_are_refused() {
    let fixture = Fixture::new(ECHO);
    let pool = Arc::new(fixture.pool(3, 10_000));
    pool.ready().await.unwrap();
    let started = Instant::now();
    let running: Vec<_> = (0..6)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { ask(&pool, "0.5").await })
        })
        .collect();
    until(|| pool.in_flight() == 6).await;
    assert_eq!(ask(&pool, "1").await, Err(ScoreError::Busy(6)));
    for request in running {
        assert_eq!(request.await.unwrap().unwrap().status, 200);
    }
    assert!(
        started.elapsed() < Duration::from_millis(2_500),
        "six half-second requests on three workers: {:?}",
        started.elapsed()
    );
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_does_not_load_says_why() {
    let cases = [
        (
            "import no_such_package\ndef init(): pass\ndef run(data): pass\n",
            "ModuleNotFoundError: No module named 'no_such_package'",
        ),
        (
            "def init():\n    open('missing.pkl')\ndef run(data): pass\n",
            "FileNotFoundError",
        ),
        ("def init(): pass\n", "has no run() function"),
        ("def init(:\n", "SyntaxError"),
        (
            "import sys\ndef init(): sys.exit('bye')\ndef run(data): pass\n",
            "SystemExit: bye",
        ),
    ];
    for (script, expected) in cases {
        let fixture = Fixture::new(script);
        let failure = fixture.pool(1, 5_000).ready().await.unwrap_err();
        assert!(failure.message.contains(expected), "{failure:?}");
        assert!(
            failure
                .traceback
                .unwrap()
                .contains("Traceback (most recent call last)")
        );
    }
    let fixture = Fixture::new("import os\ndef init(): os._exit(9)\ndef run(data): pass\n");
    let failure = fixture.pool(1, 5_000).ready().await.unwrap_err();
    assert!(
        failure.message.contains("ended while it loaded"),
        "{failure:?}"
    );
    let fixture = Fixture::new("import time\ndef init(): time.sleep(60)\ndef run(data): pass\n");
    let failure = fixture.pool(1, 5_000).ready().await.unwrap_err();
    assert!(
        failure.message.contains("not loaded within 5 seconds"),
        "{failure:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_pool_leaves_no_process_behind() {
    let fixture = Fixture::new(ECHO);
    let pool = fixture.pool(2, 5_000);
    pool.ready().await.unwrap();
    let grandchild: u32 = text(&pool, "\"child\"").await.parse().unwrap();
    let mut pids = pool.pids();
    pids.push(grandchild);
    pool.stop().await;
    until(|| pids.iter().all(|pid| !running(*pid))).await;
    // dropping one without a word does the same: the lifeline
    let pool = fixture.pool(1, 5_000);
    pool.ready().await.unwrap();
    let pids = pool.pids();
    drop(pool);
    until(|| pids.iter().all(|pid| !running(*pid))).await;
}

fn running(pid: u32) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    status.is_ok_and(|text| !text.contains(") Z "))
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "the awaited state did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
