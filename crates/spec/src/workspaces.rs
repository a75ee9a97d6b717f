//! Workspaces: where everything else lives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The workspace that exists from the first start.
pub const DEFAULT: &str = "default";

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The stable id that rows carry.
    pub id: String,
    /// The name in paths.
    pub name: String,
    /// The name shown to people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it: a principal id.
    pub created_by: String,
    /// When it was last changed; also its etag.
    pub updated_at: Timestamp,
}
