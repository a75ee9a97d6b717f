//! The gateway's picture of the endpoints: built by the reconciler after every change, read by each request without a wait.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use lazuli_core::deployments::Desired;
use lazuli_spec::IdSource;
use lazuli_spec::endpoints::{EndpointKeys, Traffic};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::counters::Counters;
use crate::logs::DeploymentLog;
use crate::pool::Pool;

/// One deployment as requests see it. It outlives its pools: an update exchanges the pool inside.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) name: String,
    pool: RwLock<Option<Arc<Pool>>>,
    pub(crate) counters: Counters,
    pub(crate) log: Arc<DeploymentLog>,
    pub(crate) preparation: Arc<DeploymentLog>,
}

impl Live {
    pub(crate) fn new(name: &str, folder: &std::path::Path) -> Self {
        Self {
            name: name.to_owned(),
            pool: RwLock::new(None),
            counters: Counters::default(),
            log: Arc::new(DeploymentLog::new(&folder.join("logs"))),
            preparation: Arc::new(DeploymentLog::new(&folder.join("preparation"))),
        }
    }

    /// The pool that answers now, if any.
    pub(crate) fn pool(&self) -> Option<Arc<Pool>> {
        self.pool
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another pool in front; the old one is the caller's to dismiss.
    pub(crate) fn exchange(&self, pool: Option<Arc<Pool>>) -> Option<Arc<Pool>> {
        std::mem::replace(
            &mut *self.pool.write().unwrap_or_else(PoisonError::into_inner),
            pool,
        )
    }
}

/// One endpoint as requests see it.
#[derive(Debug)]
pub(crate) struct Route {
    keys: [[u8; 32]; 2],
    pub(crate) deployments: Vec<Arc<Live>>,
    traffic: Vec<(Arc<Live>, u64)>,
    mirror: Option<(Arc<Live>, u64)>,
}

/// Every endpoint by name.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) routes: HashMap<String, Arc<Route>>,
}

/// Why no deployment was chosen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoChoice {
    /// None takes traffic, or none has that name.
    None,
    /// The chosen ones have no processes that answer.
    NotReady,
}

impl Route {
    /// The route of an endpoint whose deployments live as `deployments`.
    pub(crate) fn new(desired: &Desired, deployments: Vec<Arc<Live>>) -> Self {
        let shares = |traffic: &Traffic| -> Vec<(Arc<Live>, u64)> {
            let live = |name: &String| deployments.iter().find(|live| live.name == *name).cloned();
            traffic
                .iter()
                .filter(|(_, share)| **share > 0)
                .filter_map(|(name, share)| Some((live(name)?, u64::from(*share))))
                .collect()
        };
        let spec = &desired.endpoint.spec;
        Self {
            keys: hashed(&desired.keys),
            traffic: shares(&spec.traffic),
            mirror: shares(&spec.mirror_traffic).pop(),
            deployments,
        }
    }

    /// Whether `key` is one of the endpoint's two, in the same time whichever it is or is not.
    pub(crate) fn opens(&self, key: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let [first, second] = &self.keys;
        bool::from(given.ct_eq(first) | given.ct_eq(second))
    }

    /// The deployment for a request: the one named, or by the shares among those that answer.
    pub(crate) fn choose(
        &self,
        named: Option<&str>,
        ids: &dyn IdSource,
    ) -> Result<(Arc<Live>, Arc<Pool>), NoChoice> {
        if let Some(name) = named {
            let live = self
                .deployments
                .iter()
                .find(|live| live.name == name)
                .ok_or(NoChoice::None)?;
            return Ok((live.clone(), live.pool().ok_or(NoChoice::NotReady)?));
        }
        if self.traffic.is_empty() {
            return Err(NoChoice::None);
        }
        let ready: Vec<_> = self
            .traffic
            .iter()
            .filter_map(|(live, share)| Some((live, live.pool()?, *share)))
            .collect();
        let total: u64 = ready.iter().map(|(.., share)| share).sum();
        // one candidate needs no draw
        let mut drawn = if ready.len() > 1 { ids.below(total) } else { 0 };
        for (live, pool, share) in ready {
            if drawn < share {
                return Ok((live.clone(), pool));
            }
            drawn -= share;
        }
        Err(NoChoice::NotReady)
    }

    /// The deployment that shall also see this request, if it is one of the share.
    pub(crate) fn mirrored(&self, ids: &dyn IdSource) -> Option<(Arc<Live>, Arc<Pool>)> {
        let (live, share) = self.mirror.as_ref()?;
        let pool = live.pool()?;
        (ids.below(100) < *share).then(|| (live.clone(), pool))
    }
}

fn hashed(keys: &EndpointKeys) -> [[u8; 32]; 2] {
    [&keys.primary_key, &keys.secondary_key].map(|key| Sha256::digest(key.as_bytes()).into())
}
