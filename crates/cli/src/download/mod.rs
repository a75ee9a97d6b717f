//! Downloading: trees (assets, outputs) and the artifacts of a run, file by file into a folder.
//!
//! Each file is written beside its place and renamed when it is whole and, for trees, its hash is right, so that a
//! broken download leaves no file that only looks complete. A file that is already there with the right hash is kept.

mod artifacts;

use std::path::{Path, PathBuf};

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use lazuli_spec::trees::{ContentHash, Tree, TreeEntry};
use reqwest::Method;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

pub(crate) use artifacts::artifacts;

use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::upload::hash_file;

/// Files fetched at the same time.
const AT_ONCE: usize = 8;

/// What was downloaded.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Fetched {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

/// Downloads a tree into a folder.
pub(crate) async fn tree(client: &Client, id: &str, into: &Path) -> CliResult<Fetched> {
    let document = client.get(&client.path(&["trees", id])).await?;
    // Reading checks every path: nothing can be written outside `into`.
    let tree: Tree = serde_json::from_value(document)
        .map_err(|error| CliError::new(format!("the list of files cannot be read: {error}")))?;
    let bar = progress(tree.size());
    let fetches = tree
        .entries()
        .iter()
        .map(|entry| fetch(client, entry, into, &bar));
    futures::stream::iter(fetches)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    bar.finish_and_clear();
    Ok(Fetched {
        files: tree.count(),
        bytes: tree.size(),
    })
}

/// A bar on standard error; indicatif hides it when that is not a terminal.
fn progress(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = ProgressStyle::with_template(
        "Downloading [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar
}

async fn fetch(
    client: &Client,
    entry: &TreeEntry,
    into: &Path,
    bar: &ProgressBar,
) -> CliResult<()> {
    let place = into.join(&entry.path);
    if already_there(&place, entry).await {
        bar.inc(entry.size);
        return Ok(());
    }
    let request = client.request(
        Method::GET,
        &client.path(&["content", entry.sha256.as_str()]),
    );
    let body = client.send(request).await?.stream();
    let found = write(&place, body, bar).await?;
    if found.hash == entry.sha256 {
        return found.keep().await;
    }
    found.discard().await;
    Err(CliError::new(format!(
        "`{}` arrived damaged: its hash is not the one the server named",
        entry.path
    )))
}

/// A file written beside its place, not yet in it.
struct Written {
    draft: PathBuf,
    place: PathBuf,
    hash: ContentHash,
    bytes: u64,
}

impl Written {
    async fn keep(self) -> CliResult<()> {
        tokio::fs::rename(&self.draft, &self.place)
            .await
            .map_err(|error| CliError::io("write", &self.place, &error))
    }

    async fn discard(self) {
        // What cannot be removed is harmless: it never had the real name.
        let _ = tokio::fs::remove_file(&self.draft).await;
    }
}

/// Streams a body to disk.
async fn write(
    place: &Path,
    mut body: impl Stream<Item = CliResult<bytes::Bytes>> + Unpin,
    bar: &ProgressBar,
) -> CliResult<Written> {
    let failed = |error: std::io::Error| CliError::io("write", place, &error);
    if let Some(folder) = place.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    }
    let mut draft = place.as_os_str().to_owned();
    draft.push(".part");
    let draft = PathBuf::from(draft);
    let mut output = tokio::fs::File::create(&draft).await.map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        hasher.update(&piece);
        output.write_all(&piece).await.map_err(failed)?;
        bytes += piece.len() as u64;
        bar.inc(piece.len() as u64);
    }
    output.flush().await.map_err(failed)?;
    Ok(Written {
        draft,
        place: place.to_owned(),
        hash: ContentHash::from_digest(hasher.finalize().into()),
        bytes,
    })
}

/// Whether the same content lies there from an earlier download.
async fn already_there(place: &Path, entry: &TreeEntry) -> bool {
    let (place, size) = (place.to_owned(), entry.size);
    let hash = tokio::task::spawn_blocking(move || {
        let has_its_size = std::fs::metadata(&place).is_ok_and(|meta| meta.len() == size);
        has_its_size
            .then(|| hash_file(&place, |_| ()).ok())
            .flatten()
            .map(|(hash, _)| hash)
    });
    matches!(hash.await, Ok(Some(found)) if found == entry.sha256)
}
