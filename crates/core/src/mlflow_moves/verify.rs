//! The proof at the end of an import: as many rows of every kind as MLflow's database has, and every file's bytes.

use futures::{StreamExt, TryStreamExt};
use lazuli_spec::trees::ContentHash;
use lazuli_store::mlflow::{Pipe, Roots};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::begin::{Running, count};
use super::files::{File, Walk, read};
use super::{Files, Foreign, Progress, folder_failed};
use crate::{Access, Result};

/// Files compared at the same time.
const AT_ONCE: usize = 4;
/// Problems told.
const TOLD: usize = 100;

/// What was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Kinds of rows whose numbers agree.
    pub kinds: u64,
    /// Files whose bytes agree.
    pub files: Files,
    /// What does not agree.
    pub problems: Vec<String>,
}

pub(super) async fn import(
    foreign: &Foreign,
    running: &Running,
    pipes: &[Pipe],
    roots: &[Roots],
    progress: &dyn Progress,
) -> Result<Verified> {
    let mut verified = Verified::default();
    compare_rows(foreign, running, pipes, &mut verified).await?;
    progress.stage("Verifying files", None);
    let context = foreign.context(running.access.workspace_id());
    for roots in roots {
        let mut after = None;
        loop {
            let page = foreign.page(&roots.pipe, after).await?;
            for root in roots.of(&context, &page) {
                if let Some(walk) = Walk::of(foreign, &running.access, &root) {
                    compare_files(&running.access, walk, &mut verified, progress).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    verified.problems.truncate(TOLD);
    Ok(verified)
}

/// Rows that were skipped, and what belongs to them, may be missing; nothing else may.
async fn compare_rows(
    foreign: &Foreign,
    running: &Running,
    pipes: &[Pipe],
    verified: &mut Verified,
) -> Result<()> {
    let (kinds, id) = (pipes.to_vec(), running.access.workspace_id().to_owned());
    let here = running
        .access
        .read(move |tx| count(tx, &kinds, &id))
        .await?;
    let notes = &running.notes;
    let may_miss = notes.skipped_more > 0
        || notes
            .skipped
            .iter()
            .any(|one| !one.noun.starts_with("file"));
    for pipe in pipes {
        let there = foreign.count(pipe).await?;
        let before = notes.before.get(pipe.noun).copied().unwrap_or_default();
        let come = here.get(pipe.noun).copied().unwrap_or_default() - before;
        if there == come || (may_miss && come < there) {
            verified.kinds += 1;
        } else {
            verified.problems.push(format!(
                "{}: MLflow's database has {there}, {come} have come; has something written to it meanwhile?",
                pipe.noun
            ));
        }
    }
    Ok(())
}

async fn compare_files(
    access: &Access,
    mut walk: Walk,
    verified: &mut Verified,
    progress: &dyn Progress,
) -> Result<()> {
    while let Some(files) = walk.next().await? {
        let mut compared = futures::stream::iter(files)
            .map(|file| compare(access, file))
            .buffer_unordered(AT_ONCE);
        while let Some(outcome) = compared.try_next().await? {
            match outcome {
                Ok(size) => {
                    verified.files.add(size);
                    progress.advance(size);
                }
                Err(problem) if verified.problems.len() < TOLD => verified.problems.push(problem),
                Err(_) => {}
            }
        }
    }
    Ok(())
}

async fn compare(access: &Access, file: File) -> Result<Result<u64, String>> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut bytes = std::pin::pin!(read(file.path.clone()));
    let failed = |error: std::io::Error| folder_failed("read", &file.path, &error);
    while let Some(chunk) = bytes.try_next().await.map_err(failed)? {
        hasher.update(&chunk);
        size += chunk.len() as u64;
    }
    let wanted = ContentHash::from_digest(hasher.finalize().into());
    let stored = match access.blobs().get(&file.key).await {
        Ok(stored) => stored,
        Err(error) => return Ok(Err(format!("{}: {error}", file.path.display()))),
    };
    let mut hasher = Sha256::new();
    let mut stream = stored.stream;
    while let Some(chunk) = stream.try_next().await? {
        hasher.update(&chunk);
    }
    if ContentHash::from_digest(hasher.finalize().into()) == wanted {
        return Ok(Ok(size));
    }
    Ok(Err(format!("{}: the copy differs", file.path.display())))
}
