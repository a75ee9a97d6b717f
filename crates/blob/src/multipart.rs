//! Uploads in parts that arrive one by one, in any order, over many requests and across restarts.
//!
//! MLflow's multipart uploads and Azure's block blobs are both this. All that is known of an upload lies in the storage, so
//! that a server that starts anew knows it too:
//!
//! ```text
//! uploads/<id>/upload                   what it will become, of how many parts, whether it is done
//! uploads/<id>/part-00001/<etag>        one attempt at a part; the etag is new for every attempt
//! ```
//! Completion joins the attempts that the etags name, in order, into the object: on local disk the kernel copies them, elsewhere
//! they are streamed. What has become an object is remembered until the sweep, so that a completion may be repeated.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::ready;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use lazuli_spec::{IdSource, Timestamp};

use crate::local_list::sweep_unfinished;
use crate::{BlobError, BlobKey, BlobMeta, Blobs, Expect, local_join};

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
        if is_id(text) {
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

    fn record(&self) -> Result<BlobKey, BlobError> {
        self.folder()?.join("upload")
    }

    fn part(&self, number: u32) -> Result<BlobKey, BlobError> {
        self.folder()?.join(&format!("part-{number:05}"))
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What is known of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// The object that it will become.
    pub target: BlobKey,
    /// Of how many parts: they are numbered from 1.
    pub parts: u32,
    /// It has become the object already.
    pub done: bool,
}

impl UploadRecord {
    fn written(&self) -> Bytes {
        let state = if self.done { "done" } else { "open" };
        Bytes::from(format!("{state}\n{}\n{}", self.parts, self.target))
    }

    fn read(key: &BlobKey, bytes: &[u8]) -> Result<Self, BlobError> {
        let damaged = |reason: &str| BlobError::Corrupt {
            key: key.to_string(),
            reason: reason.to_owned(),
        };
        let text = std::str::from_utf8(bytes).map_err(|e| damaged(&e.to_string()))?;
        // a name has no line feeds
        let mut lines = text.splitn(3, '\n');
        let (Some(state), Some(parts), Some(target)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(damaged("it has not the three lines of an upload"));
        };
        Ok(Self {
            target: BlobKey::parse(target)?,
            parts: parts
                .parse()
                .map_err(|_| damaged("its number of parts is none"))?,
            done: state == "done",
        })
    }
}

/// A part that was uploaded; several attempts at one number may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// Its number, from 1.
    pub number: u32,
    /// What its upload returned.
    pub etag: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was uploaded.
    pub modified: Timestamp,
}

impl Blobs {
    /// Begins an upload to an object, of so many parts.
    pub async fn create_upload(
        &self,
        key: &BlobKey,
        parts: u32,
        ids: &dyn IdSource,
    ) -> Result<UploadId, BlobError> {
        if parts > MAX_PARTS {
            return Err(fault(parts, "an upload has 10000 parts at most"));
        }
        if let Some(root) = self.local_root().map(Path::to_path_buf) {
            let (root, target) = (root, key.stored().clone());
            self.blocking(key, move || local_join::check_target(&root, &target))
                .await?;
        }
        let id = UploadId(ids.uuid_hex());
        let record = UploadRecord {
            target: key.clone(),
            parts,
            done: false,
        };
        self.put_bytes(&id.record()?, record.written()).await?;
        Ok(id)
    }

    /// What is known of an upload; [`BlobError::NotFound`] when there is none.
    pub async fn upload(&self, id: &UploadId) -> Result<UploadRecord, BlobError> {
        let key = id.record()?;
        let bytes = self.get(&key).await?.bytes(8 * 1024).await?;
        UploadRecord::read(&key, &bytes)
    }

