//! A pool of worker processes behind one deployment: hands each request to a free worker, bounds how many wait, and turns
//! crashes and time-outs into errors of the one request they hit.
//!
//! A pool never changes its model: an update starts a second pool and dismisses the first when the second is ready.

use crate::logs::DeploymentLog;
use crate::slot::{self, SlotState};
use crate::worker::Worker;
pub use crate::worker::{ScoreReply, ScoreRequest};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

/// What a worker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelKind {
    /// An MLflow model's folder.
    Mlflow(PathBuf),
    /// A scoring script with init() and run().
    Script(PathBuf),
}

/// How to start a worker.
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    /// The interpreter of the deployment's environment.
    pub python: PathBuf,
    /// Where [`prepare_worker`] wrote the worker package.
    pub worker_dir: PathBuf,
    /// What it serves.
    pub model: ModelKind,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Its whole environment; nothing of the server's is inherited.
    pub env: BTreeMap<String, String>,
    /// How long loading the model may take.
    pub load_timeout: Duration,
}

/// How much a pool takes on.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Worker processes.
    pub processes: usize,
    /// Requests under way at once, running or waiting; one more is refused.
    pub in_flight: usize,
    /// How long a request may take, waiting included.
    pub request_timeout: Duration,
}

/// Why a model could not be loaded, as its user needs to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadFailure {
    /// One line.
    pub message: String,
    /// Python's traceback, when there is one.
    pub traceback: Option<String>,
}

impl LoadFailure {
    pub(crate) fn new(message: String) -> Self {
        Self {
            message,
            traceback: None,
        }
    }
}

/// Why a request got no answer of the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// As many requests as allowed are under way.
    #[error("too many requests are under way: at most {0} at once")]
    Busy(usize),
    /// The time for a request is over.
    #[error("no answer within {} ms (request_settings.request_timeout_ms)", .0.as_millis())]
    Timeout(Duration),
    /// The process died while it worked on this request.
    #[error(
        "the worker process died while it answered this request; the deployment's log has more"
    )]
    WorkerDied,
    /// No worker is alive.
    #[error("no worker of this deployment is alive; the deployment's log says why")]
    NoWorker,
}

/// Writes the worker's source into `folder`, for [`WorkerSpec::worker_dir`].
pub fn prepare_worker(folder: &std::path::Path) -> std::io::Result<()> {
    crate::embedded::write(folder)
}

/// What slots and requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) spec: WorkerSpec,
    pub(crate) log: Arc<DeploymentLog>,
    idle: mpsc::UnboundedSender<Worker>,
    alive: AtomicUsize,
    restarts: AtomicUsize,
}

impl Shared {
    /// Gives a worker to the next request.
    pub(crate) fn offer(&self, worker: Worker) {
        // the receiver goes only with the pool, and then nobody waits
        let _ = self.idle.send(worker);
    }

