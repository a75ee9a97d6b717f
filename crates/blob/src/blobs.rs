//! The storage itself: looking, listing, deleting, copying. Writing is in `upload`, reading in `read`.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use lazuli_spec::Timestamp;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::{BlobError, BlobKey};

/// A storage. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) part_bytes: usize,
    root: Option<PathBuf>,
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobMeta {
    /// Its name.
    pub key: BlobKey,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
    /// Changes when the content does; not every listing has it.
    pub etag: Option<String>,
}

/// The direct children of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderListing {
    /// Folders that hold an object somewhere below, sorted.
    pub folders: Vec<BlobKey>,
    /// Objects directly in the folder, sorted.
    pub files: Vec<BlobMeta>,
}

impl Blobs {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        part_bytes: usize,
        root: Option<PathBuf>,
    ) -> Self {
        Self {
            store,
            part_bytes,
            root,
        }
    }

    /// The folder on this machine, when the storage is one.
    pub fn local_root(&self) -> Option<&FilePath> {
        self.root.as_deref()
    }

    /// What is known of an object; [`BlobError::NotFound`] when there is none.
    pub async fn head(&self, key: &BlobKey) -> Result<BlobMeta, BlobError> {
        let meta = self.store.head(key.stored()).await;
        let meta = meta.map_err(|e| BlobError::from_looking(key.as_str(), e))?;
        Ok(BlobMeta::new(key.clone(), &meta))
    }

    /// Whether the object is there.
    pub async fn exists(&self, key: &BlobKey) -> Result<bool, BlobError> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every object below a folder (of the whole storage for `None`), as a stream. The local back end lists in order of names.
    pub fn list(
        &self,
        folder: Option<&BlobKey>,
    ) -> BoxStream<'static, Result<BlobMeta, BlobError>> {
        let name = folder.map_or_else(String::new, ToString::to_string);
        let listed = self.store.list(folder.map(BlobKey::stored));
        let ours = listed.try_filter_map(|meta| async move {
            let key = BlobKey::from_stored(&meta.location);
            Ok(key.map(|key| BlobMeta::new(key, &meta)))
        });
        ours.map_err(move |e| BlobError::from_backend(&name, e))
            .boxed()
    }

    /// The direct children of a folder (of the root for `None`), sorted; empty when there is no such folder.
    pub async fn list_folder(&self, folder: Option<&BlobKey>) -> Result<FolderListing, BlobError> {
        let listed = self
            .store
            .list_with_delimiter(folder.map(BlobKey::stored))
            .await;
        let name = folder.map_or("", BlobKey::as_str);
        let listed = listed.map_err(|e| BlobError::from_backend(name, e))?;
        let mut folders: Vec<_> = listed
            .common_prefixes
            .iter()
            .filter_map(BlobKey::from_stored)
            .collect();
        folders.sort();
        let ours =
            |meta: &ObjectMeta| Some(BlobMeta::new(BlobKey::from_stored(&meta.location)?, meta));
        let mut files: Vec<_> = listed.objects.iter().filter_map(ours).collect();
        files.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(FolderListing { folders, files })
    }

    /// Removes an object; that it was not there is no error.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match self.store.delete(key.stored()).await {
            Ok(()) => Ok(()),
            Err(error) => match BlobError::from_looking(key.as_str(), error) {
                BlobError::NotFound(_) => Ok(()),
                other => Err(other),
            },
        }
    }

    /// Removes every object below a folder and returns how many there were.
    pub async fn delete_prefix(&self, folder: &BlobKey) -> Result<u64, BlobError> {
        let locations = self
            .store
            .list(Some(folder.stored()))
            .map_ok(|meta| meta.location);
        let mut removed = self.store.delete_stream(locations.boxed());
        let mut count = 0;
        while let Some(one) = removed.next().await {
            match one.map_err(|e| BlobError::from_looking(folder.as_str(), e)) {
                Ok(_) => count += 1,
                // somebody else removed it at the same time
                Err(BlobError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Copies an object within the storage, replacing what was there.
    pub async fn copy(&self, from: &BlobKey, to: &BlobKey) -> Result<(), BlobError> {
        let done = self.store.copy(from.stored(), to.stored()).await;
        done.map_err(|e| BlobError::from_backend(from.as_str(), e))
    }
}

impl BlobMeta {
    pub(crate) fn new(key: BlobKey, meta: &ObjectMeta) -> Self {
        Self {
            key,
            size: meta.size,
            modified: Timestamp(meta.last_modified.timestamp_micros()),
            etag: meta.e_tag.clone(),
        }
    }
}
