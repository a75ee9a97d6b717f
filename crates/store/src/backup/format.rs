//! The archive's bytes: a magic line, then frames that each start with a letter.
//!
//! `H` header (JSON), then for each table `T` (JSON: name and columns), `R` for each row (one tagged cell for each
//! column), `E` (number of rows); at the end `Z` and the SHA-256 of everything before it. Numbers are little-endian.

use std::io::{Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{AppliedMigration, Kind, StoreError, Value};

const MAGIC: &[u8] = b"lazuli-backup 1\n";
/// Longest value that is believed; both databases refuse more.
const LONGEST: u32 = 1 << 30;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) source: String,
    pub(super) migrations: Vec<AppliedMigration>,
}

/// Writes frames and keeps the checksum.
pub(super) struct Sink<W> {
    out: W,
    hash: Sha256,
    pub(super) bytes: u64,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(out: W) -> Result<Self, StoreError> {
        let mut sink = Sink {
            out,
            hash: Sha256::new(),
            bytes: 0,
        };
        sink.put(MAGIC)?;
        Ok(sink)
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out
            .write_all(bytes)
            .map_err(|cause| match cause.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    StoreError::Full(cause.to_string())
                }
                _ => StoreError::Archive(format!("cannot write the archive: {cause}")),
            })
    }

    pub(super) fn json(&mut self, tag: u8, value: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_vec(value).map_err(|e| StoreError::Archive(e.to_string()))?;
        self.put(&[tag])?;
        self.sized(&text)
    }

    pub(super) fn sized(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let length = u32::try_from(bytes.len())
            .ok()
            .filter(|length| *length <= LONGEST)
            .ok_or_else(|| StoreError::Archive("a value is longer than 1 GiB".to_owned()))?;
        self.put(&length.to_le_bytes())?;
        self.put(bytes)
    }

    /// Ends the archive; gives its length and checksum.
    pub(super) fn finish(mut self) -> Result<(u64, String), StoreError> {
        self.put(b"Z")?;
        let digest = self.hash.clone().finalize();
        self.put(&digest)?;
        self.out
            .flush()
            .map_err(|cause| StoreError::Archive(format!("cannot write the archive: {cause}")))?;
        Ok((self.bytes, hex::encode(digest)))
    }
}

/// Reads frames and keeps the checksum.
pub(super) struct Origin<R> {
    input: R,
    hash: Sha256,
    pub(super) bytes: u64,
}

impl<R: Read> Origin<R> {
    pub(super) fn new(input: R) -> Result<Self, StoreError> {
        let mut origin = Origin {
            input,
            hash: Sha256::new(),
            bytes: 0,
        };
        let magic: [u8; MAGIC.len()] = origin.take().map_err(|_| {
            StoreError::Archive("this is not a lazuli backup (too short)".to_owned())
        })?;
        if magic != MAGIC {
            return Err(StoreError::Archive(
                "this is not a lazuli backup, or one of a newer format".to_owned(),
            ));
        }
        Ok(origin)
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.input
            .read_exact(&mut bytes)
            .map_err(|cause| broken(&cause))?;
        self.hash.update(bytes);
        self.bytes += N as u64;
        Ok(bytes)
    }

    pub(super) fn tag(&mut self) -> Result<u8, StoreError> {
        self.take::<1>().map(|[tag]| tag)
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let text = self.sized()?;
        serde_json::from_slice(&text)
            .map_err(|cause| StoreError::Archive(format!("the archive is damaged: {cause}")))
    }

    fn sized(&mut self) -> Result<Vec<u8>, StoreError> {
        let length = u32::from_le_bytes(self.take()?);
        if length > LONGEST {
            return Err(damaged());
        }
        // Grows with what is really there: a damaged length must not claim the memory.
        let mut bytes = Vec::new();
        let read = (&mut self.input)
            .take(length.into())
            .read_to_end(&mut bytes)
            .map_err(|cause| broken(&cause))?;
        if read != length as usize {
            return Err(truncated());
        }
        self.hash.update(&bytes);
        self.bytes += u64::from(length);
        Ok(bytes)
    }

    /// One cell of a column of kind `kind`.
    pub(super) fn cell(&mut self, kind: Kind) -> Result<Value, StoreError> {
        let value = match self.tag()? {
            b'0' => return Ok(Value::Null(kind)),
            b'i' => Value::Integer(i64::from_le_bytes(self.take()?)),
            b'r' => Value::Real(f64::from_le_bytes(self.take()?)),
            b't' => Value::Text(String::from_utf8(self.sized()?).map_err(|_| damaged())?),
            b'b' => Value::Blob(self.sized()?),
            _ => return Err(damaged()),
        };
        if crate::ToParam::to_param(&value).kind() == kind {
            Ok(value)
        } else {
            Err(damaged())
        }
    }

    /// Checks the checksum after `Z`, and that nothing follows.
    pub(super) fn finish(mut self) -> Result<(u64, String), StoreError> {
        let computed = self.hash.clone().finalize();
        let written: [u8; 32] = self.take()?;
        let mut rest = [0; 1];
        let more = self.input.read(&mut rest).map_err(|cause| broken(&cause))?;
        if written[..] != computed[..] || more != 0 {
            return Err(damaged());
        }
        Ok((self.bytes, hex::encode(written)))
    }
}

pub(super) fn damaged() -> StoreError {
    StoreError::Archive(
        "the archive is damaged: its content does not fit its checksum; nothing was restored"
            .to_owned(),
    )
}

fn truncated() -> StoreError {
    StoreError::Archive(
        "the archive ends too early: it was cut off; nothing was restored".to_owned(),
    )
}

fn broken(cause: &std::io::Error) -> StoreError {
    if cause.kind() == std::io::ErrorKind::UnexpectedEof {
        truncated()
    } else {
        StoreError::Archive(format!("cannot read the archive: {cause}"))
    }
}
