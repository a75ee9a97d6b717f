//! Uploading a file or a folder as a tree.
//!
//! Three steps: walk the folder (leaving out what `.amlignore` or `.gitignore` names), hash every file, then send only
//! the contents that the server does not have, and the list of files last. So an upload that is broken off leaves
//! nothing half-made, and running it again sends only the rest. Files are streamed; memory does not grow with them.

mod push;
mod walk;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use lazuli_spec::trees::{ContentHash, Tree, TreeEntry};
use sha2::{Digest as _, Sha256};

use crate::client::Client;
use crate::error::{CliError, CliResult};

/// Files hashed or sent at the same time.
const AT_ONCE: usize = 8;

/// A file to upload: where it lies here, where it stands in the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LocalFile {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) size: u64,
}

/// Uploads a file or folder; `what` names it in the progress bar. Below `folder`, if one is given: models keep the name
/// of the folder they come from, because scoring scripts look for it.
pub(crate) async fn upload(
    client: &Client,
    path: &Path,
    folder: Option<&str>,
    what: &str,
) -> CliResult<Tree> {
    let mut files = walk::files(path)?;
    if let Some(folder) = folder {
        for file in &mut files {
            file.name = format!("{folder}/{}", file.name);
        }
    }
    let bar = progress(&files, what);
    let hashed = hash_all(&files, &bar).await?;
    let entries = hashed.iter().map(|(file, sha256)| TreeEntry {
        path: file.name.clone(),
        size: file.size,
        sha256: sha256.clone(),
    });
    let tree = Tree::new(entries.collect())
        .map_err(|error| CliError::new(format!("cannot upload `{}`: {error}", path.display())))?;
    push::send(client, &tree, &hashed, &bar).await?;
    bar.finish_and_clear();
    Ok(tree)
}

/// A bar on standard error; indicatif hides it when that is not a terminal.
fn progress(files: &[LocalFile], what: &str) -> ProgressBar {
    let bar = ProgressBar::new(files.iter().map(|file| file.size).sum());
    let style =
        ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(format!("Hashing {what}"));
    bar
}

async fn hash_all(
    files: &[LocalFile],
    bar: &ProgressBar,
) -> CliResult<Vec<(LocalFile, ContentHash)>> {
    let hashes = files.iter().map(|file| {
        let (file, bar) = (file.clone(), bar.clone());
        async move {
            let job =
                tokio::task::spawn_blocking(move || hash(&file, &bar).map(|hash| (file, hash)));
            job.await
                .map_err(|error| CliError::new(format!("hashing stopped: {error}")))?
        }
    });
    futures::stream::iter(hashes)
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Hashes one file; a file that changes its size meanwhile is refused, its list entry would be false.
fn hash(file: &LocalFile, bar: &ProgressBar) -> CliResult<ContentHash> {
    let (hash, size) = hash_file(&file.path, |count| bar.inc(count))
        .map_err(|error| CliError::io("read", &file.path, &error))?;
    if size == file.size {
        Ok(hash)
    } else {
        Err(changed(&file.path))
    }
}

/// The hash and size of a file's content, read in pieces; `seen` hears how many bytes each has.
pub(crate) fn hash_file(path: &Path, seen: impl Fn(u64)) -> std::io::Result<(ContentHash, u64)> {
    let mut input = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 256 * 1024];
    let mut size = 0;
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            return Ok((ContentHash::from_digest(hasher.finalize().into()), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
        seen(count as u64);
    }
}

fn changed(path: &Path) -> CliError {
    CliError::new(format!(
        "`{}` changed while it was uploaded",
        path.display()
    ))
    .hint("wait until nothing writes to it, then run the command again")
}

#[cfg(test)]
mod tests;
