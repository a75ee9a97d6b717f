//! Makes what runs equal to what is wanted: reads the deployments in the store, starts, exchanges and ends pools, reports back,
//! and rebuilds the gateway's table. Woken by the stream of events; a look every half minute finds what another server changed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use lazuli_core::Core;
use lazuli_core::deployments::Desired;
use lazuli_core::environment_resolver::EnvironmentResolver;
use lazuli_spec::IdSource;
use lazuli_spec::deployments::{Deployment, Outcome};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::attempt;
use crate::materialise;
use crate::table::{Live, Route, Table};

const LOOK: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(500);

/// Everything that serves models in this process; clones share it.
#[derive(Clone)]
pub struct Serving(Arc<Inner>);

struct Inner {
    core: Core,
    resolver: Arc<dyn EnvironmentResolver>,
    root: PathBuf,
    running: Mutex<HashMap<Key, Running>>,
    table: RwLock<Arc<Table>>,
    driver: Mutex<Option<JoinHandle<()>>>,
}

/// Endpoint and deployment.
type Key = (String, String);

struct Running {
    generation: i64,
    live: Arc<Live>,
    attempt: JoinHandle<()>,
}

impl Serving {
    /// Starts to serve what the store wants served. Needs a Tokio runtime.
    pub fn start(core: Core, resolver: Arc<dyn EnvironmentResolver>) -> Self {
        let root = core.home().join("deployments");
        let inner = Inner {
            core,
            resolver,
            root,
            running: Mutex::default(),
            table: RwLock::default(),
            driver: Mutex::default(),
        };
        let serving = Self(Arc::new(inner));
        serving.0.core.set_model_runtime(Arc::new(serving.clone()));
        let driver = tokio::spawn(serving.clone().drive());
        *serving
            .0
            .driver
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(driver);
        serving
    }

    /// Ends all processes: the server stops.
    pub async fn stop(&self) {
        if let Some(driver) = self
            .0
            .driver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            driver.abort();
        }
        let running: Vec<Running> = self.running().drain().map(|(_, running)| running).collect();
        for Running { attempt, live, .. } in running {
            attempt.abort();
            if let Some(pool) = live.exchange(None) {
                pool.stop().await;
            }
        }
    }

    pub(crate) fn ids(&self) -> &dyn IdSource {
        self.0.core.ids()
    }

    pub(crate) fn route(&self, endpoint: &str) -> Option<Arc<Route>> {
        self.table().routes.get(endpoint).cloned()
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.0
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn live(&self, endpoint: &str, deployment: &str) -> Option<Arc<Live>> {
        let route = self.route(endpoint)?;
        route
            .deployments
            .iter()
            .find(|live| live.name == deployment)
            .cloned()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Key, Running>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn drive(self) {
        let mut changes = self.0.core.follow_changes();
        let mut place = 0;
        loop {
            let pause = match self.reconcile().await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::warn!(%error, "the deployments cannot be read; trying again");
                    RETRY
                }
            };
            if tokio::time::timeout(pause, self.next_change(&mut changes, &mut place)).await
                == Ok(false)
            {
                return;
            }
        }
    }

    /// Waits for an event that concerns endpoints. False when the core is gone.
    async fn next_change(&self, changes: &mut watch::Receiver<i64>, place: &mut i64) -> bool {
        loop {
            if changes.changed().await.is_err() {
                return false;
            }
            let newest = *changes.borrow_and_update();
            // everything before the first change was seen by the first look
            if *place == 0 {
                *place = newest - 1;
            }
            while *place < newest {
                let Ok(events) = self.0.core.events_after(*place, 500).await else {
                    return true;
                };
                let Some(last) = events.last() else { break };
                *place = last.sequence;
                if events
                    .iter()
                    .any(|event| event.subject.starts_with("onlineEndpoints/"))
                {
                    return true;
                }
            }
        }
    }

    async fn reconcile(&self) -> lazuli_core::Result<()> {
        let desired = self.0.core.desired_deployments().await?;
        let mut table = Table::default();
        let mut wanted = Vec::new();
        for endpoint in &desired {
            let lives = endpoint
                .deployments
                .iter()
                .map(|deployment| self.ensure(deployment))
                .collect();
            wanted.extend(endpoint.deployments.iter().map(key));
            table
                .routes
                .insert(name(endpoint), Arc::new(Route::new(endpoint, lives)));
        }
        *self.0.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        let mut running = self.running();
        let unwanted: Vec<Key> = running
            .keys()
            .filter(|key| !wanted.contains(key))
            .cloned()
            .collect();
        for key in unwanted {
            if let Some(gone) = running.remove(&key) {
                tokio::spawn(end(gone, self.0.root.join(&key.0).join(&key.1)));
            }
        }
        Ok(())
    }

    /// The deployment as requests see it; starts an attempt when its generation is new.
    fn ensure(&self, deployment: &Deployment) -> Arc<Live> {
        let mut running = self.running();
        let known = running.get(&key(deployment));
        if let Some(known) = known
            && known.generation == deployment.generation
        {
            return known.live.clone();
        }
        if let Some(known) = known {
            // an older wish that is still being worked on: dropping its pool ends its processes
            known.attempt.abort();
        }
        let folder = self.folder(deployment);
        let live = known.map_or_else(
            || Arc::new(Live::new(&deployment.spec.name, &folder)),
            |known| known.live.clone(),
        );
        let attempt = tokio::spawn(self.clone().fulfil(deployment.clone(), live.clone()));
        running.insert(
            key(deployment),
            Running {
                generation: deployment.generation,
                live: live.clone(),
                attempt,
            },
        );
        live
    }

    /// One attempt and its report. The old pool answers until the new one is ready, and goes on when there is none.
    async fn fulfil(self, deployment: Deployment, live: Arc<Live>) {
        let folder = self.folder(&deployment);
        let blobs = self.0.core.blobs();
        let made =
            attempt::pool(blobs, self.0.resolver.as_ref(), &folder, &deployment, &live).await;
        let (outcome, old) = match made {
            Ok(pool) => (Outcome::succeeded(), live.exchange(Some(Arc::new(pool)))),
            Err(failure) => {
                live.preparation
                    .note(&format!("failed: {}", failure.message));
                (Outcome::failed(failure.message, failure.traceback), None)
            }
        };
        let is_up = outcome.traceback.is_empty() && outcome.message.is_empty();
        while let Err(error) = self
            .0
            .core
            .settle_deployment(&deployment, outcome.clone())
            .await
        {
            tracing::warn!(%error, "the state of a deployment cannot be written; trying again");
            tokio::time::sleep(RETRY).await;
        }
        if let Some(old) = old {
            old.dismiss().await;
        }
        if is_up {
            materialise::remove_others(&folder, &deployment);
        }
    }

    fn folder(&self, deployment: &Deployment) -> PathBuf {
        self.0
            .root
            .join(&deployment.spec.endpoint_name)
            .join(&deployment.spec.name)
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving")
            .field("root", &self.0.root)
            .finish_non_exhaustive()
    }
}

async fn end(gone: Running, folder: PathBuf) {
    gone.attempt.abort();
    if let Some(pool) = gone.live.exchange(None) {
        pool.dismiss().await;
    }
    if let Err(error) = materialise::remove(&folder) {
        tracing::warn!(%error, "the files of a deleted deployment could not be removed");
    }
}

fn key(deployment: &Deployment) -> Key {
    (
        deployment.spec.endpoint_name.clone(),
        deployment.spec.name.clone(),
    )
}

fn name(desired: &Desired) -> String {
    desired.endpoint.spec.name.clone()
}
