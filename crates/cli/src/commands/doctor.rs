//! `lazuli doctor`: looks at this machine and says what works, what does not, and what to do about it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use lazuli_spec::{Clock as _, SystemClock, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::cli::Globals;
use crate::client::block_on;
use crate::error::{CliError, CliResult};
use crate::output::{Column, Printer};
use crate::server::config::flags::SettingFlags;
use crate::server::config::{Config, Surroundings};
use crate::server::home::Home;
use crate::server::{announce, compose, lock};

/// Check this machine: Python, uv, disk, port, permissions, isolation, database, clock.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 when a server can run here, 1 when something must be done first."
)]
pub(crate) struct Doctor {
    #[command(flatten)]
    settings: SettingFlags,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Works without, but less well.
    Warn,
    /// Must be mended.
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    advice: String,
}

fn finding(
    check: &'static str,
    verdict: Verdict,
    found: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    Finding {
        check,
        verdict,
        found: found.into(),
        advice: advice.into(),
    }
}

fn fine(check: &'static str, found: impl Into<String>) -> Finding {
    finding(check, Verdict::Ok, found, "")
}

const COLUMNS: &[Column] = &[
    Column::text("Check", "check"),
    Column::text("Verdict", "verdict"),
    Column::text("Found", "found"),
    Column::text("What to do", "advice"),
];

impl Doctor {
    /// Runs every check.
    pub(crate) fn run(&self, globals: &Globals) -> CliResult<()> {
        let printer = Printer::new(globals.output, globals.query.as_deref())?;
        let config = Config::load(
            &self.settings.with_home(globals.home.as_deref()),
            &Surroundings::process(),
        )?;
        let home = Home::at(&config.home);
        let findings = block_on(async {
            Ok(vec![
                home_permissions(home.root()),
                disk(home.root()),
                database(&config, &home).await,
                port(&config, &home),
                python(),
                uv(home.root()).await,
                cgroups(),
                bubblewrap(),
                clock(),
            ])
        })?;
        let failures = findings
            .iter()
            .filter(|found| found.verdict == Verdict::Fail)
            .count();
        printer.list(findings.iter().map(|found| json!(found)).collect(), COLUMNS)?;
        match failures {
            0 => Ok(()),
            1 => Err(CliError::new(
                "one thing must be mended before a server runs well here",
            )),
            many => Err(CliError::new(format!(
                "{many} things must be mended before a server runs well here"
            ))),
        }
    }
}

fn home_permissions(home: &Path) -> Finding {
    let Ok(meta) = fs::metadata(home) else {
        return fine("home", format!("`{}` will be made", home.display()));
    };
    let me = rustix::process::geteuid().as_raw();
    let mode = meta.permissions().mode() & 0o777;
    if meta.uid() != me {
        let advice = format!("sudo chown -R {me} {}", home.display());
        return finding(
            "home",
            Verdict::Fail,
            format!("`{}` belongs to user {}", home.display(), meta.uid()),
            advice,
        );
    }
    if mode & 0o077 != 0 {
        return finding(
            "home",
            Verdict::Warn,
            format!("`{}` has mode {mode:o}", home.display()),
            format!("chmod 700 {}", home.display()),
        );
    }
    fine("home", format!("`{}` is yours alone", home.display()))
}

fn disk(home: &Path) -> Finding {
    let there = home
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let Ok(stat) = rustix::fs::statvfs(there) else {
        return finding(
            "disk",
            Verdict::Warn,
            format!("cannot look at `{}`", there.display()),
            "",
        );
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} GiB free at `{}`", free >> 30, there.display());
    match free >> 30 {
        0 => finding(
            "disk",
            Verdict::Fail,
            found,
            "free some space: a Python environment alone takes about 1 GiB",
        ),
        1..=9 => finding(
            "disk",
            Verdict::Warn,
            found,
            "environments and artifacts will fill this soon",
        ),
        _ => fine("disk", found),
    }
}

