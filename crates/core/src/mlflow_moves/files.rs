//! Files on their way from MLflow's artifact folder into our storage.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use lazuli_blob::{BlobError, BlobKey};
use lazuli_store::mlflow::{Root, Skipped};
use tokio::io::AsyncReadExt;

use super::{Foreign, Progress, folder_failed};
use crate::{Access, Result};

/// Files copied at the same time.
const AT_ONCE: usize = 8;
/// How much of a file is in memory.
const CHUNK: usize = 256 * 1024;

/// A file and the object it becomes.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) key: BlobKey,
}

/// Copies everything below a root; says what cannot be taken.
pub(super) async fn copy(
    foreign: &Foreign,
    access: &Access,
    root: &Root,
    progress: &dyn Progress,
) -> Result<Vec<Skipped>> {
    let Some(mut walk) = Walk::of(foreign, access, root) else {
        return Ok(Vec::new());
    };
    while let Some(files) = walk.next().await? {
        futures::stream::iter(files)
            .map(|file| async move {
                let stored = access
                    .blobs()
                    .put_stream(&file.key, read(file.path.clone()))
                    .await;
                let stored = stored.map_err(|error| match error {
                    BlobError::Interrupted(cause) => {
                        folder_failed("read", &file.path, &std::io::Error::other(cause))
                    }
                    other => other.into(),
                })?;
                progress.advance(stored.size);
                Ok::<_, crate::Error>(())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
    }
    Ok(walk.skipped)
}

/// The bytes of a file.
pub(super) fn read(path: PathBuf) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    let open = async move { tokio::fs::File::open(path).await };
    futures::stream::once(open)
        .map_ok(|file| {
            futures::stream::try_unfold(file, |mut file| async move {
                let mut buffer = vec![0_u8; CHUNK];
                let count = file.read(&mut buffer).await?;
                buffer.truncate(count);
                Ok((count > 0).then(|| (Bytes::from(buffer), file)))
            })
        })
        .try_flatten()
}

/// The first link among the steps from the folder to what is below it.
fn link_on_the_way(top: &Path, below: &str) -> Option<PathBuf> {
    let mut path = top.to_owned();
    below.split('/').find_map(|step| {
        path.push(step);
        path.is_symlink().then(|| path.clone())
    })
}

/// Goes through a folder, folder by folder; links are not followed, they might lead anywhere: whoever can write into MLflow's
/// folder could have files read that are only the importer's to read.
pub(super) struct Walk {
    name: String,
    key: String,
    workspace_id: String,
    folders: Vec<(PathBuf, String)>,
    pub(super) skipped: Vec<Skipped>,
}

impl Walk {
    /// Of a root's files; none when no folder was given.
    pub(super) fn of(foreign: &Foreign, access: &Access, root: &Root) -> Option<Self> {
        let top = foreign.places.folder()?;
        let mut walk = Self {
            name: root.name.clone(),
            key: root.ours.clone(),
            workspace_id: access.workspace_id().to_owned(),
            folders: Vec::new(),
            skipped: Vec::new(),
        };
        match link_on_the_way(top, &root.theirs) {
            Some(link) => walk.skip(&link, "it is a link or no plain file"),
            None => walk.folders.push((top.join(&root.theirs), String::new())),
        }
        Some(walk)
    }

    /// The files of the next folder.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<File>>> {
        let Some((folder, below)) = self.folders.pop() else {
            return Ok(None);
        };
        let mut entries = match tokio::fs::read_dir(&folder).await {
            Ok(entries) => entries,
            // many runs have logged no file
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Some(Vec::new()));
            }
            // an artifact may be a single file
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Ok(Some(self.file(folder, &below).into_iter().collect()));
            }
            Err(error) => return Err(folder_failed("read", &folder, &error)),
        };
        let mut files = Vec::new();
        let failed = |error: std::io::Error| folder_failed("read", &folder, &error);
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                self.skip(&path, "its name is not UTF-8");
                continue;
            };
            let below = if below.is_empty() {
                name
            } else {
                format!("{below}/{name}")
            };
            let kind = entry.file_type().await.map_err(failed)?;
            if kind.is_dir() {
                self.folders.push((path, below));
            } else if kind.is_file() {
                files.extend(self.file(path, &below));
            } else {
                self.skip(&path, "it is a link or no plain file");
            }
        }
        Ok(Some(files))
    }

    fn file(&mut self, path: PathBuf, below: &str) -> Option<File> {
        let place = if below.is_empty() {
            self.key.clone()
        } else {
            format!("{}/{below}", self.key)
        };
        match BlobKey::proxied(&self.workspace_id, &place) {
            Ok(key) => Some(File { path, key }),
            Err(error) => {
                self.skip(&path, &error.to_string());
                None
            }
        }
    }

    fn skip(&mut self, path: &Path, why: &str) {
        self.skipped.push(Skipped {
            noun: format!("file of {}", self.name),
            name: path.display().to_string(),
            why: why.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_on_the_way_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        std::fs::create_dir_all(top.join("1/run/artifacts")).unwrap();
        std::os::unix::fs::symlink("/etc", top.join("1/away")).unwrap();
        assert_eq!(link_on_the_way(top, "1/run/artifacts"), None);
        assert_eq!(link_on_the_way(top, "1/not there/artifacts"), None);
        for below in ["1/away", "1/away/ssh"] {
            assert_eq!(link_on_the_way(top, below), Some(top.join("1/away")));
        }
    }
}
