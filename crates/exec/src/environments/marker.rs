//! The file that says a built environment is whole: written last, read first.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Its name in the environment's directory.
pub(super) const MARKER_FILE: &str = "lazuli-environment.json";
/// The lock that the environment was installed from, beside it.
pub(super) const LOCK_FILE: &str = "lazuli-lock.txt";

/// What a reader needs to know of a built environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// The environment's key, again: a directory that was moved is not taken for another.
    pub(super) key: String,
    /// The base rule.
    pub(super) rule: String,
    /// The interpreter's version.
    pub(super) python: String,
    /// What was asked for.
    pub(super) requirements: Vec<String>,
    /// What differs from it.
    pub(super) relaxations: Vec<String>,
    /// Variables that the definition sets.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
    /// The uv that built it.
    pub(super) uv: String,
    /// How long that took.
    pub(super) build_millis: u64,
}

impl Marker {
    /// The marker of a whole environment; anything unreadable is as good as nothing.
    pub(super) fn read(environment: &Path, key: &str) -> Option<Self> {
        let text = std::fs::read(environment.join(MARKER_FILE)).ok()?;
        let marker: Self = serde_json::from_slice(&text).ok()?;
        // follows the link, so an interpreter that was removed since makes the environment unusable
        (marker.key == key && environment.join("bin/python").exists()).then_some(marker)
    }
}
