//! Files that come in parts: begun and completed with the caller's rights, while the parts themselves come by signed addresses.
//!
//! A part's address is good for that part of that upload only, and nothing shows before the completion, which asks for the
//! caller's rights again. All that is known of an upload lies in the storage: a server that starts anew goes on with it.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use lazuli_blob::{BlobError, BlobKey, Expect, Grant, UploadId};
use lazuli_spec::{Action, ErrorCode, Timestamp};

use crate::links::{File, Link, SignedLink};
use crate::{Caller, Core, Error, Result, artifacts, links};

pub use lazuli_blob::MAX_PARTS;

/// How long a part's address works: a large file on a slow line takes its time.
const PART_LIFETIME: Duration = Duration::from_hours(24);
/// How long after the last part an upload is kept. No address of it works any more by then.
const KEPT: Duration = Duration::from_hours(48);
/// The largest part, as S3 has it.
pub const LARGEST_PART: u64 = 5 << 30;

/// An upload that was begun.
#[derive(Clone, PartialEq, Eq)]
pub struct StartedUpload {
    /// Names it when it is completed or aborted.
    pub id: String,
    /// Where each part is to be sent, from the first on: path and query.
    pub urls: Vec<String>,
}

impl std::fmt::Debug for StartedUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the addresses are secrets as long as they work
        f.debug_struct("StartedUpload")
            .field("id", &self.id)
            .field("parts", &self.urls.len())
            .finish()
    }
}

impl Core {
    /// Begins an upload of a file in so many parts, none for an empty file.
    pub async fn create_upload(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
        parts: u32,
    ) -> Result<StartedUpload> {
        let (access, key) = self.artifact_to_write(caller, workspace, path).await?;
        let id = self.blobs().create_upload(&key, parts, self.ids()).await?;
        let expires = self.ends(caller, PART_LIFETIME);
        let sign = |number| {
            let part = File::Part(id.as_str().to_owned(), number);
            self.writing_link(access.workspace_id(), &part, expires, Some(LARGEST_PART))
                .url
        };
        Ok(StartedUpload {
            urls: (1..=parts).map(sign).collect(),
            id: id.as_str().to_owned(),
        })
    }

    /// Makes the file of its parts, each with the etag that its upload returned. Done twice, it is done once.
    pub async fn complete_upload(
        &self,
        caller: &Caller,
        workspace: &str,
        (path, id): (&str, &str),
        parts: &[(u32, Option<String>)],
    ) -> Result<()> {
        let (_, key) = self.artifact_to_write(caller, workspace, path).await?;
        let id = self.upload_to(&key, id).await?;
        let done = self.blobs().complete_upload(&id, parts, self.ids()).await;
        done.map_err(|error| match error {
            // somebody aborted it, or the sweep came, in the middle
            BlobError::NotFound(_) => unknown(id.as_str()).caused_by(error),
            other => other.into(),
        })
    }

    /// Forgets an upload and its parts. That it was done or forgotten before is no error.
    pub async fn abort_upload(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
        id: &str,
    ) -> Result<()> {
        let (_, key) = self.artifact_to_write(caller, workspace, path).await?;
        match self.upload_to(&key, id).await {
            Ok(id) => Ok(self.blobs().abort_upload(&id).await?),
            Err(error) if error.code == ErrorCode::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes an address to which one file can be sent without a token, until it expires.
    pub async fn create_upload_link(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
        lifetime: Duration,
    ) -> Result<Link> {
        let (access, _) = self.artifact_to_write(caller, workspace, path).await?;
        links::check_maker(caller)?;
        let expires_at = links::expiry(caller, access.now(), lifetime)?;
        let file = File::Artifact(path.to_owned());
        let target = format!("links/{file} to write until {expires_at}");
        access.record_read(target).await?;
        Ok(self.writing_link(access.workspace_id(), &file, expires_at, None))
    }

    /// Takes in what was sent to a signed address; returns the etag of what is there now.
    pub async fn put_linked<S, E>(&self, link: &SignedLink, body: S) -> Result<String>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match &link.file {
            File::Part(id, number) if link.writes => {
                self.put_part((id, *number), body, link.max_bytes).await
            }
            File::Artifact(path) if link.writes => self.put_by_link(link, path, body).await,
            _ => Err(Error::internal("a link to read was used to write")),
        }
    }

    /// The link's maker was asked for the right to write when it was made; that the run is still there is asked now.
    async fn put_by_link<S, E>(&self, link: &SignedLink, path: &str, body: S) -> Result<String>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let workspace = self.workspace_name(&link.workspace_id).await?;
        let access = self.system_in(&link.workspace_id, &workspace, Action::RunsWrite);
        let key = artifacts::locate(&access, path, None).await?;
        let put = self.blobs().put_stream(&key, body).await?;
        Ok(put.etag.unwrap_or_else(|| put.sha256.as_str().to_owned()))
    }

    fn writing_link(
        &self,
        workspace_id: &str,
        file: &File,
        expires: Timestamp,
        max_bytes: Option<u64>,
    ) -> Link {
        let grant = Grant {
            method: links::WRITE.to_owned(),
            path: file.address(workspace_id),
            expires,
            max_bytes,
        };
        Link {
            url: self.signer().sign(&grant),
            expires_at: expires,
            size: None,
        }
    }

    async fn put_part<S, E>(
        &self,
        (id, number): (&str, u32),
        body: S,
        max_bytes: Option<u64>,
    ) -> Result<String>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let expect = Expect {
            max_bytes,
            ..Expect::default()
        };
        let upload = parsed(id)?;
        let put = self
            .blobs()
            .put_part(&upload, number, body, &expect, self.ids());
        put.await.map_err(|error| match error {
            BlobError::NotFound(_) => unknown(id).caused_by(error),
            other => other.into(),
        })
    }

    /// Forgets uploads to which nothing has come for long; returns how many objects that freed.
    pub async fn sweep_uploads(&self) -> Result<u64> {
        let kept = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp(self.now().0.saturating_sub(kept));
        Ok(self.blobs().sweep_uploads(before).await?)
    }

    /// A moment after so long, in whole seconds, that the caller's token does not outlive.
    fn ends(&self, caller: &Caller, lifetime: Duration) -> Timestamp {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let seconds = self.now().as_seconds().saturating_add(seconds);
        let end = Timestamp(seconds.saturating_mul(1_000_000));
        caller.token_ends.map_or(end, |ends| ends.min(end))
    }

    /// The upload, if it is one to this object.
    async fn upload_to(&self, key: &BlobKey, id: &str) -> Result<UploadId> {
        let upload = parsed(id)?;
        match self.blobs().upload(&upload).await {
            Ok(record) if record.target == *key => Ok(upload),
            Ok(_) => Err(unknown(id)),
            Err(error) if error.is_not_found() => Err(unknown(id).caused_by(error)),
            Err(error) => Err(error.into()),
        }
    }
}

fn parsed(id: &str) -> Result<UploadId> {
    UploadId::parse(id).map_err(|error| {
        Error::invalid("upload_id", "the upload's id is not one of this server").caused_by(error)
    })
}

fn unknown(id: &str) -> Error {
    let message = format!("there is no upload `{id}` to this path: it was aborted or has expired");
    Error::new(ErrorCode::NotFound, message).hint("begin it anew")
}

#[cfg(test)]
#[path = "uploads_tests.rs"]
mod tests;
