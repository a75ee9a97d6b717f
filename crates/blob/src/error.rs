//! Everything that can go wrong with an object, precise enough for `core` to answer well.

use lazuli_spec::trees::{ContentHash, TreeError};

/// A failed operation on objects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The name may not be used.
    #[error("the name `{key}` {reason}")]
    InvalidKey {
        /// The name, made printable.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such object.
    #[error("there is no object `{0}`")]
    NotFound(String),
    /// A file stands where a folder is needed, or the reverse.
    #[error(
        "`{0}` cannot be written: a file stands where a folder is needed, or a folder where the file would be"
    )]
    Obstructed(String),
    /// The content is not what was announced.
    #[error("the content received has SHA-256 {actual}, not the announced {expected}")]
    HashMismatch {
        /// What was announced.
        expected: ContentHash,
        /// What came.
        actual: ContentHash,
    },
    /// The size is not what was announced.
    #[error("{actual} bytes were received, not the announced {expected}")]
    SizeMismatch {
        /// What was announced.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// More bytes than the limit.
    #[error("the content is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// A range that lies outside the object.
    #[error("the range lies outside the object, which has {size} bytes")]
    Range {
        /// The object's size.
        size: u64,
    },
    /// A symbolic link stands in the way; none is followed.
    #[error("`{0}` leads through a symbolic link in the storage folder, which is never followed")]
    Confined(String),
    /// The stream of an upload ended with an error.
    #[error("the upload was interrupted: {0}")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A tree that is not valid.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A tree names content that is not stored.
    #[error("{} of the tree's files have content that is not stored, the first is {}", .0.len(), .0.first().map_or("", ContentHash::as_str))]
    MissingContent(Vec<ContentHash>),
    /// The parts given for completion are not the parts uploaded.
    #[error("part {number}: {reason}")]
    Part {
        /// The part's number.
        number: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An object's bytes are not what its name says.
    #[error("the stored object `{key}` is damaged: {reason}")]
    Corrupt {
        /// The object.
        key: String,
        /// What was found.
        reason: String,
    },
    /// The storage's address or options are not usable.
    #[error("the storage `{url}` cannot be opened: {reason}")]
    Open {
        /// The address, without its secrets.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// No room is left.
    #[error("the storage is full")]
    Full,
    /// The local file system answered with an error.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The back end answered with an error of its own.
    #[error("the storage answered with an error on `{key}`: {source}")]
    Backend {
        /// The object.
        key: String,
        /// What it said.
        source: object_store::Error,
    },
}

impl BlobError {
    /// Whether this says that there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    /// Sorts a back end's error into ours.
    pub(crate) fn from_backend(key: &str, error: object_store::Error) -> Self {
        if let Some(known) = from_io(key, &error) {
            return known;
        }
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound(key.to_owned()),
            source => Self::Backend {
                key: key.to_owned(),
                source,
            },
        }
    }
}

impl BlobError {
    /// The same where something was looked for: behind a file there is nothing, and a folder is no object.
    pub(crate) fn from_looking(key: &str, error: object_store::Error) -> Self {
        match Self::from_backend(key, error) {
            Self::Obstructed(key) => Self::NotFound(key),
            other => other,
        }
    }
}

/// The local back end wraps the system's error somewhere down the chain; what it was decides.
fn from_io(key: &str, error: &object_store::Error) -> Option<BlobError> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.is::<crate::local::LinkFound>() {
            return Some(BlobError::Confined(key.to_owned()));
        }
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind;
            match io.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => return Some(BlobError::Full),
                ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
                    return Some(BlobError::Obstructed(key.to_owned()));
                }
                _ => {}
            }
        }
        cause = current.source();
    }
    None
}
