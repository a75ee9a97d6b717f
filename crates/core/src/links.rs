//! Signed links: one file, readable by whoever holds the address, until a moment. For people without an account and programs
//! that cannot send a token. Links that write are made in [`crate::uploads`] and checked here.
//!
//! A link is checked with its maker's rights when it is made, and is recorded in the audit trail. From then on it stands for
//! itself: rights taken away later do not end it, its expiry does, and so does a new key (`keys/signing.key`). What a link
//! names is read from the signed path alone, after the signature was found to be right.

use std::fmt;
use std::time::Duration;

use lazuli_blob::{Grant, SignatureError};
use lazuli_spec::{Action, ErrorCode, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::artifacts::{BlobRead, ByteRange};
use crate::jobs::logs;
use crate::{Access, Caller, Core, Error, Result, artifacts, content, data};

/// Where links lie; what follows names the workspace's id, the kind and the file.
pub const ROOT: &str = "/api/v1/links";
/// How long a link works when nothing is said.
pub const USUAL_LIFETIME: Duration = Duration::from_hours(1);
/// The longest that a link may work.
pub const LONGEST_LIFETIME: Duration = Duration::from_hours(7 * 24);
/// The method of links that read.
const READ: &str = "GET";
/// The method of links that write: see [`crate::uploads`].
pub(crate) const WRITE: &str = "PUT";

/// What a link is to be made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// A file in the paths of the artifact proxy: `<experiment>/<run>/artifacts/<path>`.
    Artifact {
        /// The path.
        path: String,
    },
    /// A file among a run's artifacts.
    Run {
        /// The run's id.
        run_id: String,
        /// The path below its artifact root.
        path: String,
    },
    /// A file of a data asset.
    Data {
        /// The asset's name.
        name: String,
        /// The version, or a label.
        version: String,
        /// The file; may be left out when there is only one.
        path: Option<String>,
    },
    /// A log of a job.
    Log {
        /// The job's name.
        job: String,
        /// The log's name.
        log: String,
    },
}

/// A link that was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Path and query: whoever has it, has the file.
    pub url: String,
    /// From when on it is void.
    pub expires_at: Timestamp,
    /// The size of the file that it reads.
    pub size: Option<u64>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the address is a secret as long as it works
        f.debug_struct("Link")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Proof that a request came by a link that is signed and has not expired.
#[derive(Clone, Debug)]
pub struct SignedLink {
    pub(crate) workspace_id: String,
    pub(crate) file: File,
    /// Whether it is for writing; else it is for reading.
    pub(crate) writes: bool,
    /// How much may be written.
    pub(crate) max_bytes: Option<u64>,
}

/// The file behind a link, opened.
#[derive(Debug)]
pub struct LinkedFile {
    /// Its bytes, whole or in part.
    pub read: BlobRead,
    /// Its own name, without folders.
    pub name: String,
    /// Changes when the content does.
    pub etag: String,
}

/// What a link's path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Artifact(String),
    Data([String; 3]),
    Log([String; 2]),
    /// A part of an upload: only to be written.
    Part(String, u32),
}

impl Core {
    /// Makes a link to a file that is there and that the caller may read.
    pub async fn create_link(
        &self,
        caller: &Caller,
        workspace: &str,
        target: LinkTarget,
        lifetime: Duration,
    ) -> Result<Link> {
        let access = self.access(caller, workspace, action(&target)).await?;
        check_maker(caller)?;
        let expires_at = expiry(caller, access.now(), lifetime)?;
        let file = self.named(caller, workspace, &access, target).await?;
        // what cannot be opened now gets no link
        let (read, _) = file.open(&access, None).await?;
        let size = Some(read.meta.size);
        let target = format!("links/{file} until {expires_at}");
        access.record_read(target).await?;
        let grant = Grant {
            method: READ.to_owned(),
            path: file.address(access.workspace_id()),
            expires: expires_at,
            max_bytes: None,
        };
        Ok(Link {
            url: self.signer().sign(&grant),
            expires_at,
            size,
        })
    }

    /// Checks a request's own address. `HEAD` is a `GET` without the bytes.
    pub fn check_link(&self, method: &str, path: &str, query: &str) -> Result<SignedLink> {
        let method = if method == "HEAD" { READ } else { method };
        let grant = self
            .signer()
            .verify(method, path, query, self.now())
            .map_err(refused)?;
        let invalid = || refused(SignatureError::Invalid);
        let (workspace_id, file) = File::read(path).ok_or_else(invalid)?;
        Ok(SignedLink {
            workspace_id,
            file,
            writes: method == WRITE,
            max_bytes: grant.max_bytes,
        })
    }

    /// Opens the file behind a link, whole or in part.
    pub async fn open_link(
        &self,
        link: &SignedLink,
        range: Option<ByteRange>,
    ) -> Result<LinkedFile> {
        if link.writes {
            return Err(refused(SignatureError::Invalid));
        }
        let workspace = self.workspace_name(&link.workspace_id).await?;
        let access = self.system_in(&link.workspace_id, &workspace, link.file.action());
        let (read, etag) = link.file.open(&access, range).await?;
        Ok(LinkedFile {
            read,
            name: link.file.name().to_owned(),
            etag,
        })
    }

    /// The file that a target means now: labels and what was left out are settled here.
    async fn named(
        &self,
        caller: &Caller,
        workspace: &str,
        access: &Access,
        target: LinkTarget,
    ) -> Result<File> {
        Ok(match target {
            LinkTarget::Artifact { path } => File::Artifact(path),
            LinkTarget::Run { run_id, path } => {
                let path = self
                    .run_artifact_path(caller, workspace, &run_id, &path)
                    .await?;
                File::Artifact(path)
            }
            LinkTarget::Data {
                name,
                version,
                path,
            } => {
                let (asset, entry) =
                    data::find_file(access, (&name, &version), path.as_deref()).await?;
                File::Data([asset.name, asset.version, entry.path])
            }
            LinkTarget::Log { job, log } => File::Log([job, log]),
        })
    }
}

