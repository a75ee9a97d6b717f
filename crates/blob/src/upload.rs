//! Writing objects from streams of any length: a few parts in memory, visible only when whole.

use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt};
use lazuli_spec::trees::ContentHash;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::{BlobError, BlobKey, Blobs};

/// How many parts may be on their way at once.
const PARTS_IN_FLIGHT: usize = 2;
/// After so many parts the part size doubles: S3 allows 10,000 parts, this way they reach terabytes.
const PARTS_PER_SIZE: usize = 1_500;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResult {
    /// The size in bytes.
    pub size: u64,
    /// The hash of the content.
    pub sha256: ContentHash,
    /// The back end's etag, if it gives one.
    pub etag: Option<String>,
}

/// What an upload must be; checked before anything becomes visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Exactly this content.
    pub sha256: Option<ContentHash>,
    /// Exactly this many bytes.
    pub size: Option<u64>,
    /// No more than this many bytes.
    pub max_bytes: Option<u64>,
}

impl Blobs {
    /// Writes a stream to an object, replacing what was there. If the stream fails or this future is dropped, nothing is left.
    pub async fn put_stream<S, E>(&self, key: &BlobKey, stream: S) -> Result<PutResult, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.put_checked(key, stream, &Expect::default()).await
    }

    /// Writes bytes that are in memory already.
    pub async fn put_bytes(&self, key: &BlobKey, bytes: Bytes) -> Result<PutResult, BlobError> {
        let (size, sha256) = (bytes.len() as u64, ContentHash::of(&bytes));
        let etag = self.put_whole(key, vec![bytes]).await?;
        Ok(PutResult { size, sha256, etag })
    }

    /// [`Self::put_stream`], with conditions that are checked before the object becomes visible.
    pub async fn put_checked<S, E>(
        &self,
        key: &BlobKey,
        stream: S,
        expect: &Expect,
    ) -> Result<PutResult, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut upload = Upload::new(self, key);
        let mut meter = Meter::new(expect);
        let mut stream = std::pin::pin!(stream);
        let done = async {
            while let Some(chunk) = stream.try_next().await.map_err(interrupted)? {
                meter.add(&chunk)?;
                upload.add(chunk).await?;
            }
            meter.finish()
        };
        match done.await {
            Ok((size, sha256)) => {
                let etag = upload.finish().await?;
                Ok(PutResult { size, sha256, etag })
            }
            Err(error) => {
                upload.abandon().await;
                Err(error)
            }
        }
    }

    async fn put_whole(
        &self,
        key: &BlobKey,
        chunks: Vec<Bytes>,
    ) -> Result<Option<String>, BlobError> {
        let payload: PutPayload = chunks.into_iter().collect();
        let put = self.store.put(key.stored(), payload).await;
        Ok(put
            .map_err(|e| BlobError::from_backend(key.as_str(), e))?
            .e_tag)
    }
}

fn interrupted<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> BlobError {
    let error = error.into();
    // an error of our own that went through a stream is still that error
    match error.downcast::<BlobError>() {
        Ok(ours) => *ours,
        Err(other) => BlobError::Interrupted(other),
    }
}

/// Counts and hashes what passes, and compares with what was announced.
pub(crate) struct Meter<'a> {
    expect: &'a Expect,
    hasher: Sha256,
    size: u64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(expect: &'a Expect) -> Self {
        let hasher = Sha256::new();
        Self {
            expect,
            hasher,
            size: 0,
        }
    }

    pub(crate) fn add(&mut self, chunk: &[u8]) -> Result<(), BlobError> {
        self.size += chunk.len() as u64;
        if let Some(limit) = self.expect.max_bytes
            && self.size > limit
        {
            return Err(BlobError::TooLarge { limit });
        }
        self.hasher.update(chunk);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(u64, ContentHash), BlobError> {
        let actual = ContentHash::from_digest(self.hasher.finalize().into());
        if let Some(expected) = self.expect.size
            && expected != self.size
        {
            let actual = self.size;
            return Err(BlobError::SizeMismatch { expected, actual });
        }
        if let Some(expected) = &self.expect.sha256
            && *expected != actual
        {
            let expected = expected.clone();
            return Err(BlobError::HashMismatch { expected, actual });
        }
        Ok((self.size, actual))
    }
}

