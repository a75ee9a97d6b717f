//! Reading logs: live while the job runs, from the run's artifacts afterwards. Callers see no difference.

use bytes::Bytes;
use futures::StreamExt;
use lazuli_blob::{BlobError, BlobKey, BlobMeta, BlobRead, ByteRange};
use lazuli_spec::Action;
use lazuli_spec::jobs::JobState;
use lazuli_store::jobs::{self, LogRow};
use tokio::sync::watch;

use crate::{Access, Caller, Core, Error, Result};

/// The most bytes one read gives.
pub const MAX_SLICE: usize = 256 * 1024;

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSlice {
    /// The bytes from the offset asked for.
    pub bytes: Bytes,
    /// Where the job stood when they were read: with a terminal state and no bytes, this was all.
    pub state: JobState,
}

/// Follows one log of one job.
#[derive(Debug)]
pub struct LogFollower {
    access: Access,
    job: String,
    experiment_id: String,
    name: String,
    offset: u64,
    news: watch::Receiver<u64>,
}

impl Core {
    /// The logs of a job with their lengths.
    pub async fn list_job_logs(
        &self,
        caller: &Caller,
        workspace: &str,
        job: &str,
    ) -> Result<Vec<LogRow>> {
        let access = self.access(caller, workspace, Action::JobsRead).await?;
        let (workspace_id, name) = (access.workspace_id().to_owned(), job.to_owned());
        let (row, mut logs) = access
            .read(move |tx| {
                let row = super::find(tx, &workspace_id, &name)?;
                let logs = jobs::log_names(tx, &workspace_id, &name)?;
                Ok((row, logs))
            })
            .await?;
        if row.settled {
            for folder in ["logs", "system_logs", "user_logs"] {
                let root =
                    BlobKey::artifact(access.workspace_id(), &row.experiment_id, job, folder)?;
                let mut found = std::pin::pin!(access.blobs().list(Some(&root)));
                while let Some(meta) = found.next().await {
                    let meta = meta?;
                    let name = meta
                        .key
                        .relative_to(&root)
                        .map(|rest| format!("{folder}/{rest}"));
                    logs.extend(name.map(|name| LogRow {
                        name,
                        length: i64::try_from(meta.size).unwrap_or(i64::MAX),
                    }));
                }
            }
        }
        Ok(logs)
    }

    /// Begins to follow a log at an offset.
    pub async fn follow_job_log(
        &self,
        caller: &Caller,
        workspace: &str,
        job: &str,
        name: &str,
        offset: u64,
    ) -> Result<LogFollower> {
        let access = self.access(caller, workspace, Action::JobsRead).await?;
        LogFollower::at(access, job, name, offset).await
    }
}

impl LogFollower {
    async fn at(access: Access, job: &str, name: &str, offset: u64) -> Result<Self> {
        // subscribed before the first read, so that nothing falls between
        let news = access.core().jobs().follow(access.workspace_id(), job);
        let (workspace_id, wanted) = (access.workspace_id().to_owned(), job.to_owned());
        let row = access
            .read(move |tx| super::find(tx, &workspace_id, &wanted))
            .await?;
        Ok(Self {
            access,
            job: job.to_owned(),
            experiment_id: row.experiment_id,
            name: name.to_owned(),
            offset,
            news,
        })
    }

    /// Where the next read begins.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// What there is now, without waiting.
    pub async fn read(&mut self) -> Result<LogSlice> {
        self.news.mark_unchanged();
        let (workspace_id, job, name) = (
            self.access.workspace_id().to_owned(),
            self.job.clone(),
            self.name.clone(),
        );
        let offset = i64::try_from(self.offset).unwrap_or(i64::MAX);
        let (state, settled, bytes) = self
            .access
            .read(move |tx| {
                let row = super::find(tx, &workspace_id, &job)?;
                let bytes = jobs::read_log(tx, &workspace_id, &job, &name, offset, MAX_SLICE)?;
                Ok((row.progress.state, row.settled, bytes))
            })
            .await?;
        let bytes = if settled && bytes.is_empty() {
            self.read_artifact().await?
        } else {
            Bytes::from(bytes)
        };
        self.offset += bytes.len() as u64;
        Ok(LogSlice { bytes, state })
    }

    /// Gives bytes back: the next read begins that much earlier.
    pub fn unread(&mut self, count: u64) {
        self.offset = self.offset.saturating_sub(count);
    }

