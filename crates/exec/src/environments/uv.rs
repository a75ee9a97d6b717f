//! Finding uv, installing it once where it is missing, and running it.
//!
//! uv reads no project or user configuration here; the package index comes from [`PackageIndex`], or from the variables that uv and
//! pip know (`UV_DEFAULT_INDEX`, `PIP_INDEX_URL`, …). It never downloads interpreters.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lazuli_core::environment_resolver::{EnvironmentError, Progress};
use lazuli_spec::runner::PackageIndex;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::files;
use crate::lock::FileLock;

/// How many of uv's last lines an error carries.
const KEPT_LINES: usize = 40;

/// Which uv is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UvFound {
    /// The program.
    pub path: PathBuf,
    /// `0.9.1`
    pub version: String,
    /// Whether it stands in Lazuli's home rather than on `PATH`.
    pub installed_by_lazuli: bool,
}

/// Where Lazuli's own uv stands, whether or not it is there.
fn own_uv(home: &Path) -> PathBuf {
    home.join("tools/uv/bin/uv")
}

/// The uv that would be used now; `None` if the first build would have to install one. For `doctor`.
pub async fn find_uv(home: &Path) -> Option<UvFound> {
    for dir in std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
    {
        let path = dir.join("uv");
        if path.is_file()
            && let Some(version) = version_of(&path).await
        {
            return Some(UvFound {
                path,
                version,
                installed_by_lazuli: false,
            });
        }
    }
    let path = own_uv(home);
    let version = version_of(&path).await?;
    Some(UvFound {
        path,
        version,
        installed_by_lazuli: true,
    })
}

async fn version_of(uv: &Path) -> Option<String> {
    let output = Command::new(uv)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.strip_prefix("uv ")?.split_whitespace().next()?;
    output.status.success().then(|| version.to_owned())
}

/// The uv to use, installed into the home first if there is none.
pub(super) async fn ensure_uv(
    home: &Path,
    index: &PackageIndex,
    python: &Path,
    progress: Progress<'_>,
) -> Result<UvFound, EnvironmentError> {
    if let Some(found) = find_uv(home).await {
        return Ok(found);
    }
    let _one_at_a_time = FileLock::take(&home.join("tools/.uv.lock"), || {
        progress("waiting for another process that installs uv");
    })
    .await
    .map_err(|error| EnvironmentError::tool(format!("cannot lock the place for uv: {error}")))?;
    if let Some(found) = find_uv(home).await {
        return Ok(found);
    }
    progress("uv is not on PATH: installing it once into Lazuli's home");
    let target = home.join("tools/uv");
    let building = files::temporary_beside(&target);
    let installed = install(&building, index, python, progress).await;
    let placed = installed.and_then(|()| {
        files::remove_tree(&target);
        std::fs::rename(&building, &target).map_err(|error| {
            EnvironmentError::tool(format!("cannot place uv at {}: {error}", target.display()))
        })
    });
    if placed.is_err() {
        files::remove_tree(&building);
    }
    placed?;
    find_uv(home)
        .await
        .ok_or_else(|| EnvironmentError::tool("uv was installed and does not start"))
}

async fn install(
    into: &Path,
    index: &PackageIndex,
    python: &Path,
    progress: Progress<'_>,
) -> Result<(), EnvironmentError> {
    let mut venv = Command::new(python);
    venv.args(["-m", "venv"]).arg(into);
    expect_success(venv, "making a place for uv", progress).await?;
    let mut pip = Command::new(into.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "uv",
    ]);
    if let Some(url) = &index.index_url {
        pip.args(["--index-url", url]);
    }
    for url in &index.extra_index_urls {
        pip.args(["--extra-index-url", url]);
    }
    for place in &index.find_links {
        pip.args(["--find-links", place]);
    }
    expect_success(pip, "installing uv", progress).await
}

async fn expect_success(
    command: Command,
    doing: &str,
    progress: Progress<'_>,
) -> Result<(), EnvironmentError> {
    let outcome = run(command, progress).await?;
    if outcome.success {
        return Ok(());
    }
    let mut error = EnvironmentError::tool(format!(
        "{doing} failed; install uv yourself and put it on PATH"
    ));
    error.log = outcome.lines;
    Err(error)
}

/// How a tool ended and its last lines.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) success: bool,
    pub(super) lines: Vec<String>,
}

/// Runs uv with Lazuli's settings.
pub(super) async fn run_uv<I, S>(
    uv: &Path,
    home: &Path,
    index: &PackageIndex,
    arguments: I,
    progress: Progress<'_>,
) -> Result<Outcome, EnvironmentError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(uv);
    command
        .args(arguments)
        .args(["--no-config", "--no-progress", "--color", "never"]);
    command
        .env("UV_CACHE_DIR", home.join("cache/uv"))
        .env("UV_PYTHON_DOWNLOADS", "never")
        .env_remove("VIRTUAL_ENV")
        .env_remove("CONDA_PREFIX");
    apply_index(&mut command, index);
    run(command, progress).await
}

/// What is configured wins over uv's variables, and those over pip's.
fn apply_index(command: &mut Command, index: &PackageIndex) {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let pips = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(url) = &index.index_url {
        command.env("UV_DEFAULT_INDEX", url);
        command.env_remove("UV_INDEX_URL");
    } else if !set("UV_DEFAULT_INDEX") && !set("UV_INDEX_URL") {
        pips("PIP_INDEX_URL").map(|url| command.env("UV_DEFAULT_INDEX", url));
    }
    if !index.extra_index_urls.is_empty() {
        command.env("UV_INDEX", index.extra_index_urls.join(" "));
        command.env_remove("UV_EXTRA_INDEX_URL");
    } else if !set("UV_INDEX") && !set("UV_EXTRA_INDEX_URL") {
        pips("PIP_EXTRA_INDEX_URL").map(|urls| command.env("UV_INDEX", urls));
    }
    if !index.find_links.is_empty() {
        command.env("UV_FIND_LINKS", index.find_links.join(","));
    } else if !set("UV_FIND_LINKS") {
        pips("PIP_FIND_LINKS").map(|places| {
            command.env(
                "UV_FIND_LINKS",
                places.split_whitespace().collect::<Vec<_>>().join(","),
            )
        });
    }
    if !set("UV_HTTP_TIMEOUT") {
        command.env("UV_HTTP_TIMEOUT", "180");
    }
    if index.offline {
        command.env("UV_OFFLINE", "1");
    }
}

/// Runs a tool, telling each line it says on standard error, and keeping the last ones.
async fn run(mut command: Command, progress: Progress<'_>) -> Result<Outcome, EnvironmentError> {
    let program = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let broken =
        |error: std::io::Error| EnvironmentError::tool(format!("cannot run {program}: {error}"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(broken)?;
    let mut kept: VecDeque<String> = VecDeque::with_capacity(KEPT_LINES);
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Some(line) = lines.next_segment().await.map_err(broken)? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() {
                continue;
            }
            progress(&line);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
    let status = child.wait().await.map_err(broken)?;
    Ok(Outcome {
        success: status.success(),
        lines: kept.into(),
    })
}
