//! Answers remembered for a moment, so that a hot path does not ask the store the same thing ten thousand times a second.
//!
//! The moment is short on purpose: what another server on the same database changes (a revoked token) counts here after
//! [`LIFETIME`] at the latest; what this server changes counts at once, through `clear`.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long an answer may be used again.
const LIFETIME: Duration = Duration::from_millis(500);

/// Strangers may present endless keys: past this many, stale answers go, then all.
const MOST: usize = 10_000;

/// A small cache with a short memory.
#[derive(Debug)]
pub(crate) struct Memo<K, V>(RwLock<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(RwLock::new(HashMap::new()))
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Memo<K, V> {
    /// The answer, if it is fresh.
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = known.get(key)?;
        (since.elapsed() < LIFETIME).then(|| value.clone())
    }

    /// Remembers an answer.
    pub(crate) fn put(&self, key: K, value: V) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (since, _)| since.elapsed() < LIFETIME);
            if known.len() >= MOST {
                known.clear();
            }
        }
        known.insert(key, (Instant::now(), value));
    }

    /// Forgets everything: something changed.
    pub(crate) fn clear(&self) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
