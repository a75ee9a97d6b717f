//! Content and trees of a workspace: the bytes behind data, code, models and outputs.
//!
//! Bytes are stored once for the whole server, but a workspace reaches only what was uploaded or made in it: knowing the
//! hash of somebody else's content opens nothing, and `missing` never tells what other workspaces have.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::Stream;
use lazuli_blob::{BlobError, Expect};
pub use lazuli_blob::{BlobRead, ByteRange};
use lazuli_spec::trees::{ContentHash, Tree, TreeId};
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::contents;

use crate::{Access, Caller, Core, Error, Result};

/// The most hashes that may be asked for at once.
pub const MAX_HASHES: usize = 10_000;

/// Content that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredContent {
    /// Its hash.
    pub sha256: ContentHash,
    /// Its size in bytes.
    pub size: u64,
}

impl Core {
    /// Stores content after verifying that it has the hash announced. A stream that fails or brings other bytes leaves nothing.
    pub async fn put_content<S, E>(
        &self,
        caller: &Caller,
        workspace: &str,
        sha256: &ContentHash,
        max_bytes: u64,
        stream: S,
    ) -> Result<StoredContent>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let access = self.access(caller, workspace, Action::ContentWrite).await?;
        let expect = Expect {
            max_bytes: Some(max_bytes),
            ..Expect::content(sha256)
        };
        let put = access.blobs().put_content_checked(stream, &expect).await?;
        note(&access, vec![(put.sha256.clone(), put.size)]).await?;
        Ok(StoredContent {
            sha256: put.sha256,
            size: put.size,
        })
    }

    /// Which of these the workspace does not have yet, in the order asked, each once.
    pub async fn missing_content(
        &self,
        caller: &Caller,
        workspace: &str,
        hashes: Vec<ContentHash>,
    ) -> Result<Vec<ContentHash>> {
        let access = self.access(caller, workspace, Action::ContentRead).await?;
        if hashes.len() > MAX_HASHES {
            let found = format!(
                "{} hashes were sent; {MAX_HASHES} are allowed at once",
                hashes.len()
            );
            return Err(Error::invalid("sha256s", found));
        }
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| {
                let mut known = contents::sizes(tx, &workspace_id, &hashes)?;
                let unknown = |hash: &ContentHash| known.insert(hash.clone(), 0).is_none();
                Ok(hashes.into_iter().filter(unknown).collect())
            })
            .await
    }

    /// Reads content, whole or in part.
    pub async fn open_content(
        &self,
        caller: &Caller,
        workspace: &str,
        sha256: &ContentHash,
        range: Option<ByteRange>,
    ) -> Result<BlobRead> {
        let access = self.access(caller, workspace, Action::ContentRead).await?;
        open_noted(&access, sha256, range).await
    }

    /// Stores a tree whose content the workspace has. `id` is what the client computed; it must agree.
    pub async fn put_tree(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &TreeId,
        tree: Tree,
    ) -> Result<Tree> {
        let access = self.access(caller, workspace, Action::ContentWrite).await?;
        let ours = tree.id();
        if ours != *id {
            let message = format!("the path names the tree {id}, these files are the tree {ours}");
            return Err(Error::new(ErrorCode::ContentMismatch, message));
        }
        check_files(&access, &tree).await?;
        access.blobs().put_tree(&tree).await?;
        note_tree(&access, &tree).await?;
        Ok(tree)
    }

    /// A tree's files.
    pub async fn get_tree(&self, caller: &Caller, workspace: &str, id: &TreeId) -> Result<Tree> {
        let access = self.access(caller, workspace, Action::ContentRead).await?;
        tree_of(&access, id).await
    }
}

/// Takes a tree into a workspace whose content Lazuli itself has stored (a run's artifacts, a job's output): its files
/// become the workspace's, then the tree does.
pub async fn adopt_tree(access: &Access, tree: &Tree) -> Result<TreeId> {
    let id = access.blobs().put_tree(tree).await?;
    let files = tree
        .entries()
        .iter()
        .map(|entry| (entry.sha256.clone(), entry.size));
    note(access, files.collect()).await?;
    note_tree(access, tree).await?;
    Ok(id)
}

