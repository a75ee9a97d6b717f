//! The deliverer: takes what is due from the store, sends it, and notes what became of it.
//!
//! One server at a time delivers, by a lease. A server that ends without giving it back loses it after some seconds, and
//! another one, or the same one started again, sends what was not taken: a receiver may see a delivery twice, under one id,
//! and never misses one for that reason. How much is under way at once is bounded in all, for each webhook and for
//! each workspace: nobody's slow receivers hold up what others are told.

use std::collections::HashMap;
use std::time::Duration;

use lazuli_spec::Timestamp;
use lazuli_spec::webhooks::{body, is_retried, pause, retry_after};
use lazuli_store::webhooks::{self, DeliveryKey, Due};
use lazuli_store::{Tx, computes};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Answer, Failure, signature};
use crate::{Core, Error, Result};

const LEASE: &str = "webhooks";
const LEASE_TIME: Duration = Duration::from_secs(10);
/// Deliveries under way at once.
const AT_ONCE: usize = 32;
/// Deliveries under way at once to one webhook.
const AT_ONCE_EACH: u32 = 3;
/// Deliveries under way at once of one workspace.
const OF_WORKSPACE: usize = 8;

/// How deliveries are made.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often it looks without being woken: for what another server queued, and for further attempts.
    pub tick: Duration,
    /// Attempts after the first one.
    pub retries: u32,
}

/// A running deliverer.
#[derive(Debug)]
pub struct Deliverer {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

struct Driver {
    core: Core,
    options: Options,
    holder: String,
    lease_until: Timestamp,
    /// With the workspace's name.
    under_way: HashMap<DeliveryKey, String>,
    sends: JoinSet<DeliveryKey>,
}

/// Starts to deliver. Needs a Tokio runtime, and [`Core::set_webhook_outbound`] before.
pub fn start(core: Core, options: Options) -> Deliverer {
    let (stop, stopped) = watch::channel(false);
    let driver = Driver {
        holder: core.ids().uuid_hex(),
        core,
        options,
        lease_until: Timestamp(0),
        under_way: HashMap::new(),
        sends: JoinSet::new(),
    };
    let task = tokio::spawn(driver.run(stopped));
    Deliverer { stop, task }
}

impl Deliverer {
    /// Ends it. What is under way is left, and sent again by the next server.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

impl Driver {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.options.tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let core = self.core.clone();
            tokio::select! {
                () = core.webhooks().wake.notified() => {}
                _ = ticks.tick() => {}
                Some(ended) = self.sends.join_next() => self.note_end(ended),
                _ = stopped.changed() => break,
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "webhooks could not be looked after; it is tried again");
            }
        }
        self.sends.shutdown().await;
        self.give_lease_back().await;
    }

    fn note_end(&mut self, ended: Result<DeliveryKey, tokio::task::JoinError>) {
        match ended {
            Ok(key) => {
                self.under_way.remove(&key);
            }
            // a defect: which one it was is not known, so all that is still under way is counted anew
            Err(error) => {
                tracing::error!(%error, "a delivery ended by a panic");
                if self.sends.is_empty() {
                    self.under_way.clear();
                }
            }
        }
    }

    /// Starts what is due, as far as there is room.
    async fn look(&mut self) -> Result<()> {
        if !self.sends.is_empty() && !self.hold_lease().await? {
            return Ok(());
        }
        let room = AT_ONCE.saturating_sub(self.under_way.len());
        if room == 0 {
            return Ok(());
        }
        let now = self.core.now();
        // those under way are due as well, and may come first
        let most = (2 * AT_ONCE) as u32;
        let each = (AT_ONCE_EACH, (2 * OF_WORKSPACE) as u32);
        let due = self
            .core
            .store()
            .read(move |tx| Ok::<_, Error>(webhooks::due(tx, now, each, most)?))
            .await?;
        let fresh = self.may_start(due, room);
        if fresh.is_empty() || !self.hold_lease().await? {
            return Ok(());
        }
        for due in fresh {
            self.under_way
                .insert(due.key.clone(), due.workspace.clone());
            let (core, retries) = (self.core.clone(), self.options.retries);
            self.sends.spawn(async move {
                let key = due.key.clone();
                deliver(&core, due, retries).await;
                key
            });
        }
        Ok(())
    }

    /// Those that are not under way, as many as there is room for, in all and in their workspaces.
    fn may_start(&self, due: Vec<Due>, room: usize) -> Vec<Due> {
        let mut busy: HashMap<String, usize> = HashMap::new();
        for workspace in self.under_way.values() {
            *busy.entry(workspace.clone()).or_default() += 1;
        }
        let mut fresh = Vec::new();
        for due in due {
            if fresh.len() == room || self.under_way.contains_key(&due.key) {
                continue;
            }
            let busy = busy.entry(due.workspace.clone()).or_default();
            if *busy < OF_WORKSPACE {
                *busy += 1;
                fresh.push(due);
            }
        }
        fresh
    }

    async fn hold_lease(&mut self) -> Result<bool> {
        let now = self.core.now();
        if self.lease_until > now.plus(LEASE_TIME / 2) {
            return Ok(true);
        }
        let (until, holder) = (now.plus(LEASE_TIME), self.holder.clone());
        let hold = move |tx: &mut Tx<'_>| {
            Ok::<_, Error>(computes::hold_lease(tx, LEASE, &holder, now, until)?)
        };
        let holds = self.core.store().write(hold).await?;
        self.lease_until = if holds { until } else { Timestamp(0) };
        Ok(holds)
    }

    async fn give_lease_back(&self) {
        let holder = self.holder.clone();
        let drop = move |tx: &mut Tx<'_>| Ok::<_, Error>(computes::drop_lease(tx, LEASE, &holder)?);
        if let Err(error) = self.core.store().write(drop).await {
            tracing::debug!(%error, "the lease on webhooks was not given back; it runs out by itself");
        }
    }
}