async fn database(config: &Config, home: &Home) -> Finding {
    if config.database.is_none() && !home.database().exists() {
        return fine("database", "SQLite, will be made in the home");
    }
    match compose::open_store(config, home).await {
        Ok(store) => {
            let place = store.backend().location();
            store.close().await;
            fine("database", format!("`{place}` answers"))
        }
        Err(error) => finding(
            "database",
            Verdict::Fail,
            error.to_string(),
            "see `database` in the configuration; for PostgreSQL check the address, the user and that the database exists",
        ),
    }
}

fn port(config: &Config, home: &Home) -> Finding {
    if lock::is_taken(home) {
        let at = announce::read(home).map_or_else(
            || "is starting".to_owned(),
            |found| format!("serves {}", found.url),
        );
        return fine("port", format!("a server runs on this home and {at}"));
    }
    for address in &config.addresses {
        if let Err(error) = TcpListener::bind((*address, config.port)) {
            let found = format!("{address} port {}: {error}", config.port);
            return finding(
                "port",
                Verdict::Fail,
                found,
                "stop what has the port, or choose another with --port",
            );
        }
    }
    fine("port", format!("{} is free", config.port))
}

/// The first line that a program prints about its version.
fn version_of(program: &str) -> Option<String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    String::from_utf8_lossy(&text)
        .lines()
        .next()
        .map(|line| line.trim().to_owned())
}

fn python() -> Finding {
    let advice = "apt-get install python3 python3-venv; without it only models that need no Python can be served";
    let Some(version) = version_of("python3") else {
        return finding("python", Verdict::Fail, "no python3 on PATH", advice);
    };
    let number = version.rsplit(' ').next().unwrap_or_default();
    let mut parts = number
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if (major, minor) < (3, 9) {
        finding(
            "python",
            Verdict::Warn,
            version,
            "Python 3.9 or newer is needed by current packages",
        )
    } else {
        fine("python", version)
    }
}

async fn uv(home: &Path) -> Finding {
    match lazuli_exec::environments::find_uv(home).await {
        Some(found) => {
            let whose = if found.installed_by_lazuli {
                "in Lazuli's home"
            } else {
                "on this machine"
            };
            fine(
                "uv",
                format!("{} {whose}: `{}`", found.version, found.path.display()),
            )
        }
        None => finding(
            "uv",
            Verdict::Warn,
            "not found",
            "it is installed into the home from the package index when the first environment is built; without an index: pip install uv",
        ),
    }
}

fn cgroups() -> Finding {
    let root = Path::new("/sys/fs/cgroup");
    if !root.join("cgroup.controllers").exists() {
        return finding(
            "cgroups",
            Verdict::Warn,
            "no cgroup v2 here",
            "limits on memory and cores of jobs are accounted for, not enforced",
        );
    }
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or_default();
    let directory = root.join(group);
    let writable = rustix::fs::access(&directory, rustix::fs::Access::WRITE_OK).is_ok();
    if writable {
        fine(
            "cgroups",
            format!("v2, `{}` can be written", directory.display()),
        )
    } else {
        finding(
            "cgroups",
            Verdict::Warn,
            format!("v2, `{}` cannot be written", directory.display()),
            "run the server as a systemd service with Delegate=yes to have limits enforced",
        )
    }
}

fn bubblewrap() -> Finding {
    match version_of("bwrap") {
        Some(version) => fine("isolation", version),
        None => finding(
            "isolation",
            Verdict::Warn,
            "no bubblewrap",
            "apt-get install bubblewrap, so that jobs can be shut in; without it they run as this user",
        ),
    }
}

/// A clock before this program was written is wrong; tokens and certificates would not be valid.
fn clock() -> Finding {
    let now = SystemClock.now();
    let written = Timestamp::parse("2026-01-01T00:00:00Z").unwrap_or_default();
    if now < written || now.since(written) > Duration::from_hours(30 * 365 * 24) {
        return finding(
            "clock",
            Verdict::Fail,
            now.to_string(),
            "set the clock: certificates and tokens depend on it (timedatectl set-ntp true)",
        );
    }
    fine("clock", now.to_string())
}
