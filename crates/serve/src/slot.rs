//! One place for a worker: starts a process, offers it to the pool, and starts another when it dies.

use crate::launch::{self, Launched};
use crate::pool::{LoadFailure, Shared};
use crate::worker::{Life, Worker};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a slot is doing.
#[derive(Debug, Clone)]
pub(crate) enum SlotState {
    Loading,
    Ready {
        pid: Option<u32>,
        schema: Arc<serde_json::Value>,
    },
    Failed(LoadFailure),
    Stopped,
}

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// A process that lived this long did not die of its start: the next one starts without waiting.
const STEADY: Duration = Duration::from_secs(20);

/// Runs until `stop` turns true, or until the very first load fails (then the deployment has failed).
pub(crate) async fn run(
    number: usize,
    shared: Arc<Shared>,
    state: watch::Sender<SlotState>,
    mut stop: watch::Receiver<bool>,
) {
    let mut backoff = FIRST_BACKOFF;
    let mut loaded_once = false;
    loop {
        let launched = tokio::select! {
            launched = launch::launch(&shared.spec, &shared.log) => launched,
            () = stopped(&mut stop) => break,
        };
        match launched {
            Ok(launched) => {
                loaded_once = true;
                let since = Instant::now();
                if !live(number, &shared, launched, &state, &mut stop).await {
                    break;
                }
                if since.elapsed() >= STEADY {
                    backoff = FIRST_BACKOFF;
                }
            }
            Err(failure) => {
                shared.log.note(&format!(
                    "worker {number} failed to load: {}",
                    failure.message
                ));
                state.send_replace(SlotState::Failed(failure));
                if !loaded_once {
                    return;
                }
            }
        }
        shared.count_restart();
        tokio::select! {
            () = tokio::time::sleep(backoff) => {}
            () = stopped(&mut stop) => break,
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
    state.send_replace(SlotState::Stopped);
}

/// Serves with one process until it dies (true) or the pool stops (false).
async fn live(
    number: usize,
    shared: &Shared,
    launched: Launched,
    state: &watch::Sender<SlotState>,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let Launched {
        mut process,
        stream,
        schema,
        seconds,
    } = launched;
    let life = Arc::new(Life::default());
    shared.log.note(&format!(
        "worker {number} is ready, model loaded in {seconds:.3} s"
    ));
    shared.worker_came();
    shared.offer(Worker {
        stream,
        life: life.clone(),
    });
    // only now: whoever hears of it finds a worker to ask
    state.send_replace(SlotState::Ready {
        pid: process.id(),
        schema: Arc::new(schema),
    });
    let again = tokio::select! {
        ended = process.ended() => {
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            shared.log.note(&format!("worker {number} died ({how}); another takes its place"));
            true
        }
        () = life.doomed() => {
            shared.log.note(&format!("worker {number} is killed: it did not answer in time or broke the protocol"));
            true
        }
        () = stopped(stop) => false,
    };
    life.mark_dead();
    shared.worker_went();
    process.kill().await;
    if again {
        state.send_replace(SlotState::Loading);
    }
    again
}

/// Completes when the pool is told to stop, or is dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // an error means that the sender, and with it the pool, is gone
    let _ = stop.wait_for(|stop| *stop).await;
}
