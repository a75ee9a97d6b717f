//! Content read by its hash is what the hash says, or it is not read: the bytes are hashed on their way out, and the last
//! piece is only given when they are known to be right. What was damaged on the disk never looks like a whole answer.

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use lazuli_spec::trees::ContentHash;
use sha2::{Digest, Sha256};

use crate::{BlobError, BlobKey, BlobRead, Blobs};

/// Content up to this size is looked through before any of it is given, so that damage is an error and not a broken answer.
const SMALL: u64 = 256 * 1024;

impl Blobs {
    /// Reads content by its hash, whole. [`BlobError::Corrupt`] when the bytes have another hash: at once when there are few,
    /// else as the end of the stream.
    pub async fn get_content(&self, sha256: &ContentHash) -> Result<BlobRead, BlobError> {
        let key = BlobKey::content(sha256);
        let mut read = self.get(&key).await?;
        read.stream = verified(key, sha256.clone(), read.stream);
        if read.meta.size <= SMALL {
            let pieces: Vec<Bytes> = read.stream.try_collect().await?;
            read.stream = stream::iter(pieces.into_iter().map(Ok)).boxed();
        }
        Ok(read)
    }
}

type Pieces = BoxStream<'static, Result<Bytes, BlobError>>;

struct Reading {
    key: BlobKey,
    expected: ContentHash,
    stream: Pieces,
    hasher: Sha256,
    held: Option<Bytes>,
    ended: bool,
}

fn verified(key: BlobKey, expected: ContentHash, stream: Pieces) -> Pieces {
    let reading = Reading {
        key,
        expected,
        stream,
        hasher: Sha256::new(),
        held: None,
        ended: false,
    };
    stream::try_unfold(reading, |mut reading| async move {
        if reading.ended {
            return Ok(None);
        }
        while let Some(piece) = reading.stream.try_next().await? {
            reading.hasher.update(&piece);
            if let Some(before) = reading.held.replace(piece) {
                return Ok(Some((before, reading)));
            }
        }
        reading.finish()
    })
    .boxed()
}

impl Reading {
    fn finish(mut self) -> Result<Option<(Bytes, Self)>, BlobError> {
        let hasher = std::mem::take(&mut self.hasher);
        if ContentHash::from_digest(hasher.finalize().into()) != self.expected {
            return Err(BlobError::Corrupt {
                key: self.key.to_string(),
                reason: "its bytes have another hash".to_owned(),
            });
        }
        self.ended = true;
        Ok(self.held.take().map(|last| (last, self)))
    }
}
