//! Artifacts and content over object storage: local disk by default, S3, Azure Blob, GCS and HTTP by URL.
//!
//! `core` puts every byte of data, code, models, logs and run artifacts here; nothing above this crate knows where they
//! lie. What holds everywhere:
//!
//! - **Atomic**: an object is there whole or not at all. A stream that fails, is cut off or is dropped leaves nothing.
//! - **Constant memory**: uploads and downloads of any size hold a few parts at most.
//! - **Confined**: names are validated [`BlobKey`]s, and on local disk no symbolic link is ever followed.
//! - **Content-addressed**: `cas/<2 hex>/<sha256>` is written only after its hash was verified.

mod blobs;
mod content;
mod error;
mod keys;
mod local;
mod local_join;
mod local_list;
mod local_small;
mod multipart;
mod open;
mod read;
mod signing;
mod trees;
mod upload;
mod verified;

pub use blobs::{BlobMeta, Blobs, FolderListing};
pub use error::BlobError;
pub use keys::BlobKey;
pub use multipart::{MAX_PARTS, PartInfo, UploadId, UploadRecord};
pub use open::BlobOptions;
pub use read::{BlobRead, ByteRange};
pub use signing::{Grant, SignatureError, Signer};
pub use upload::{Expect, PutResult};
