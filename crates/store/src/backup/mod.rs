//! Backup and restore of the metadata, in one portable archive: every row of one consistent snapshot, written while
//! the server works on, the same from both back ends, so that an archive also moves a database from SQLite to
//! PostgreSQL. Nothing is held in memory but the row in hand. Blobs are not in it.
//!
//! An archive ends with the SHA-256 of all that came before. A restore happens in one transaction into an empty
//! database and is committed only after that checksum fits.

mod dump;
mod format;
mod load;

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::on_thread;
use crate::{Store, StoreError, StoreOptions};

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Version of the schema that the rows belong to.
    pub schema_version: i64,
    /// `sqlite` or `postgres`: where it was taken.
    pub source: String,
    /// Rows of each table.
    pub tables: Vec<(String, u64)>,
    /// Length of the archive.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: String,
}

impl Store {
    /// Writes an archive to `out`; the caller flushes and syncs.
    pub async fn backup<W: Write + Send + 'static>(
        &self,
        out: W,
    ) -> Result<BackupSummary, StoreError> {
        self.read(move |tx| dump::run(tx, out)).await
    }

    /// Writes an archive to a file, reads it back to verify it, and only then gives it its name.
    pub async fn backup_file(&self, path: impl AsRef<Path>) -> Result<BackupSummary, StoreError> {
        let path = path.as_ref().to_owned();
        let partial = partial_name(&path);
        let written = self.write_and_verify(&partial).await;
        match written {
            Ok(summary) => {
                fs::rename(&partial, &path).map_err(|e| cannot("name", &path, &e))?;
                Ok(summary)
            }
            Err(error) => {
                drop(fs::remove_file(&partial));
                Err(error)
            }
        }
    }

    async fn write_and_verify(&self, partial: &Path) -> Result<BackupSummary, StoreError> {
        let owned = partial.to_owned();
        let written = self
            .read(move |tx| {
                let file = create_private(&owned)?;
                let summary = dump::run(tx, BufWriter::with_capacity(1 << 18, &file))?;
                file.sync_all().map_err(|e| cannot("sync", &owned, &e))?;
                Ok::<_, StoreError>(summary)
            })
            .await?;
        let read = verify_backup(partial).await?;
        if read == written {
            Ok(read)
        } else {
            Err(StoreError::Archive(
                "the archive read back differs from what was written".to_owned(),
            ))
        }
    }

    /// Makes a store from an archive. The database must be empty; it is untouched when anything is wrong.
    pub async fn restore<R: Read + Send + 'static>(
        options: StoreOptions,
        archive: R,
    ) -> Result<(Store, BackupSummary), StoreError> {
        let target = options.clone();
        let summary = on_thread("lazuli-restore", move || load::run(&target, archive)).await?;
        Ok((Store::open(options).await?, summary))
    }

    /// [`restore`](Self::restore) from a file.
    pub async fn restore_file(
        options: StoreOptions,
        path: impl AsRef<Path>,
    ) -> Result<(Store, BackupSummary), StoreError> {
        let archive = open_archive(path.as_ref())?;
        Store::restore(options, archive).await
    }
}

/// Reads an archive to its end: complete, unaltered, and of a schema that this program knows.
pub async fn verify_backup(path: impl AsRef<Path>) -> Result<BackupSummary, StoreError> {
    let archive = open_archive(path.as_ref())?;
    on_thread("lazuli-verify", move || load::verify(archive)).await
}

fn open_archive(path: &Path) -> Result<BufReader<File>, StoreError> {
    let file = File::open(path).map_err(|e| cannot("open", path, &e))?;
    Ok(BufReader::with_capacity(1 << 18, file))
}

fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn create_private(path: &Path) -> Result<File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).map_err(|e| cannot("create", path, &e))
}

fn cannot(verb: &str, path: &Path, cause: &std::io::Error) -> StoreError {
    StoreError::Archive(format!("cannot {verb} {}: {cause}", path.display()))
}