/// A tree that the workspace has.
pub async fn tree_of(access: &Access, id: &TreeId) -> Result<Tree> {
    let (workspace_id, wanted) = (access.workspace_id().to_owned(), id.clone());
    let known = access
        .read(move |tx| Ok(contents::has_tree(tx, &workspace_id, &wanted)?))
        .await?;
    if !known {
        return Err(Error::not_found("tree", id));
    }
    Ok(access.blobs().get_tree(id).await?)
}

/// Reads content if the workspace has it.
pub(crate) async fn open_noted(
    access: &Access,
    sha256: &ContentHash,
    range: Option<ByteRange>,
) -> Result<BlobRead> {
    let (workspace_id, wanted) = (access.workspace_id().to_owned(), sha256.clone());
    let known = access
        .read(move |tx| {
            Ok(contents::sizes(
                tx,
                &workspace_id,
                std::slice::from_ref(&wanted),
            )?)
        })
        .await?;
    if known.is_empty() {
        return Err(Error::not_found("content", sha256));
    }
    read_content(access, sha256, range).await
}

/// Content that the workspace was found to have.
async fn read_content(
    access: &Access,
    sha256: &ContentHash,
    range: Option<ByteRange>,
) -> Result<BlobRead> {
    let read = match range {
        Some(range) => {
            access
                .blobs()
                .get_range(&lazuli_blob::BlobKey::content(sha256), range)
                .await
        }
        None => access.blobs().get_content(sha256).await,
    };
    read.map_err(|error| match error {
        // the row says that it was stored, so its absence is damage, not an answer
        BlobError::NotFound(_) => {
            Error::internal(format!("the content {sha256} is lost from the storage"))
                .caused_by(error)
        }
        other => other.into(),
    })
}

/// Every file's content must be the workspace's, in the size that the tree says.
async fn check_files(access: &Access, tree: &Tree) -> Result<()> {
    let mut wanted: BTreeMap<ContentHash, u64> = BTreeMap::new();
    for entry in tree.entries() {
        wanted.insert(entry.sha256.clone(), entry.size);
    }
    let hashes: Vec<ContentHash> = wanted.into_keys().collect();
    let workspace_id = access.workspace_id().to_owned();
    let sizes = access
        .read(move |tx| Ok(contents::sizes(tx, &workspace_id, &hashes)?))
        .await?;
    let absent = tree
        .entries()
        .iter()
        .filter(|entry| !sizes.contains_key(&entry.sha256));
    let absent: Vec<_> = absent.collect();
    if let Some(first) = absent.first() {
        let message = format!(
            "{} of the tree's {} files have content that was not uploaded, the first is `{}`",
            absent.len(),
            tree.count(),
            first.path
        );
        return Err(Error::conflict(message).in_field("files").hint(
            "ask content/missing which hashes to upload, and PUT them to content/{sha256} first",
        ));
    }
    let wrong = tree
        .entries()
        .iter()
        .find(|entry| sizes.get(&entry.sha256) != Some(&entry.size));
    match wrong {
        Some(entry) => {
            let message = format!(
                "`{}` is said to have {} bytes; its content has another size",
                entry.path, entry.size
            );
            Err(Error::invalid("files", message))
        }
        None => Ok(()),
    }
}

async fn note(access: &Access, files: Vec<(ContentHash, u64)>) -> Result<()> {
    let (workspace_id, now) = (access.workspace_id().to_owned(), access.now());
    access
        .log(move |tx| {
            for (sha256, size) in &files {
                contents::insert(tx, &workspace_id, sha256, *size, now)?;
            }
            Ok(())
        })
        .await
}

async fn note_tree(access: &Access, tree: &Tree) -> Result<()> {
    let (workspace_id, now) = (access.workspace_id().to_owned(), access.now());
    let tree = tree.clone();
    access
        .log(move |tx| {
            Ok(contents::insert_tree(
                tx,
                &workspace_id,
                &tree.id(),
                &tree,
                now,
            )?)
        })
        .await
}
