//! Servers that `lazuli login` remembered: `<home>/logins.json`, readable by its owner only.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::discover::Secret;
use crate::error::{CliError, CliResult};

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Logins {
    /// The server that commands talk to when nothing else is said.
    current: Option<String>,
    servers: BTreeMap<String, Login>,
}

#[derive(Serialize, Deserialize)]
struct Login {
    token: String,
    ca: Option<PathBuf>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

impl Logins {
    /// Reads the file; none yet is an empty one.
    pub(crate) fn read(home: &Path) -> CliResult<Self> {
        let path = file(home);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                CliError::new(format!("`{}` is damaged: {error}", path.display()))
                    .hint("delete it and run `lazuli login` again")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(CliError::io("read", &path, &error)),
        }
    }

    /// Writes the file whole, by renaming, so that a crash leaves the old one.
    pub(crate) fn write(&self, home: &Path) -> CliResult<()> {
        let path = file(home);
        let draft = path.with_extension("json.new");
        let failed = |error: &std::io::Error| CliError::io("write", &path, error);
        fs::create_dir_all(home).map_err(|e| failed(&e))?;
        let text = serde_json::to_vec_pretty(self).map_err(|e| CliError::new(e.to_string()))?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&draft)
            .and_then(|mut out| out.write_all(&text))
            .map_err(|e| failed(&e))?;
        fs::rename(&draft, &path).map_err(|e| failed(&e))
    }

    /// The server used by default.
    pub(crate) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The token remembered for a server.
    pub(crate) fn token(&self, url: &str) -> Option<Secret> {
        self.servers
            .get(url)
            .map(|login| Secret::new(&*login.token))
    }

    /// The certificate authority remembered for a server.
    pub(crate) fn ca(&self, url: &str) -> Option<&Path> {
        self.servers.get(url)?.ca.as_deref()
    }

    /// Remembers a server and makes it the default.
    pub(crate) fn remember(&mut self, url: &str, token: &Secret, ca: Option<PathBuf>) {
        self.servers.insert(
            url.to_owned(),
            Login {
                token: token.reveal().to_owned(),
                ca,
            },
        );
        self.current = Some(url.to_owned());
    }

    /// Forgets a server; says whether it was known.
    pub(crate) fn forget(&mut self, url: &str) -> bool {
        if self.current.as_deref() == Some(url) {
            self.current = None;
        }
        self.servers.remove(url).is_some()
    }
}

fn file(home: &Path) -> PathBuf {
    home.join("logins.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_login_is_remembered_privately_and_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let mut logins = Logins::read(home.path()).unwrap();
        logins.remember("https://a:1", &Secret::new("t"), None);
        logins.write(home.path()).unwrap();
        assert_eq!(
            fs::metadata(file(home.path()))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        let mut logins = Logins::read(home.path()).unwrap();
        assert_eq!(
            (
                logins.current(),
                logins.token("https://a:1").unwrap().reveal()
            ),
            (Some("https://a:1"), "t")
        );
        assert!(logins.forget("https://a:1") && !logins.forget("https://a:1"));
        assert_eq!(logins.current(), None);
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        fs::write(file(home.path()), "{").unwrap();
        assert!(
            Logins::read(home.path())
                .unwrap_err()
                .hint
                .unwrap()
                .contains("lazuli login")
        );
    }
}
