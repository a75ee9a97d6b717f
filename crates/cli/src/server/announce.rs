//! `<home>/server.json`: where the running server is, for clients on the same machine.
//!
//! Written when requests are served, removed when the server stops. After a `kill -9` it is stale: a reader who cares checks the lock.

use std::fs;

use serde::{Deserialize, Serialize};

use super::home::{Home, write_atomic};
use crate::error::CliError;

/// The content of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Announcement {
    /// The server's process.
    pub pid: u32,
    /// The port it listens on.
    pub port: u16,
    /// The address for clients on this machine.
    pub url: String,
    /// Every address, for clients elsewhere.
    #[serde(default)]
    pub urls: Vec<String>,
    /// The CA that its certificate comes from; none with a certificate of the administrator's own.
    #[serde(default)]
    pub ca: Option<String>,
    /// Whether plain HTTP on 127.0.0.1 reaches it.
    #[serde(default)]
    pub loopback: bool,
    /// The program's version.
    #[serde(default)]
    pub version: String,
}

/// Removes the file when the server stops.
#[derive(Debug)]
pub(crate) struct Announced {
    home: Home,
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.home.announcement()) {
            tracing::debug!(%error, "server.json was already gone");
        }
    }
}

/// Tells clients where the server is.
pub(crate) fn write(home: &Home, announcement: &Announcement) -> Result<Announced, CliError> {
    let text = serde_json::to_vec_pretty(announcement)
        .map_err(|error| CliError::new(format!("cannot describe the server: {error}")))?;
    write_atomic(&home.announcement(), &text, 0o600)?;
    Ok(Announced { home: home.clone() })
}

/// What a server wrote, if it did.
pub(crate) fn read(home: &Home) -> Option<Announcement> {
    serde_json::from_slice(&fs::read(home.announcement()).ok()?).ok()
}
