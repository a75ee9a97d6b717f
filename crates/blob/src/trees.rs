//! Storing trees, and turning them from and into folders.

use std::path::Path as FilePath;

use bytes::Bytes;
use futures::TryStreamExt;
use lazuli_spec::trees::{Tree, TreeEntry, TreeId};
use tokio::io::AsyncWriteExt;

use crate::{BlobError, BlobKey, Blobs};

/// No manifest is longer: the most files with the longest paths.
const MAX_MANIFEST_BYTES: u64 = 1 << 31;

impl Blobs {
    /// Stores a tree. All its content must be stored before; [`BlobError::MissingContent`] says what is not.
    pub async fn put_tree(&self, tree: &Tree) -> Result<TreeId, BlobError> {
        let mut hashes: Vec<_> = tree.entries().iter().map(|e| e.sha256.clone()).collect();
        hashes.sort();
        hashes.dedup();
        let missing = self.missing_content(&hashes).await?;
        if !missing.is_empty() {
            return Err(BlobError::MissingContent(missing));
        }
        let text = tree.canonical_text();
        let id = TreeId::of(text.as_bytes());
        let key = BlobKey::tree(&id);
        if !self.exists(&key).await? {
            self.put_bytes(&key, Bytes::from(text)).await?;
        }
        Ok(id)
    }

    /// Reads a tree, verifying that it is the one named.
    pub async fn get_tree(&self, id: &TreeId) -> Result<Tree, BlobError> {
        let key = BlobKey::tree(id);
        let corrupt = |reason: String| BlobError::Corrupt {
            key: key.to_string(),
            reason,
        };
        let bytes = self.get(&key).await?.bytes(MAX_MANIFEST_BYTES).await?;
        if TreeId::of(&bytes) != *id {
            return Err(corrupt("its hash is not its name".into()));
        }
        let text = std::str::from_utf8(&bytes).map_err(|e| corrupt(e.to_string()))?;
        Tree::parse_canonical(text).map_err(|e| corrupt(e.to_string()))
    }

    /// Makes a tree of the objects below a folder, such as a run's artifacts. Content is copied within the storage.
    pub async fn snapshot_prefix(&self, folder: &BlobKey) -> Result<Tree, BlobError> {
        let mut entries = Vec::new();
        let mut listed = self.list(Some(folder));
        while let Some(meta) = listed.try_next().await? {
            let path = meta.key.relative_to(folder).unwrap_or(meta.key.file_name());
            entries.push(self.snapshot_object(&meta.key, path).await?);
        }
        Ok(Tree::new(entries)?)
    }

    /// Takes one object into the content store and names it by `path`.
    pub async fn snapshot_object(&self, key: &BlobKey, path: &str) -> Result<TreeEntry, BlobError> {
        use sha2::{Digest, Sha256};
        let mut read = self.get(key).await?;
        let mut hasher = Sha256::new();
        while let Some(chunk) = read.stream.try_next().await? {
            hasher.update(&chunk);
        }
        let sha256 = lazuli_spec::trees::ContentHash::from_digest(hasher.finalize().into());
        let content = BlobKey::content(&sha256);
        if !self.exists(&content).await? {
            // the second reading is verified: an object that changed in between is refused
            let again = self.get(key).await?;
            self.put_content(&sha256, again.stream).await?;
        }
        Ok(TreeEntry {
            path: path.to_owned(),
            size: read.meta.size,
            sha256,
        })
    }

    /// Writes a tree's files below a local folder. The folder is made; files that are there already are an error, so that
    /// nothing is overwritten and no link that lies there is followed. What a tree may name cannot leave the folder.
    pub async fn checkout(&self, tree: &Tree, folder: &FilePath) -> Result<(), BlobError> {
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|e| file_fault(folder, e))?;
        for entry in tree.entries() {
            let target = folder.join(&entry.path);
            if let Some(parent) = target.parent() {
                tokio::fs::create_dir_all(parent)
                    .await
                    .map_err(|e| file_fault(parent, e))?;
            }
            self.checkout_file(entry, &target).await?;
        }
        Ok(())
    }

    async fn checkout_file(&self, entry: &TreeEntry, target: &FilePath) -> Result<(), BlobError> {
        let mut read = self.get_content(&entry.sha256).await?;
        let created = tokio::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(target)
            .await;
        let mut file = created.map_err(|e| file_fault(target, e))?;
        while let Some(chunk) = read.stream.try_next().await? {
            file.write_all(&chunk)
                .await
                .map_err(|e| file_fault(target, e))?;
        }
        file.flush().await.map_err(|e| file_fault(target, e))
    }
}

fn file_fault(path: &FilePath, source: std::io::Error) -> BlobError {
    BlobError::File {
        path: path.display().to_string(),
        source,
    }
}