    pub(crate) fn worker_came(&self) {
        self.alive.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn worker_went(&self) {
        self.alive.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

/// A running pool. Dropping it ends its processes.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    limits: PoolLimits,
    queue: Mutex<mpsc::UnboundedReceiver<Worker>>,
    in_flight: AtomicUsize,
    slots: Vec<watch::Receiver<SlotState>>,
    stop: watch::Sender<bool>,
}

impl Pool {
    /// Starts the processes; [`Pool::ready`] tells when they hold the model.
    pub fn start(spec: WorkerSpec, limits: PoolLimits, log: Arc<DeploymentLog>) -> Self {
        let (idle, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            spec,
            log,
            idle,
            alive: AtomicUsize::new(0),
            restarts: AtomicUsize::new(0),
        });
        let (stop, stopped) = watch::channel(false);
        let slots = (0..limits.processes.max(1))
            .map(|number| {
                let (state, watched) = watch::channel(SlotState::Loading);
                tokio::spawn(slot::run(number, shared.clone(), state, stopped.clone()));
                watched
            })
            .collect();
        Self {
            shared,
            limits,
            queue: Mutex::new(queue),
            in_flight: AtomicUsize::new(0),
            slots,
            stop,
        }
    }

    /// Waits until every process holds the model, or the first says why it cannot.
    pub async fn ready(&self) -> Result<(), LoadFailure> {
        for slot in &self.slots {
            let mut slot = slot.clone();
            let state = slot
                .wait_for(|state| !matches!(state, SlotState::Loading))
                .await;
            match state.as_deref() {
                Ok(SlotState::Ready { .. }) => {}
                Ok(SlotState::Failed(failure)) => return Err(failure.clone()),
                _ => {
                    return Err(LoadFailure::new(
                        "the deployment was stopped while it loaded".to_owned(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Scores one request.
    pub async fn score(&self, request: ScoreRequest) -> Result<ScoreReply, ScoreError> {
        let _under_way = self.enter()?;
        let timeout = self.limits.request_timeout;
        let deadline = Instant::now() + timeout;
        let worker = match timeout_at(deadline, self.next_worker()).await {
            Ok(Some(worker)) => worker,
            Ok(None) => return Err(ScoreError::NoWorker),
            Err(_) if self.alive() == 0 => return Err(ScoreError::NoWorker),
            Err(_) => return Err(ScoreError::Timeout(timeout)),
        };
        let (answer, answered) = oneshot::channel();
        // a task of its own: a caller that hangs up must not leave a half-read socket behind
        tokio::spawn(exchange(
            self.shared.clone(),
            worker,
            request,
            deadline + grace(timeout),
            answer,
        ));
        match timeout_at(deadline, answered).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(ScoreError::WorkerDied),
            Err(_) => Err(ScoreError::Timeout(timeout)),
        }
    }

    /// What the model says of its input and output, once it is loaded.
    pub fn schema(&self) -> Option<Arc<serde_json::Value>> {
        self.slots.iter().find_map(|slot| match &*slot.borrow() {
            SlotState::Ready { schema, .. } => Some(schema.clone()),
            _ => None,
        })
    }

    /// Process ids of the living workers.
    pub fn pids(&self) -> Vec<u32> {
        let pid = |slot: &watch::Receiver<SlotState>| match &*slot.borrow() {
            SlotState::Ready { pid, .. } => *pid,
            _ => None,
        };
        self.slots.iter().filter_map(pid).collect()
    }

    /// Workers that hold the model now.
    pub fn alive(&self) -> usize {
        self.shared.alive.load(Ordering::Acquire)
    }

    /// How often a worker had to be replaced.
    pub fn restarts(&self) -> usize {
        self.shared.restarts.load(Ordering::Relaxed)
    }

    /// Requests running or waiting.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Lets requests under way end, at most for their own time-out, then ends the processes.
    pub async fn dismiss(&self) {
        // whoever took hold of this pool just before it was replaced gets in
        tokio::time::sleep(Duration::from_millis(50)).await;
        let deadline = Instant::now() + self.limits.request_timeout;
        while self.in_flight() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.stop().await;
    }

    /// Ends the processes now and waits until they are gone.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        for slot in &self.slots {
            let mut slot = slot.clone();
            // an error means that the slot's task has ended already
            let _ = slot
                .wait_for(|state| matches!(state, SlotState::Stopped))
                .await;
        }
    }

    fn enter(&self) -> Result<UnderWay<'_>, ScoreError> {
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let guard = UnderWay(&self.in_flight);
        if before >= self.limits.in_flight {
            return Err(ScoreError::Busy(self.limits.in_flight));
        }
        Ok(guard)
    }

    async fn next_worker(&self) -> Option<Worker> {
        let mut queue = self.queue.lock().await;
        loop {
            let worker = queue.recv().await?;
            if !worker.life.is_dead() {
                return Some(worker);
            }
        }
    }
}

struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How much longer than its caller a late answer is awaited, before its worker is taken for stuck: replacing a worker costs
/// a load of the model, so one slow request must not do it.
fn grace(timeout: Duration) -> Duration {
    timeout.clamp(Duration::from_millis(200), Duration::from_secs(30))
}

async fn exchange(
    shared: Arc<Shared>,
    mut worker: Worker,
    request: ScoreRequest,
    patience: Instant,
    answer: oneshot::Sender<ScoreReply>,
) {
    match timeout_at(patience, worker.ask(&request)).await {
        Ok(Ok(reply)) => {
            shared.offer(worker);
            // the caller may have given up
            let _ = answer.send(reply);
        }
        // dropping `answer` tells the caller
        Ok(Err(_)) | Err(_) => worker.life.doom(),
    }
}
