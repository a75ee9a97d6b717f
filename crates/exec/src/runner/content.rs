//! Trees on this machine: fetched once into `<home>/cache/trees/<id>`, checked, and from then on only read.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use lazuli_spec::trees::{ContentHash, Tree, TreeEntry};
use reqwest::Method;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::client::{Body, Client};
use crate::files;
use crate::lock::FileLock;

const AT_ONCE: usize = 8;
/// How often a file is asked for when its answer breaks off.
const ATTEMPTS: u32 = 5;

/// The trees that are already here.
#[derive(Debug, Clone)]
pub(super) struct TreeCache {
    root: PathBuf,
    client: Client,
}

impl TreeCache {
    pub(super) fn new(home: &Path, client: Client) -> Self {
        Self {
            root: home.join("cache/trees"),
            client,
        }
    }

    /// Where the tree stands, fetched if it is not there yet. Files and folders are read-only.
    pub(super) async fn ensure(&self, id: &str) -> Result<PathBuf, String> {
        ContentHash::parse(id).map_err(|error| error.to_string())?;
        let place = self.root.join(&id[..2]).join(id);
        if place.is_dir() {
            return Ok(place);
        }
        let lock = place.with_file_name(format!(".{id}.lock"));
        let _one_at_a_time = FileLock::take(&lock, || ())
            .await
            .map_err(|error| format!("cannot lock {}: {error}", lock.display()))?;
        if place.is_dir() {
            return Ok(place);
        }
        let arriving = files::temporary_beside(&place);
        let fetched = self.fetch(id, &arriving).await;
        let placed = fetched.and_then(|()| {
            let renamed = std::fs::rename(&arriving, &place);
            // equal content may have arrived through another process
            renamed.or_else(|error| {
                if place.is_dir() {
                    Ok(())
                } else {
                    Err(at(&place, &error))
                }
            })
        });
        files::remove_tree(&arriving);
        let _ = std::fs::remove_file(&lock);
        placed.map(|()| place)
    }

    async fn fetch(&self, id: &str, into: &Path) -> Result<(), String> {
        let path = self.client.in_workspace(&format!("trees/{id}"));
        // reading checks every path: nothing can be written outside `into`
        let tree: Tree = self
            .client
            .get_json(&path)
            .await
            .map_err(|error| error.to_string())?;
        if tree.id().as_str() != id {
            return Err(format!("the server gave another tree than {id}"));
        }
        std::fs::create_dir_all(into).map_err(|error| at(into, &error))?;
        let fetches = tree
            .entries()
            .iter()
            .map(|entry| self.fetch_patiently(entry, into));
        futures::stream::iter(fetches)
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        let folder = into.to_owned();
        blocking(move || protect(&folder))
            .await
            .map_err(|error| at(into, &error))
    }

    /// A server that goes away in the middle of a file ends that answer; it is asked again.
    async fn fetch_patiently(&self, entry: &TreeEntry, into: &Path) -> Result<(), String> {
        let mut last = self.fetch_file(entry, into).await;
        for _ in 1..ATTEMPTS {
            if last.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            last = self.fetch_file(entry, into).await;
        }
        last
    }

    async fn fetch_file(&self, entry: &TreeEntry, into: &Path) -> Result<(), String> {
        let place = into.join(&entry.path);
        let path = self
            .client
            .in_workspace(&format!("content/{}", entry.sha256));
        let mut response = self
            .client
            .call(Method::GET, &path, Body::Nothing)
            .await
            .map_err(|error| error.to_string())?;
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent).map_err(|error| at(parent, &error))?;
        }
        let mut file = tokio::fs::File::create(&place)
            .await
            .map_err(|error| at(&place, &error))?;
        let mut hash = Sha256::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| format!("{}: {error}", entry.path))?
        {
            hash.update(&piece);
            file.write_all(&piece)
                .await
                .map_err(|error| at(&place, &error))?;
        }
        file.flush().await.map_err(|error| at(&place, &error))?;
        let found = ContentHash::from_digest(hash.finalize().into());
        if found == entry.sha256 {
            Ok(())
        } else {
            Err(format!("{} arrived damaged", entry.path))
        }
    }
}

fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Runs file work on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

fn protect(path: &Path) -> io::Result<()> {
    let is_dir = path.is_dir();
    if is_dir {
        for entry in std::fs::read_dir(path)? {
            protect(&entry?.path())?;
        }
    }
    std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(if is_dir { 0o555 } else { 0o444 }),
    )
}

/// Copies a folder or a file, writable and executable: trees keep no permissions, and commands do call their own scripts. Where the
/// file system can, a copy shares its blocks with the original until one of them is changed.
pub(super) fn copy_out(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy_out(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::copy(from, to)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))
}
