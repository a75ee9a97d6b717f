//! Content named by its hash: stored once, written only when verified.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use lazuli_spec::trees::ContentHash;

use crate::upload::Meter;
use crate::{BlobError, BlobKey, BlobMeta, Blobs, Expect, PutResult};

/// How many objects are looked for at once.
const LOOKS_IN_FLIGHT: usize = 16;

impl Blobs {
    /// Stores content under its hash. The bytes are verified in any case, also when the content is there already, so that
    /// only who has the content can say that it is stored.
    pub async fn put_content<S, E>(
        &self,
        sha256: &ContentHash,
        stream: S,
    ) -> Result<PutResult, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.put_content_checked(stream, &Expect::content(sha256))
            .await
    }

    /// [`Self::put_content`] with a limit or an expected size; `expect.sha256` must be given.
    pub async fn put_content_checked<S, E>(
        &self,
        stream: S,
        expect: &Expect,
    ) -> Result<PutResult, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(sha256) = &expect.sha256 else {
            return Err(BlobError::InvalidKey {
                key: String::new(),
                reason: "content has no name without its hash".into(),
            });
        };
        let key = BlobKey::content(sha256);
        match self.head(&key).await {
            Ok(stored) => verify_only(stored, stream, expect).await,
            Err(error) if error.is_not_found() => self.put_checked(&key, stream, expect).await,
            Err(error) => Err(error),
        }
    }

    /// Stores bytes under their hash.
    pub async fn put_content_bytes(&self, bytes: Bytes) -> Result<PutResult, BlobError> {
        let sha256 = ContentHash::of(&bytes);
        let whole = stream::once(async move { Ok::<_, BlobError>(bytes) });
        self.put_content(&sha256, whole).await
    }

    /// Which of these are not stored, in the order given.
    pub async fn missing_content(
        &self,
        hashes: &[ContentHash],
    ) -> Result<Vec<ContentHash>, BlobError> {
        let looks = stream::iter(hashes.iter().cloned().map(|hash| async move {
            let there = self.exists(&BlobKey::content(&hash)).await?;
            Ok((!there).then_some(hash))
        }));
        let found = looks.buffered(LOOKS_IN_FLIGHT);
        found
            .try_filter_map(|missing| async move { Ok(missing) })
            .try_collect()
            .await
    }
}

impl Expect {
    /// Exactly the content with this hash.
    pub fn content(sha256: &ContentHash) -> Self {
        Self {
            sha256: Some(sha256.clone()),
            ..Self::default()
        }
    }
}

async fn verify_only<S, E>(
    stored: BlobMeta,
    stream: S,
    expect: &Expect,
) -> Result<PutResult, BlobError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut meter = Meter::new(expect);
    let mut stream = std::pin::pin!(stream);
    while let Some(chunk) = stream
        .try_next()
        .await
        .map_err(|e| BlobError::Interrupted(e.into()))?
    {
        meter.add(&chunk)?;
    }
    let (size, sha256) = meter.finish()?;
    let etag = stored.etag;
    Ok(PutResult { size, sha256, etag })
}
