//! Names of objects, valid by construction.

use std::fmt;

use lazuli_spec::trees::{self, ContentHash, TreeError, TreeId};
use object_store::path::Path;

use crate::BlobError;

/// The longest name in bytes as stored: the shortest limit among the back ends (S3: 1024).
const MAX_STORED_BYTES: usize = 1024;
/// The longest stored segment: file systems take 255, and an upload in progress adds a short suffix.
const MAX_STORED_SEGMENT: usize = 240;

/// The name of an object: relative, `/` between segments, no `..`, nothing a back end would read in its own way.
///
/// The rules are those of [`trees::check_path`]. `#` and `%` are stored percent-encoded, because the local back end
/// marks unfinished uploads with `#<number>`; the name seen from outside is unchanged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey {
    name: String,
    stored: Path,
}

impl BlobKey {
    /// Checks a name.
    pub fn parse(name: &str) -> Result<Self, BlobError> {
        trees::check_path(name).map_err(|error| match error {
            TreeError::Path { path, reason } => invalid(path, reason),
            other => invalid(String::new(), &other.to_string()),
        })?;
        let encoded = encode(name);
        if encoded.len() > MAX_STORED_BYTES {
            return Err(invalid(name.to_owned(), "is longer than 1024 bytes"));
        }
        if encoded.split('/').any(|s| s.len() > MAX_STORED_SEGMENT) {
            return Err(invalid(
                name.to_owned(),
                "has a segment longer than 240 bytes",
            ));
        }
        let stored = Path::parse(&encoded).map_err(|e| invalid(name.to_owned(), &e.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            stored,
        })
    }

    /// Where content with this hash lies.
    pub fn content(hash: &ContentHash) -> Self {
        Self::sharded("cas", hash)
    }

    /// Where the tree with this id lies.
    pub fn tree(id: &TreeId) -> Self {
        Self::sharded("trees", id)
    }

    /// Where a path of the artifact proxy lies: every workspace has a root of its own, because numbers of experiments and
    /// names of jobs are only unique within one.
    pub fn proxied(workspace_id: &str, path: &str) -> Result<Self, BlobError> {
        if workspace_id.is_empty() || workspace_id.contains('/') {
            return Err(invalid(workspace_id.to_owned(), "is not a workspace's id"));
        }
        Self::parse(format!("workspaces/{workspace_id}/artifacts/{path}").trim_end_matches('/'))
    }

    /// Where a run's artifact lies.
    pub fn artifact(
        workspace_id: &str,
        experiment: &str,
        run: &str,
        path: &str,
    ) -> Result<Self, BlobError> {
        Self::artifact_root(workspace_id, experiment, run)?.join(path)
    }

    /// The folder of a run's artifacts.
    pub fn artifact_root(
        workspace_id: &str,
        experiment: &str,
        run: &str,
    ) -> Result<Self, BlobError> {
        for part in [experiment, run] {
            if part.contains('/') {
                return Err(invalid(part.to_owned(), "contains `/`"));
            }
        }
        Self::proxied(workspace_id, &format!("{experiment}/{run}/artifacts"))
    }

    /// A name below this one.
    pub fn join(&self, path: &str) -> Result<Self, BlobError> {
        trees::check_path(path)?;
        Self::parse(&format!("{}/{path}", self.name))
    }

    /// The name relative to a folder above it.
    pub fn relative_to(&self, folder: &Self) -> Option<&str> {
        self.name.strip_prefix(&folder.name)?.strip_prefix('/')
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The name as the back end has it.
    pub(crate) fn stored(&self) -> &Path {
        &self.stored
    }

    /// From a back end's name; `None` for objects that are not ours.
    pub(crate) fn from_stored(path: &Path) -> Option<Self> {
        let name = decode(path.as_ref())?;
        let key = Self::parse(&name).ok()?;
        (key.stored == *path).then_some(key)
    }

    fn sharded(folder: &str, hash: &ContentHash) -> Self {
        let shard = hash.as_str().get(..2).unwrap_or_default();
        let name = format!("{folder}/{shard}/{hash}");
        // hexadecimal digits need no encoding
        let stored = Path::from(name.as_str());
        Self { name, stored }
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

fn invalid(key: String, reason: &str) -> BlobError {
    let reason = reason.to_owned();
    BlobError::InvalidKey { key, reason }
}

fn encode(name: &str) -> String {
    name.replace('%', "%25").replace('#', "%23")
}

fn decode(stored: &str) -> Option<String> {
    let mut name = String::with_capacity(stored.len());
    let mut rest = stored;
    while let Some((before, after)) = rest.split_once('%') {
        name.push_str(before);
        name.push(match after.get(..2)? {
            "25" => '%',
            "23" => '#',
            _ => return None,
        });
        rest = after.get(2..)?;
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_of_the_layout() {
        let hash = ContentHash::of(b"");
        let text = hash.as_str();
        assert_eq!(BlobKey::content(&hash).as_str(), format!("cas/e3/{text}"));
        assert_eq!(BlobKey::tree(&hash).as_str(), format!("trees/e3/{text}"));
        let artifact = BlobKey::artifact("w", "0", "abc", "model/MLmodel").unwrap();
        assert_eq!(
            artifact.as_str(),
            "workspaces/w/artifacts/0/abc/artifacts/model/MLmodel"
        );
        let root = BlobKey::artifact_root("w", "0", "abc").unwrap();
        assert_eq!(artifact.relative_to(&root), Some("model/MLmodel"));
        assert!(BlobKey::artifact("w", "0", "..", "x").is_err());
        assert!(BlobKey::artifact("w", "0/1", "x", "x").is_err());
        assert!(root.join("../x").is_err());
        assert!(root.join("/x").is_err());
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        let error = BlobKey::parse("a/../b").unwrap_err();
        insta::assert_snapshot!(error, @"the name `a/../b` contains `.` or `..`");
        let error = BlobKey::parse(&"#".repeat(100)).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("has a segment longer than 240 bytes")
        );
    }

    proptest! {
        #[test]
        fn a_key_comes_back_from_the_back_end_as_it_was(name in "[a-zA-Z0-9#%. /é🦀+&?=~-]{1,40}") {
            if let Ok(key) = BlobKey::parse(&name) {
                prop_assert_eq!(BlobKey::from_stored(key.stored()).unwrap(), key.clone());
                prop_assert_eq!(key.as_str(), name);
                prop_assert!(!key.stored().as_ref().contains('#'));
            }
        }

        #[test]
        fn no_accepted_key_climbs_out(name in "(\\.|/|a|%2e|%2F|\\\\|\u{0}|~){0,10}") {
            if let Ok(key) = BlobKey::parse(&name) {
                let path = std::path::Path::new(key.stored().as_ref());
                prop_assert!(path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }
    }
}