/// What is to become of a delivery after an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The receiver took it.
    Taken,
    /// It is tried again.
    Again(Duration),
    /// It is not tried again, for this reason.
    Given(String),
}

/// One attempt, and its outcome in the store.
async fn deliver(core: &Core, due: Due, retries: u32) {
    let next = match attempt(core, &due).await {
        Ok(outcome) => judge(outcome, due.failures, retries, core),
        Err(error) => Next::Given(error.to_string()),
    };
    let failures = due.failures + 1;
    let again_at = match &next {
        Next::Taken => None,
        Next::Again(span) => {
            tracing::debug!(
                webhook = due.key.webhook_id,
                event = due.event.as_str(),
                failures,
                "a delivery failed and is tried again"
            );
            Some(core.now().plus(*span))
        }
        Next::Given(reason) => {
            tracing::warn!(
                webhook = due.key.webhook_id,
                event = due.event.as_str(),
                failures,
                reason,
                "a delivery failed for good"
            );
            None
        }
    };
    let key = due.key;
    let noted = core
        .store()
        .write(move |tx| {
            match again_at {
                Some(at) => webhooks::postpone(tx, &key, failures, at)?,
                None => webhooks::done(tx, &key)?,
            }
            Ok::<_, Error>(())
        })
        .await;
    if let Err(error) = noted {
        tracing::warn!(%error, "what became of a delivery could not be noted; it is sent again");
        // not at once, or a store in trouble would have receivers flooded
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn attempt(core: &Core, due: &Due) -> Result<Result<Answer, Failure>> {
    let secret = core.open_secret(&due.key.webhook_id, due.secret.as_deref())?;
    let data = serde_json::from_str(&due.data).unwrap_or_default();
    let text = body(due.event, due.created_at, &due.workspace, &data);
    let id = signature::delivery_id(&due.key, due.created_at);
    let post = signature::post(&due.url, secret.as_deref(), &id, text, core.now());
    Ok(core.outbound()?.post(post).await)
}

fn judge(outcome: Result<Answer, Failure>, failures: u32, retries: u32, core: &Core) -> Next {
    let (reason, wish) = match outcome {
        Ok(answer) if answer.status < 300 => return Next::Taken,
        Ok(answer) => {
            let asked = answer.retry_after.as_deref();
            let wish = asked.and_then(|text| retry_after(text, core.now()));
            let reason = format!("the receiver answered {}", answer.status);
            // redirects are not followed: what they point to was not checked
            let too_large_now = answer.status == 413 && wish.is_some();
            if !is_retried(answer.status) && !too_large_now {
                return Next::Given(reason);
            }
            (reason, wish)
        }
        Err(failure) if failure.for_good => return Next::Given(failure.message),
        Err(failure) => (failure.message, None),
    };
    if failures >= retries {
        return Next::Given(reason);
    }
    let jitter = Duration::from_millis(core.ids().below(1_000));
    Next::Again(wish.unwrap_or_else(|| pause(failures + 1, jitter)))
}
