//! The home directory: where everything lies, and that only its owner can read it.
//!
//! The layout is fixed here and nowhere else. The directory itself is 0700 and files with secrets are 0600 from the moment they exist.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// The paths of one home.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

impl Home {
    /// Names a home without touching it.
    pub(crate) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the directory if it is missing and refuses one that others can write.
    pub(crate) fn prepare(&self) -> Result<(), CliError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)
            .map_err(|error| {
                CliError::io("create the home", &self.root, &error)
                    .hint("choose a place you can write with --home or LAZULI_HOME")
            })?;
        let meta =
            fs::metadata(&self.root).map_err(|error| CliError::io("read", &self.root, &error))?;
        let me = rustix::process::geteuid().as_raw();
        if meta.uid() != me {
            return Err(CliError::new(format!(
                "the home `{}` belongs to user {}, not to you ({me})",
                self.root.display(),
                meta.uid()
            ))
            .hint("start the server as the owner of its home, or choose another with --home"));
        }
        if meta.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))
                .map_err(|error| CliError::io("close to others", &self.root, &error))?;
        }
        Ok(())
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The embedded database.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("lazuli.db")
    }

    /// Artifacts on local disk.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// The private CA and the server's certificate.
    pub(crate) fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// The CA that clients trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.tls().join("ca.pem")
    }

    /// The first administrator's token.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.root.join("credentials")
    }

    /// What signs links.
    pub(crate) fn signing_key(&self) -> PathBuf {
        self.root.join("keys").join("signing.key")
    }

    /// What seals secrets in the database.
    pub(crate) fn secrets_key(&self) -> PathBuf {
        self.root.join("keys").join("secrets.key")
    }

    /// Locked for as long as a server runs.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Where the running server is.
    pub(crate) fn announcement(&self) -> PathBuf {
        self.root.join("server.json")
    }
}

/// Makes a directory that only its owner can enter.
pub(crate) fn private_dir(path: &Path) -> Result<(), CliError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| CliError::io("create", path, &error))
}

/// Writes a file in one step: readers see the old content or the new, never a part. With `mode` from the first byte on.
pub(crate) fn write_atomic(path: &Path, content: &[u8], mode: u32) -> Result<(), CliError> {
    let draft = path.with_extension("draft");
    let failed = |error| CliError::io("write", path, &error);
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .map_err(failed)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_closed_to_others() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().join("deep/home"));
        home.prepare().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(home.root()), 0o700);
        fs::set_permissions(home.root(), fs::Permissions::from_mode(0o755)).unwrap();
        home.prepare().unwrap();
        assert_eq!(mode(home.root()), 0o700);
        write_atomic(&home.credentials(), b"secret", 0o600).unwrap();
        assert_eq!(mode(&home.credentials()), 0o600);
        write_atomic(&home.credentials(), b"newer", 0o600).unwrap();
        assert_eq!(fs::read(home.credentials()).unwrap(), b"newer");
    }
}
