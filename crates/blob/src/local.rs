//! The local back end: `object_store`'s, confined to its folder.
//!
//! `LocalFileSystem` follows symbolic links wherever they lead. Here every access first looks at each step from the root
//! down and refuses links, and listings do not descend into them. The folder belongs to the server's user; a process that
//! can race with these looks can already read what the server reads.

use std::fmt;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use crate::{local_list, local_small};

/// A symbolic link was found where an object or folder was looked for.
#[derive(Debug, thiserror::Error)]
#[error("a symbolic link is in the way")]
pub(crate) struct LinkFound;

/// A folder on local disk that nothing leads out of.
#[derive(Clone, Debug)]
pub(crate) struct ConfinedLocal {
    inner: LocalFileSystem,
    root: PathBuf,
    durable: bool,
}

impl ConfinedLocal {
    /// Opens a folder, which must exist.
    pub(crate) fn new(root: &std::path::Path, durable: bool) -> Result<Self> {
        let root = std::fs::canonicalize(root).map_err(generic)?;
        let inner = LocalFileSystem::new_with_prefix(&root)?
            .with_automatic_cleanup(true)
            .with_fsync(durable);
        Ok(Self {
            inner,
            root,
            durable,
        })
    }

    /// Refuses a location that leads through, or is, a symbolic link.
    async fn guard(&self, location: &Path) -> Result<()> {
        let (root, location) = (self.root.clone(), location.clone());
        tokio::task::spawn_blocking(move || look(root, &location).map(drop)).await?
    }

    /// The same for a place to write to, which may not be a folder either: found out late, that would leave a file behind.
    async fn guard_target(&self, location: &Path) -> Result<()> {
        let (root, location) = (self.root.clone(), location.clone());
        let looked = tokio::task::spawn_blocking(move || look(root, &location));
        match looked.await?? {
            Some(found) if found.is_dir() => Err(generic(ErrorKind::IsADirectory.into())),
            _ => Ok(()),
        }
    }
}

/// Looks at each step from the root down to a location, and refuses links; what is there, if all of it is.
pub(crate) fn look(mut at: PathBuf, location: &Path) -> Result<Option<Metadata>> {
    let mut last = None;
    for part in location.parts() {
        at.push(part.as_ref());
        match std::fs::symlink_metadata(&at) {
            Ok(found) if found.is_symlink() => {
                return Err(object_store::Error::PermissionDenied {
                    path: location.to_string(),
                    source: Box::new(LinkFound),
                });
            }
            Ok(found) => last = Some(found),
            // nothing further down can be a link; what it means that this is not there is the operation's to say
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(generic(error)),
        }
    }
    Ok(last)
}

/// The whole object is wanted, whatever it is now.
fn is_plain(options: &GetOptions) -> bool {
    options.range.is_none()
        && !options.head
        && options.version.is_none()
        && options.if_match.is_none()
        && options.if_none_match.is_none()
        && options.if_modified_since.is_none()
        && options.if_unmodified_since.is_none()
}

pub(crate) fn generic(error: std::io::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: "local folder",
        source: Box::new(error),
    }
}

impl fmt::Display for ConfinedLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for ConfinedLocal {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        if opts.mode != PutMode::Overwrite || !opts.attributes.is_empty() {
            self.guard_target(location).await?;
            return self.inner.put_opts(location, payload, opts).await;
        }
        let (root, location, durable) = (self.root.clone(), location.clone(), self.durable);
        let put = move || local_small::put(&root, &location, &payload, durable);
        tokio::task::spawn_blocking(put).await?
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.guard_target(location).await?;
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !is_plain(&options) {
            self.guard(location).await?;
            return self.inner.get_opts(location, options).await;
        }
        // this looks for links too
        let (root, wanted) = (self.root.clone(), location.clone());
        let small = tokio::task::spawn_blocking(move || local_small::get(&root, &wanted));
        match small.await?? {
            Some(whole) => Ok(whole),
            None => self.inner.get_opts(location, options).await,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.guard(location).await?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let guarded = self.clone();
        let checked = locations.then(move |location| {
            let guarded = guarded.clone();
            async move {
                let location = location?;
                guarded.guard(&location).await?;
                Ok(location)
            }
        });
        self.inner.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned().unwrap_or_default();
        local_list::recursive(self.root.clone(), prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || local_list::folder(&root, &prefix)).await?
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.guard(from).await?;
        self.guard_target(to).await?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.guard(from).await?;
        self.guard_target(to).await?;
        self.inner.rename_opts(from, to, options).await
    }
}
