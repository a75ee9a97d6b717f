//! The way back: a workspace's rows and files into an empty MLflow database and a folder.

use std::path::Path;

use futures::{StreamExt, TryStreamExt};
use lazuli_blob::{BlobKey, BlobRead};
use lazuli_spec::trees::{ContentHash, TreeId};
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::mlflow::{self, Pipe, Skipped};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::plan::{Counted, find};
use super::{Files, Foreign, Progress, folder_failed, theirs};
use crate::{Access, Core, Error, Result, content};

/// Files written at the same time.
const AT_ONCE: usize = 8;

/// How an export went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExportReport {
    /// The database, without the password.
    pub target: String,
    /// The workspace.
    pub workspace: String,
    /// Rows by kind.
    pub rows: Vec<Counted>,
    /// Files written.
    pub files: Files,
    /// What MLflow cannot hold.
    pub skipped: Vec<Skipped>,
    /// What does not agree at the end.
    pub problems: Vec<String>,
}

impl Core {
    /// Fills an MLflow database, which must have a schema and nothing else, and a folder with its artifacts.
    pub async fn export_mlflow(
        &self,
        foreign: &Foreign,
        workspace: &str,
        progress: &dyn Progress,
    ) -> Result<ExportReport> {
        let id = find(self, workspace)
            .await?
            .ok_or_else(|| Error::not_found("workspace", workspace))?;
        let access = self.system_in(&id, workspace, Action::ServerExport);
        let pipes = mlflow::exports();
        must_be_empty(foreign, &pipes).await?;
        if foreign.is_postgres() {
            refuse_long_ids(&access).await?;
        }
        access
            .record_read(format!("exports/mlflow to {}", foreign.address))
            .await?;
        let mut report = ExportReport {
            target: foreign.address.clone(),
            workspace: workspace.to_owned(),
            ..ExportReport::default()
        };
        for pipe in &pipes {
            rows(foreign, &access, pipe, &mut report, progress).await?;
        }
        foreign
            .store
            .write(mlflow::count_on)
            .await
            .map_err(theirs)?;
        if let Some(folder) = foreign.places.folder() {
            progress.stage("files", None);
            artifacts(&access, folder, &mut report.files, progress).await?;
            trees(&access, folder, &mut report.files, progress).await?;
        }
        compare(foreign, &access, &pipes, &mut report).await?;
        Ok(report)
    }
}

async fn must_be_empty(foreign: &Foreign, pipes: &[Pipe]) -> Result<()> {
    for pipe in pipes {
        let (pipe, noun) = (pipe.clone(), pipe.noun);
        let count = foreign.ask(move |tx| pipe.count_into(tx, "")).await?;
        if count > 0 {
            let message = format!("the database to be filled holds {count} {noun} already");
            return Err(Error::conflict(message)
                .hint("make a new one: `mlflow db upgrade sqlite:///new.db`"));
        }
    }
    Ok(())
}

async fn refuse_long_ids(access: &Access) -> Result<()> {
    let id = access.workspace_id().to_owned();
    let long = access
        .read(move |tx| Ok(mlflow::long_run_ids(tx, &id)?))
        .await?;
    if long.is_empty() {
        return Ok(());
    }
    let message = format!(
        "MLflow's ids of runs have at most 32 characters, which PostgreSQL insists on; these are longer: {}",
        long.join(", ")
    );
    Err(Error::new(ErrorCode::InvalidArgument, message).hint("export into SQLite instead"))
}

async fn rows(
    foreign: &Foreign,
    access: &Access,
    pipe: &Pipe,
    report: &mut ExportReport,
    progress: &dyn Progress,
) -> Result<()> {
    let context = foreign.context(access.workspace_id());
    let mut after = None;
    let mut counted = 0;
    progress.stage(pipe.noun, None);
    loop {
        let (reading, id) = (pipe.clone(), access.workspace_id().to_owned());
        let page = access
            .read(move |tx| Ok(reading.read(tx, &id, after.as_ref(), reading.batch())?))
            .await?;
        after = page.next.clone();
        counted += page.len() as i64;
        progress.advance(page.len() as u64);
        let (writing, context) = (pipe.clone(), context.clone());
        let skipped = foreign
            .store
            .write(move |tx| writing.write(tx, &context, &page))
            .await
            .map_err(theirs)?;
        counted -= skipped.len() as i64;
        report.skipped.extend(skipped);
        if after.is_none() {
            break;
        }
    }
    report.rows.push(Counted {
        noun: pipe.noun.to_owned(),
        rows: counted,
    });
    Ok(())
}

