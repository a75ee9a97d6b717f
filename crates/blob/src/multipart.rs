//! Uploads in parts that arrive one by one, in any order, over many requests and across restarts.
//!
//! MLflow's multipart uploads and Azure's block blobs are both this. Parts are objects of their own below
//! `uploads/<id>/`, so the same code serves every back end; completion streams them, in order, into the object.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use lazuli_spec::trees::ContentHash;
use lazuli_spec::{IdSource, Timestamp};

use crate::local_list::sweep_unfinished;
use crate::{BlobError, BlobKey, BlobMeta, Blobs, Expect, PutResult};

/// The highest part number, as S3 has it.
pub const MAX_PARTS: u32 = 10_000;
/// Where uploads in progress lie.
const FOLDER: &str = "uploads";

/// An upload in progress: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// Reads an id.
    pub fn parse(text: &str) -> Result<Self, BlobError> {
        let good = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good {
            return Ok(Self(text.to_owned()));
        }
        Err(BlobError::InvalidKey {
            key: text
                .chars()
                .take(40)
                .collect::<String>()
                .escape_debug()
                .to_string(),
            reason: "is not the id of an upload".into(),
        })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folder(&self) -> Result<BlobKey, BlobError> {
        BlobKey::parse(&format!("{FOLDER}/{}", self.0))
    }

    fn target(&self) -> Result<BlobKey, BlobError> {
        self.folder()?.join("target")
    }

    fn part(&self, number: u32) -> Result<BlobKey, BlobError> {
        if !(1..=MAX_PARTS).contains(&number) {
            let reason = "part numbers are 1 to 10000";
            return Err(BlobError::Part { number, reason });
        }
        self.folder()?.join(&format!("part-{number:05}"))
    }
}

/// A part that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// Its number, from 1.
    pub number: u32,
    /// Its size in bytes.
    pub size: u64,
    /// When it was uploaded.
    pub modified: Timestamp,
}

impl Blobs {
    /// Begins an upload to an object.
    pub async fn create_upload(
        &self,
        key: &BlobKey,
        ids: &dyn IdSource,
    ) -> Result<UploadId, BlobError> {
        let id = UploadId(ids.uuid_hex());
        let target = Bytes::from(key.as_str().to_owned());
        self.put_bytes(&id.target()?, target).await?;
        Ok(id)
    }

    /// The object that an upload will become; [`BlobError::NotFound`] when there is no such upload.
    pub async fn upload_target(&self, id: &UploadId) -> Result<BlobKey, BlobError> {
        let key = id.target()?;
        let bytes = self.get(&key).await?.bytes(8 * 1024).await?;
        let name = std::str::from_utf8(&bytes).map_err(|e| BlobError::Corrupt {
            key: key.to_string(),
            reason: e.to_string(),
        })?;
        BlobKey::parse(name)
    }

    /// Stores a part; the same number again replaces it. Its hash serves as the part's etag.
    pub async fn put_part<S, E>(
        &self,
        id: &UploadId,
        number: u32,
        stream: S,
        expect: &Expect,
    ) -> Result<PutResult, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let part = id.part(number)?;
        self.upload_target(id).await?;
        self.put_checked(&part, stream, expect).await
    }

    /// The parts uploaded so far, by number.
    pub async fn list_parts(&self, id: &UploadId) -> Result<Vec<PartInfo>, BlobError> {
        self.upload_target(id).await?;
        let listed = self.list_folder(Some(&id.folder()?)).await?;
        Ok(listed.files.iter().filter_map(part_info).collect())
    }

    /// Joins the parts, in the order given, into the object, and forgets the upload. With a part may come the hash that its
    /// upload returned; a part that is not there, or is another by now, fails the completion and changes nothing.
    pub async fn complete_upload(
        &self,
        id: &UploadId,
        parts: &[(u32, Option<ContentHash>)],
        expect: &Expect,
    ) -> Result<PutResult, BlobError> {
        let target = self.upload_target(id).await?;
        let mut keys = Vec::with_capacity(parts.len());
        for (number, sha256) in parts {
            let key = id.part(*number)?;
            if !self.exists(&key).await? {
                let (number, reason) = (*number, "it was not uploaded");
                return Err(BlobError::Part { number, reason });
            }
            keys.push((*number, key, sha256.clone()));
        }
        let done = self.put_checked(&target, self.joined(keys), expect).await?;
        self.abort_upload(id).await?;
        Ok(done)
    }

    /// Forgets an upload and its parts; that there was none is no error.
    pub async fn abort_upload(&self, id: &UploadId) -> Result<(), BlobError> {
        self.delete_prefix(&id.folder()?).await?;
        Ok(())
    }

    /// Forgets uploads whose last part came before this moment, and what a killed process left unfinished on local disk;
    /// returns how many objects that freed.
    pub async fn sweep_uploads(&self, before: Timestamp) -> Result<u64, BlobError> {
        let root = BlobKey::parse(FOLDER)?;
        let mut swept = self.sweep_local(before).await?;
        for folder in self.list_folder(Some(&root)).await?.folders {
            let files = self.list_folder(Some(&folder)).await?.files;
            if files.iter().all(|file| file.modified < before) {
                swept += self.delete_prefix(&folder).await?;
            }
        }
        Ok(swept)
    }

    async fn sweep_local(&self, before: Timestamp) -> Result<u64, BlobError> {
        let Some(root) = self.local_root().map(Path::to_path_buf) else {
            return Ok(0);
        };
        let micros = u64::try_from(before.0).unwrap_or(0);
        let before = UNIX_EPOCH.checked_add(Duration::from_micros(micros));
        let path = root.display().to_string();
        let work = move || match before {
            Some(before) => sweep_unfinished(&root, before),
            None => Ok(0),
        };
        let swept = tokio::task::spawn_blocking(work)
            .await
            .map_err(std::io::Error::other);
        swept
            .flatten()
            .map_err(|source| BlobError::File { path, source })
    }

    /// The parts' bytes one after the other, each verified as it passes.
    fn joined(
        &self,
        keys: Vec<(u32, BlobKey, Option<ContentHash>)>,
    ) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + 'static {
        let blobs = self.clone();
        stream::iter(keys)
            .then(move |(number, key, sha256)| {
                let blobs = blobs.clone();
                async move {
                    let read = blobs.get(&key).await?;
                    Ok::<_, BlobError>(verified(number, sha256, read.stream))
                }
            })
            .try_flatten()
    }
}

/// Passes a part on, and fails at its end when it is not the part that was announced.
fn verified<S>(
    number: u32,
    sha256: Option<ContentHash>,
    stream: S,
) -> impl Stream<Item = Result<Bytes, BlobError>> + Send
where
    S: Stream<Item = Result<Bytes, BlobError>> + Send + Unpin + 'static,
{
    use sha2::{Digest, Sha256};
    let state = (stream, Sha256::new(), sha256);
    stream::try_unfold(state, move |(mut stream, mut hasher, sha256)| async move {
        if let Some(chunk) = stream.next().await.transpose()? {
            hasher.update(&chunk);
            return Ok(Some((chunk, (stream, hasher, sha256))));
        }
        let actual = ContentHash::from_digest(hasher.finalize().into());
        match sha256 {
            Some(expected) if expected != actual => {
                let reason = "its etag is not the one its upload returned";
                Err(BlobError::Part { number, reason })
            }
            _ => Ok(None),
        }
    })
}

fn part_info(meta: &BlobMeta) -> Option<PartInfo> {
    let number = meta.key.file_name().strip_prefix("part-")?.parse().ok()?;
    Some(PartInfo {
        number,
        size: meta.size,
        modified: meta.modified,
    })
}