    /// Stores a part and returns its etag; the same number again replaces it.
    pub async fn put_part<S, E>(
        &self,
        id: &UploadId,
        number: u32,
        stream: S,
        expect: &Expect,
        ids: &dyn IdSource,
    ) -> Result<String, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let record = self.upload(id).await?;
        if record.done {
            return Err(BlobError::NotFound(id.as_str().to_owned()));
        }
        if !(1..=record.parts).contains(&number) {
            return Err(fault(number, "the upload has no part of that number"));
        }
        let (part, etag) = (id.part(number)?, ids.uuid_hex());
        self.put_checked(&part.join(&etag)?, stream, expect).await?;
        self.forget_older(&part, &etag).await?;
        Ok(etag)
    }

    /// Earlier attempts at a part need no room. One that came at the same moment stays until the end.
    async fn forget_older(&self, part: &BlobKey, etag: &str) -> Result<(), BlobError> {
        let attempts = self.list_folder(Some(part)).await?.files;
        let this = attempts.iter().find(|one| one.key.file_name() == etag);
        let Some(this) = this.map(|one| one.modified) else {
            return Ok(());
        };
        for older in attempts.iter().filter(|one| one.modified < this) {
            self.delete(&older.key).await?;
        }
        Ok(())
    }

    /// The parts uploaded so far, by number; of several attempts, the last one last.
    pub async fn list_parts(&self, id: &UploadId) -> Result<Vec<PartInfo>, BlobError> {
        self.upload(id).await?;
        let listed: Vec<BlobMeta> = self.list(Some(&id.folder()?)).try_collect().await?;
        let mut parts: Vec<_> = listed.iter().filter_map(part_info).collect();
        parts.sort_by_key(|part| (part.number, part.modified));
        Ok(parts)
    }

    /// Joins the parts into the object and remembers that it did. With a part may come the etag that its upload returned;
    /// a part that is not there, or is another by now, fails the completion and changes nothing.
    pub async fn complete_upload(
        &self,
        id: &UploadId,
        parts: &[(u32, Option<String>)],
        ids: &dyn IdSource,
    ) -> Result<(), BlobError> {
        let mut record = self.upload(id).await?;
        if record.done {
            return Ok(());
        }
        let keys = self.chosen(id, &record, parts).await?;
        if let Some(root) = self.local_root().map(Path::to_path_buf) {
            let stage = id.folder()?.join(&ids.uuid_hex())?;
            let parts = keys.iter().map(|key| key.stored().clone()).collect();
            let (stage, target) = (stage.stored().clone(), record.target.stored().clone());
            let join = local_join::Join {
                root,
                parts,
                stage,
                target,
            };
            self.blocking(&record.target, move || join.run()).await?;
        } else {
            let joined = self.joined(keys);
            self.put_checked(&record.target, joined, &Expect::default())
                .await?;
        }
        record.done = true;
        self.put_bytes(&id.record()?, record.written()).await?;
        for part in self.list_folder(Some(&id.folder()?)).await?.folders {
            self.delete_prefix(&part).await?;
        }
        Ok(())
    }

    /// The attempts that are meant, in order, each part exactly once.
    async fn chosen(
        &self,
        id: &UploadId,
        record: &UploadRecord,
        parts: &[(u32, Option<String>)],
    ) -> Result<Vec<BlobKey>, BlobError> {
        let mut wanted = HashMap::with_capacity(parts.len());
        for (number, etag) in parts {
            if wanted.insert(*number, etag.as_deref()).is_some() {
                return Err(fault(*number, "it is named twice"));
            }
        }
        let mut there: HashMap<u32, Vec<String>> = HashMap::new();
        for part in self.list_parts(id).await? {
            there.entry(part.number).or_default().push(part.etag);
        }
        let mut keys = Vec::with_capacity(parts.len());
        for number in 1..=record.parts {
            let etag = wanted
                .remove(&number)
                .ok_or_else(|| fault(number, "it is missing from the completion"))?;
            let attempts = there
                .get(&number)
                .ok_or_else(|| fault(number, "it was not uploaded"))?;
            let found = match etag {
                None => attempts.last(),
                Some(etag) => attempts.iter().find(|one| *one == etag),
            };
            let reason = "its etag is not the one its upload returned";
            let found = found.ok_or_else(|| fault(number, reason))?;
            keys.push(id.part(number)?.join(found)?);
        }
        match wanted.into_keys().min() {
            Some(number) => Err(fault(number, "the upload has no part of that number")),
            None => Ok(keys),
        }
    }

    /// Forgets an upload and its parts; that there was none is no error.
    pub async fn abort_upload(&self, id: &UploadId) -> Result<(), BlobError> {
        self.delete_prefix(&id.folder()?).await?;
        Ok(())
    }

    /// Forgets uploads to which nothing came since this moment; returns how many objects that freed.
    pub async fn sweep_uploads(&self, before: Timestamp) -> Result<u64, BlobError> {
        let root = BlobKey::parse(FOLDER)?;
        let mut swept = 0;
        for folder in self.list_folder(Some(&root)).await?.folders {
            let mut recent = self
                .list(Some(&folder))
                .try_filter(|file| ready(file.modified >= before));
            if recent.try_next().await?.is_none() {
                swept += self.delete_prefix(&folder).await?;
            }
        }
        Ok(swept)
    }

    /// Removes what a killed process left unfinished on local disk before this moment; returns how many files that were.
    pub async fn sweep_unfinished(&self, before: Timestamp) -> Result<u64, BlobError> {
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

    /// Does something on local disk, beside the tasks.
    async fn blocking<T: Send + 'static>(
        &self,
        key: &BlobKey,
        work: impl FnOnce() -> object_store::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(object_store::Error::from)
            .flatten()
            .map_err(|e| BlobError::from_backend(key.as_str(), e))
    }

    /// The parts' bytes one after the other.
    fn joined(
        &self,
        keys: Vec<BlobKey>,
    ) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + 'static {
        let blobs = self.clone();
        stream::iter(keys)
            .then(move |key| {
                let blobs = blobs.clone();
                async move { Ok::<_, BlobError>(blobs.get(&key).await?.stream) }
            })
            .try_flatten()
    }
}

const fn fault(number: u32, reason: &'static str) -> BlobError {
    BlobError::Part { number, reason }
}

/// `…/part-00001/<etag>`.
fn part_info(meta: &BlobMeta) -> Option<PartInfo> {
    let (folder, etag) = meta.key.as_str().rsplit_once('/')?;
    let number = folder.rsplit_once("/part-")?.1.parse().ok()?;
    is_id(etag).then(|| PartInfo {
        number,
        etag: etag.to_owned(),
        size: meta.size,
        modified: meta.modified,
    })
}
