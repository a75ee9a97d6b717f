//! Reading objects: whole or a range, always as a stream.

use std::io::SeekFrom;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::{BlobError, BlobKey, BlobMeta, Blobs};

/// How much of a local file is read at a time.
const CHUNK: usize = 256 * 1024;

/// Which bytes of an object, as HTTP's `Range` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first position up to, not including, the second; cut at the end of the object.
    Between(u64, u64),
    /// From a position to the end.
    From(u64),
    /// The last so many bytes; the whole object when it is shorter.
    Last(u64),
}

impl ByteRange {
    /// The positions in an object of this size, or `None` when the range lies outside.
    pub fn within(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::Between(start, end) => start..end.min(size),
            Self::From(start) => start..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

/// An object being read.
pub struct BlobRead {
    /// What is known of the whole object.
    pub meta: BlobMeta,
    /// Which bytes the stream gives.
    pub range: Range<u64>,
    /// The bytes.
    pub stream: BoxStream<'static, Result<Bytes, BlobError>>,
}

impl std::fmt::Debug for BlobRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("BlobRead");
        shown.field("meta", &self.meta).field("range", &self.range);
        shown.finish_non_exhaustive()
    }
}

impl BlobRead {
    /// Collects an object that is known to be small; [`BlobError::TooLarge`] when it is not.
    pub async fn bytes(self, limit: u64) -> Result<Bytes, BlobError> {
        let size = self.range.end - self.range.start;
        if size > limit {
            return Err(BlobError::TooLarge { limit });
        }
        let start = BytesMut::with_capacity(size as usize);
        let collect = |mut all: BytesMut, chunk: Bytes| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        };
        Ok(self.stream.try_fold(start, collect).await?.freeze())
    }
}

impl Blobs {
    /// Reads an object.
    pub async fn get(&self, key: &BlobKey) -> Result<BlobRead, BlobError> {
        let got = self
            .store
            .get_opts(key.stored(), GetOptions::default())
            .await;
        let got = got.map_err(|e| BlobError::from_looking(key.as_str(), e))?;
        Ok(reading(key, got))
    }

    /// Reads a part of an object; [`BlobError::Range`] when it lies outside.
    pub async fn get_range(&self, key: &BlobKey, range: ByteRange) -> Result<BlobRead, BlobError> {
        // back ends disagree about ranges at the edge, so positions are worked out here, from the size
        let size = self.head(key).await?.size;
        let range = range.within(size).ok_or(BlobError::Range { size })?;
        let options = GetOptions::default().with_range(Some(GetRange::Bounded(range)));
        let got = self.store.get_opts(key.stored(), options).await;
        let got = got.map_err(|e| BlobError::from_looking(key.as_str(), e))?;
        Ok(reading(key, got))
    }
}

fn reading(key: &BlobKey, got: GetResult) -> BlobRead {
    let meta = BlobMeta::new(key.clone(), &got.meta);
    let range = got.range.clone();
    let stream = match got.payload {
        GetResultPayload::File(file, _) => file_stream(key, file, range.clone()),
        GetResultPayload::Stream(stream) => {
            let key = key.clone();
            stream
                .map_err(move |e| BlobError::from_backend(key.as_str(), e))
                .boxed()
        }
    };
    BlobRead {
        meta,
        range,
        stream: exactly(key.clone(), range_len(&got.range), stream),
    }
}

fn range_len(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// Reads a local file in large pieces: `object_store` would take 8 KiB at a time.
fn file_stream(
    key: &BlobKey,
    file: std::fs::File,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes, BlobError>> {
    let path = key.to_string();
    let fault = move |source| BlobError::File {
        path: path.clone(),
        source,
    };
    let open = async move {
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(CHUNK);
        file.seek(SeekFrom::Start(range.start)).await?;
        let part = file.take(range_len(&range));
        Ok::<_, std::io::Error>(ReaderStream::with_capacity(part, CHUNK))
    };
    futures::stream::once(open)
        .try_flatten()
        .map_err(fault)
        .boxed()
}

/// Turns a stream that ends early into an error, so that a short read never looks like a short object.
fn exactly(
    key: BlobKey,
    size: u64,
    stream: BoxStream<'static, Result<Bytes, BlobError>>,
) -> BoxStream<'static, Result<Bytes, BlobError>> {
    let state = (stream, size, key);
    futures::stream::try_unfold(state, |(mut stream, left, key)| async move {
        match stream.try_next().await? {
            Some(chunk) => {
                let left = left.saturating_sub(chunk.len() as u64);
                Ok(Some((chunk, (stream, left, key))))
            }
            None if left > 0 => Err(BlobError::Corrupt {
                key: key.to_string(),
                reason: format!("it ended {left} bytes early"),
            }),
            None => Ok(None),
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_at_the_end_and_refused_outside() {
        assert_eq!(ByteRange::Between(2, 100).within(10), Some(2..10));
        assert_eq!(ByteRange::Between(10, 12).within(10), None);
        assert_eq!(ByteRange::Between(5, 5).within(10), None);
        assert_eq!(ByteRange::From(9).within(10), Some(9..10));
        assert_eq!(ByteRange::From(10).within(10), None);
        assert_eq!(ByteRange::Last(3).within(10), Some(7..10));
        assert_eq!(ByteRange::Last(30).within(10), Some(0..10));
        assert_eq!(ByteRange::Last(0).within(10), None);
        assert_eq!(ByteRange::From(0).within(0), None);
    }
}
