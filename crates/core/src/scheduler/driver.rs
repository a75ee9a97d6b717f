//! The driver: loads the queue, asks it what to do, does it. Wakes at once on a submission, a cancel or an end; ticks for the rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lazuli_spec::Timestamp;
use lazuli_store::{computes, jobs};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::job::Entry;
use super::queue::{Asked, Cluster, Key, Node, Queue};
use crate::executor::Executor;
use crate::{Core, Error, Result};

const LEASE: &str = "scheduler";
/// How long a server that has gone away keeps others from scheduling.
const LEASE_TIME: Duration = Duration::from_secs(10);
/// How many waiting jobs of a compute are looked at; more nodes than this never come free at once.
const AHEAD: u32 = 128;

/// How the driver runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often it looks without being woken: for lost runners, idle nodes, what another server took in.
    pub tick: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(1),
        }
    }
}

/// A running scheduler. Dropping it leaves it running; [`Scheduler::stop`] ends it and leaves the jobs alone.
#[derive(Debug)]
pub struct Scheduler {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What the driver's parts share.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) core: Core,
    pub(super) executor: Arc<dyn Executor>,
    /// What was asked of the executor, kept between looks.
    pub(super) asked: Mutex<Asked>,
    holder: String,
    lease_until: Mutex<Timestamp>,
}

/// Starts the scheduler of this server.
pub fn start(core: Core, executor: Arc<dyn Executor>, options: Options) -> Scheduler {
    let (stop, stopped) = watch::channel(false);
    let driver = Arc::new(Driver {
        asked: Mutex::new(Asked {
            since: core.now(),
            ..Asked::default()
        }),
        holder: core.ids().uuid_hex(),
        lease_until: Mutex::new(Timestamp(0)),
        core,
        executor,
    });
    let task = tokio::spawn(run(driver, options, stopped));
    Scheduler { stop, task }
}

impl Scheduler {
    /// Ends scheduling. Runners live on and are found again by the next server.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

async fn run(driver: Arc<Driver>, options: Options, mut stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(options.tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let is_tick = tokio::select! {
            () = driver.core.jobs().wake.notified() => false,
            _ = ticks.tick() => true,
            _ = stopped.changed() => break,
        };
        if let Err(error) = driver.look(is_tick).await {
            tracing::warn!(%error, "scheduling failed; it is tried again");
        }
    }
    driver.give_lease_back().await;
}

impl Driver {
    /// One look: what ended is found, what is to be done is done.
    async fn look(self: &Arc<Self>, is_tick: bool) -> Result<()> {
        if !self.hold_lease().await? {
            return Ok(());
        }
        if is_tick {
            self.poll_runners().await?;
        }
        let now = self.core.now();
        let mut queue = self.load().await?;
        let before = queue.asked.clone();
        let commands = queue.decide(now);
        self.asked().merge(&before, &queue.asked);
        for command in commands {
            self.perform(command).await?;
        }
        self.finish_ended().await
    }

    pub(super) fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hold_lease(&self) -> Result<bool> {
        let now = self.core.now();
        let held = *self
            .lease_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // renewed in its second half, so that a submission is not kept waiting by it
        if held > now.plus(LEASE_TIME / 2) {
            return Ok(true);
        }
        let until = now.plus(LEASE_TIME);
        let holder = self.holder.clone();
        let holds = self
            .core
            .store()
            .write(move |tx| Ok::<_, Error>(computes::hold_lease(tx, LEASE, &holder, now, until)?))
            .await?;
        *self
            .lease_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = if holds { until } else { Timestamp(0) };
        Ok(holds)
    }

    async fn give_lease_back(&self) {
        let holder = self.holder.clone();
        let given = self
            .core
            .store()
            .write(move |tx| Ok::<_, Error>(computes::drop_lease(tx, LEASE, &holder)?))
            .await;
        if let Err(error) = given {
            tracing::debug!(%error, "the scheduler's lease was not given back; it runs out by itself");
        }
    }

    /// The queue as the rows have it.
    pub(super) async fn load(&self) -> Result<Queue> {
        let (clusters, nodes, active) = self
            .core
            .store()
            .read(|tx| {
                Ok::<_, Error>((
                    computes::all(tx)?,
                    computes::all_nodes(tx)?,
                    jobs::active(tx, AHEAD)?,
                ))
            })
            .await?;
        let mut known: BTreeMap<Key, Cluster> = BTreeMap::new();
        for (workspace_id, compute) in clusters {
            let cluster = Cluster {
                min: compute.spec.min_instances,
                max: compute.spec.max_instances,
                idle: Duration::from_secs(compute.spec.idle_time_before_scale_down),
                nodes: BTreeMap::new(),
            };
            known.insert((workspace_id, compute.spec.name), cluster);
        }
        for row in nodes {
            if let Some(cluster) = known.get_mut(&(row.workspace_id, row.compute)) {
                cluster.nodes.insert(
                    row.node,
                    Node {
                        job: row.job,
                        idle_since: row.idle_since,
                    },
                );
            }
        }
        let entries = active.into_iter().map(crate::jobs::progress::entry);
        let jobs: BTreeMap<Key, Entry> = entries
            .map(|entry| ((entry.workspace_id.clone(), entry.name.clone()), entry))
            .collect();
        // the job's own row says which node it has; the node's row may be behind it after a crash
        for entry in jobs.values() {
            let cluster = known.get_mut(&(entry.workspace_id.clone(), entry.compute.clone()));
            if let Some((cluster, node)) = cluster.zip(entry.node) {
                cluster.nodes.insert(
                    node,
                    Node {
                        job: Some(entry.name.clone()),
                        idle_since: self.core.now(),
                    },
                );
            }
        }
        Ok(Queue {
            clusters: known,
            jobs,
            asked: self.asked().clone(),
        })
    }
}