/// Every object behind the workspace's artifact proxy.
async fn artifacts(
    access: &Access,
    folder: &Path,
    files: &mut Files,
    progress: &dyn Progress,
) -> Result<()> {
    let root = format!("workspaces/{}/artifacts", access.workspace_id());
    let root = BlobKey::parse(&root)?;
    let mut written = access
        .blobs()
        .list(Some(&root))
        .map_err(Error::from)
        .map_ok(|meta| {
            let root = &root;
            async move {
                let below = meta.key.relative_to(root).unwrap_or_default().to_owned();
                write(access.blobs().get(&meta.key).await?, &folder.join(below)).await
            }
        })
        .try_buffer_unordered(AT_ONCE);
    while let Some(size) = written.try_next().await? {
        files.add(size);
        progress.advance(size);
    }
    Ok(())
}

/// Models that were uploaded are trees; their addresses name the tree.
async fn trees(
    access: &Access,
    folder: &Path,
    files: &mut Files,
    progress: &dyn Progress,
) -> Result<()> {
    let mut after = String::new();
    loop {
        let (id, from) = (access.workspace_id().to_owned(), after.clone());
        let ids = access
            .read(move |tx| Ok(mlflow::version_trees(tx, &id, &from, 100)?))
            .await?;
        let Some(last) = ids.last().cloned() else {
            return Ok(());
        };
        for id in ids {
            let tree_id = TreeId::parse(&id).map_err(|error| Error::internal(error.to_string()))?;
            let tree = content::tree_of(access, &tree_id).await?;
            for entry in tree.entries() {
                let read = access.blobs().get_content(&entry.sha256).await?;
                let path = folder.join("trees").join(&id).join(&entry.path);
                let size = write(read, &path).await?;
                files.add(size);
                progress.advance(size);
            }
        }
        after = last;
    }
}

/// Writes a file and reads it back.
async fn write(read: BlobRead, path: &Path) -> Result<u64> {
    let failed = |error: std::io::Error| folder_failed("write", path, &error);
    if let Some(parent) = path.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(failed)?;
    }
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    let mut stream = read.stream;
    let mut hasher = Sha256::new();
    let mut size = 0;
    while let Some(chunk) = stream.try_next().await? {
        hasher.update(&chunk);
        size += chunk.len() as u64;
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    let mut again = Sha256::new();
    let mut bytes = std::pin::pin!(super::files::read(path.to_owned()));
    while let Some(chunk) = bytes.next().await.transpose().map_err(failed)? {
        again.update(&chunk);
    }
    let digest = |hasher: Sha256| ContentHash::from_digest(hasher.finalize().into());
    if digest(hasher) == digest(again) {
        return Ok(size);
    }
    Err(folder_failed(
        "write",
        path,
        &std::io::Error::other("what was read back differs"),
    ))
}

async fn compare(
    foreign: &Foreign,
    access: &Access,
    pipes: &[Pipe],
    report: &mut ExportReport,
) -> Result<()> {
    for pipe in pipes {
        let (ours, theirs, id) = (pipe.clone(), pipe.clone(), access.workspace_id().to_owned());
        let here = access.read(move |tx| Ok(ours.count_from(tx, &id)?)).await?;
        let there = foreign.ask(move |tx| theirs.count_into(tx, "")).await?;
        let skipped = report
            .skipped
            .iter()
            .filter(|one| one.noun == pipe.noun)
            .count() as i64;
        if here - skipped != there {
            report
                .problems
                .push(format!("{}: {here} here, {there} there", pipe.noun));
        }
    }
    Ok(())
}