/// An object on its way: held in memory up to one part, then sent in parts.
struct Upload<'a> {
    blobs: &'a Blobs,
    key: &'a BlobKey,
    part_bytes: usize,
    pending: BytesMut,
    parts: usize,
    in_flight: JoinSet<object_store::Result<()>>,
    multipart: Option<AbortOnDrop>,
}

impl<'a> Upload<'a> {
    fn new(blobs: &'a Blobs, key: &'a BlobKey) -> Self {
        Self {
            blobs,
            key,
            part_bytes: blobs.part_bytes,
            pending: BytesMut::new(),
            parts: 0,
            in_flight: JoinSet::new(),
            multipart: None,
        }
    }

    async fn add(&mut self, mut chunk: Bytes) -> Result<(), BlobError> {
        while !chunk.is_empty() {
            let room = self.part_bytes - self.pending.len();
            let piece = chunk.split_to(room.min(chunk.len()));
            self.pending.extend_from_slice(&piece);
            if self.pending.len() == self.part_bytes {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), BlobError> {
        while self.in_flight.len() >= PARTS_IN_FLIGHT {
            self.settle_one().await?;
        }
        if self.multipart.is_none() {
            let begun = self.blobs.store.put_multipart(self.key.stored()).await;
            let begun = begun.map_err(|e| BlobError::from_backend(self.key.as_str(), e))?;
            self.multipart = Some(AbortOnDrop(Some(begun)));
        }
        let part = std::mem::take(&mut self.pending).freeze();
        if let Some(AbortOnDrop(Some(multipart))) = &mut self.multipart {
            self.in_flight.spawn(multipart.put_part(part.into()));
        }
        self.parts += 1;
        if self.parts.is_multiple_of(PARTS_PER_SIZE) {
            self.part_bytes *= 2;
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), BlobError> {
        match self.in_flight.join_next().await {
            Some(Ok(part)) => part.map_err(|e| BlobError::from_backend(self.key.as_str(), e)),
            Some(Err(join)) => Err(BlobError::from_backend(self.key.as_str(), join.into())),
            None => Ok(()),
        }
    }

    async fn finish(mut self) -> Result<Option<String>, BlobError> {
        if self.multipart.is_none() {
            let whole = std::mem::take(&mut self.pending).freeze();
            return self.blobs.put_whole(self.key, vec![whole]).await;
        }
        let sent = async {
            if !self.pending.is_empty() {
                self.send_part().await?;
            }
            while !self.in_flight.is_empty() {
                self.settle_one().await?;
            }
            Ok(())
        };
        if let Err(error) = sent.await {
            self.abandon().await;
            return Err(error);
        }
        let Some(mut multipart) = self.multipart.take().and_then(|mut m| m.0.take()) else {
            return Ok(None);
        };
        match multipart.complete().await {
            Ok(done) => Ok(done.e_tag),
            Err(error) => {
                // a failed completion is reported; that its remains could not be removed is not
                let _ = multipart.abort().await;
                Err(BlobError::from_backend(self.key.as_str(), error))
            }
        }
    }

    /// Takes back what was sent; waits for it, so that nothing is there when the caller answers.
    async fn abandon(mut self) {
        self.in_flight.shutdown().await;
        if let Some(mut multipart) = self.multipart.take().and_then(|mut m| m.0.take())
            && let Err(error) = multipart.abort().await
        {
            tracing::warn!(key = %self.key, %error, "an abandoned upload could not be removed");
        }
    }
}

/// Aborts the upload when the future that held it is dropped, as when a client goes away.
struct AbortOnDrop(Option<Box<dyn MultipartUpload>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        let (Some(mut upload), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            if let Err(error) = upload.abort().await {
                tracing::warn!(%error, "an interrupted upload could not be removed");
            }
        });
    }
}