const fn action(target: &LinkTarget) -> Action {
    match target {
        LinkTarget::Artifact { .. } | LinkTarget::Run { .. } => Action::RunsRead,
        LinkTarget::Data { .. } => Action::DataRead,
        LinkTarget::Log { .. } => Action::JobsRead,
    }
}

/// A link made by a job would outlive the job.
pub(crate) fn check_maker(caller: &Caller) -> Result<()> {
    if caller.job().is_none() {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::PermissionDenied,
        "a job's token makes no links: they would outlive the job",
    ))
}

/// A whole second, as the signature has it. The link ends with its maker's token, if that ends earlier: whoever is given a
/// token for an hour must not make it a week.
pub(crate) fn expiry(caller: &Caller, now: Timestamp, lifetime: Duration) -> Result<Timestamp> {
    if lifetime.is_zero() || lifetime > LONGEST_LIFETIME {
        let message = format!(
            "{} is not from 1 to {} (seven days)",
            lifetime.as_secs(),
            LONGEST_LIFETIME.as_secs()
        );
        return Err(Error::invalid("expires_in_seconds", message));
    }
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let asked = now.as_seconds().saturating_add(seconds);
    let ends = caller.token_ends.map_or(i64::MAX, Timestamp::as_seconds);
    Ok(Timestamp(asked.min(ends).saturating_mul(1_000_000)))
}

fn refused(error: SignatureError) -> Error {
    let code = match error {
        SignatureError::Missing => ErrorCode::Unauthenticated,
        _ => ErrorCode::PermissionDenied,
    };
    Error::new(code, error.to_string())
        .hint("whoever gave you the link can make a new one: `lazuli link create`")
}

impl File {
    const fn action(&self) -> Action {
        match self {
            Self::Artifact(_) | Self::Part(..) => Action::RunsRead,
            Self::Data(_) => Action::DataRead,
            Self::Log(_) => Action::JobsRead,
        }
    }

    fn name(&self) -> &str {
        let (Self::Artifact(path)
        | Self::Data([_, _, path])
        | Self::Log([_, path])
        | Self::Part(path, _)) = self;
        path.rsplit('/').next().unwrap_or(path)
    }

    /// The path that is signed: each part in its own segments, so that no part can be taken for another.
    pub(crate) fn address(&self, workspace_id: &str) -> String {
        let number;
        let (kind, whole, path): (_, &[String], &str) = match self {
            Self::Part(upload, part) => {
                number = part.to_string();
                ("parts", std::slice::from_ref(upload), &number)
            }
            Self::Artifact(path) => ("artifacts", &[], path),
            Self::Data([name, version, path]) => ("data", &[name.clone(), version.clone()], path),
            Self::Log([job, log]) => ("logs", std::slice::from_ref(job), log),
        };
        let parts = [workspace_id, kind]
            .into_iter()
            .chain(whole.iter().map(String::as_str))
            .chain(path.split('/'));
        parts.fold(ROOT.to_owned(), |mut address, part| {
            address.push('/');
            address.extend(utf8_percent_encode(part, NON_ALPHANUMERIC));
            address
        })
    }

    /// What an address that was found to be signed names, and the workspace's id.
    fn read(path: &str) -> Option<(String, Self)> {
        let parts: Vec<String> = path
            .strip_prefix(ROOT)?
            .strip_prefix('/')?
            .split('/')
            .map(|part| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned()))
            .collect::<Option<_>>()?;
        let [workspace_id, kind, rest @ ..] = parts.as_slice() else {
            return None;
        };
        let file = match (kind.as_str(), rest) {
            ("artifacts", [_, ..]) => Self::Artifact(rest.join("/")),
            ("data", [name, version, path @ ..]) if !path.is_empty() => {
                Self::Data([name.clone(), version.clone(), path.join("/")])
            }
            ("parts", [upload, number]) => Self::Part(upload.clone(), number.parse().ok()?),
            ("logs", [job, log @ ..]) if !log.is_empty() => Self::Log([job.clone(), log.join("/")]),
            _ => return None,
        };
        Some((workspace_id.clone(), file))
    }

    /// The bytes and the text that changes with them.
    async fn open(&self, access: &Access, range: Option<ByteRange>) -> Result<(BlobRead, String)> {
        let read = match self {
            Self::Artifact(path) => artifacts::open(access, path, range).await?,
            Self::Data([name, version, path]) => {
                let (_, entry) = data::find_file(access, (name, version), Some(path)).await?;
                let read = content::open_noted(access, &entry.sha256, range).await?;
                return Ok((read, entry.sha256.as_str().to_owned()));
            }
            Self::Log([job, log]) => logs::open(access, job, log, range).await?,
            Self::Part(..) => return Err(refused(SignatureError::Invalid)),
        };
        let etag = read.meta.etag.clone().unwrap_or_default();
        Ok((read, etag.trim_matches('"').to_owned()))
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifact(path) => write!(f, "artifacts/{path}"),
            Self::Data([name, version, path]) => write!(f, "data/{name}:{version}/{path}"),
            Self::Log([job, log]) => write!(f, "jobs/{job}/{log}"),
            Self::Part(upload, number) => write!(f, "uploads/{upload}/{number}"),
        }
    }
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
