//! Code assets: snapshots of source folders, anonymous unless somebody names them.

use serde::{Deserialize, Serialize};

use crate::assets::AssetError;
use crate::trees::{Tree, TreeId};

/// What a code asset consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeContent {
    /// The files.
    pub tree: TreeId,
}

impl CodeContent {
    /// A snapshot of at least one file.
    pub fn stored(id: TreeId, tree: &Tree) -> Result<Self, AssetError> {
        if tree.count() == 0 {
            return Err(AssetError::new(
                "path",
                "a code asset has at least one file; this tree is empty",
            ));
        }
        Ok(Self { tree: id })
    }

    /// The name of an anonymous snapshot: its tree's id. Its only version is `1`, so the same folder is the same asset.
    pub fn anonymous_name(&self) -> &str {
        self.tree.as_str()
    }
}

/// The version of an anonymous snapshot.
pub const ANONYMOUS_VERSION: &str = "1";