    /// Waits for news, at most a second: another server may have taken them in.
    pub async fn wait(&mut self) {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.news.changed()).await;
    }

    async fn read_artifact(&self) -> Result<Bytes> {
        let key = BlobKey::artifact(
            self.access.workspace_id(),
            &self.experiment_id,
            &self.job,
            &self.name,
        )?;
        let size = match self.access.blobs().head(&key).await {
            Ok(meta) => meta.size,
            Err(BlobError::NotFound(_)) => return Ok(Bytes::new()),
            Err(error) => return Err(error.into()),
        };
        if self.offset >= size {
            return Ok(Bytes::new());
        }
        let end = size.min(self.offset + MAX_SLICE as u64);
        let read = self
            .access
            .blobs()
            .get_range(&key, ByteRange::Between(self.offset, end))
            .await?;
        Ok(read.bytes(MAX_SLICE as u64).await?)
    }
}

/// Opens what a log holds now, whole or in part. The access must be to read jobs.
pub(crate) async fn open(
    access: &Access,
    job: &str,
    name: &str,
    range: Option<ByteRange>,
) -> Result<BlobRead> {
    let (workspace_id, wanted) = (access.workspace_id().to_owned(), job.to_owned());
    let (row, live) = access
        .read(move |tx| {
            let row = super::find(tx, &workspace_id, &wanted)?;
            Ok((row, jobs::log_names(tx, &workspace_id, &wanted)?))
        })
        .await?;
    let key = BlobKey::artifact(access.workspace_id(), &row.experiment_id, job, name)?;
    if let Some(log) = live.into_iter().find(|log| log.name == name) {
        return open_live(access, job, key, &log, range).await;
    }
    // what else a run keeps is not a log
    let is_log = ["logs/", "system_logs/", "user_logs/"]
        .iter()
        .any(|folder| name.starts_with(folder));
    let read = match range {
        _ if !is_log => Err(BlobError::NotFound(name.to_owned())),
        Some(range) => access.blobs().get_range(&key, range).await,
        None => access.blobs().get(&key).await,
    };
    read.map_err(|error| match error {
        BlobError::NotFound(_) => Error::not_found("log", format!("{job}/{name}")),
        error => error.into(),
    })
}

/// A log that is still written, as far as it went when it was opened.
async fn open_live(
    access: &Access,
    job: &str,
    key: BlobKey,
    log: &LogRow,
    range: Option<ByteRange>,
) -> Result<BlobRead> {
    let size = u64::try_from(log.length).unwrap_or(0);
    let range = match range {
        Some(range) => range.within(size).ok_or(BlobError::Range { size })?,
        None => 0..size,
    };
    let follower = LogFollower::at(access.clone(), job, &log.name, range.start).await?;
    let end = range.end;
    let pieces = futures::stream::try_unfold(follower, move |mut follower| async move {
        let left = end.saturating_sub(follower.offset());
        if left == 0 {
            return Ok(None);
        }
        let slice = follower.read().await;
        let mut bytes = slice
            .map_err(|error| BlobError::Interrupted(Box::new(error)))?
            .bytes;
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        Ok((!bytes.is_empty()).then_some((bytes, follower)))
    });
    let meta = BlobMeta {
        key,
        size,
        modified: access.now(),
        // a log only grows
        etag: Some(size.to_string()),
    };
    Ok(BlobRead {
        meta,
        range,
        stream: pieces.boxed(),
    })
}

/// Moves an ended job's live logs to its run's artifacts. May be repeated.
pub(crate) async fn keep_logs(access: &Access, workspace_id: &str, job: &str) -> Result<()> {
    let (key, name) = (workspace_id.to_owned(), job.to_owned());
    let (experiment_id, logs) = access
        .read(move |tx| {
            let row = super::find(tx, &key, &name)?;
            Ok((row.experiment_id, jobs::log_names(tx, &key, &name)?))
        })
        .await?;
    for log in logs {
        let place = BlobKey::artifact(workspace_id, &experiment_id, job, &log.name)?;
        let pieces = futures::stream::try_unfold(0_i64, |offset| {
            let (access, key, job, name) = (
                access.clone(),
                workspace_id.to_owned(),
                job.to_owned(),
                log.name.clone(),
            );
            async move {
                let bytes = access
                    .read(move |tx| Ok(jobs::read_log(tx, &key, &job, &name, offset, MAX_SLICE)?))
                    .await?;
                let next = offset + bytes.len() as i64;
                Ok::<_, Error>((!bytes.is_empty()).then(|| (Bytes::from(bytes), next)))
            }
        });
        access.blobs().put_stream(&place, Box::pin(pieces)).await?;
    }
    Ok(())
}
