//! The Python interpreters of this machine, found once and remembered.
//!
//! Asking an interpreter for its version costs some 15 ms, and a warm job has less than that, so the answers stand in
//! `<home>/cache/interpreters.json` with a fingerprint of the places they came from; a new interpreter changes it.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// A Python that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interpreter {
    /// The real file.
    pub(super) path: PathBuf,
    /// `3.11.7`
    pub(super) version: String,
}

impl Interpreter {
    /// `(3, 11)`
    pub(super) fn minor(&self) -> (u32, u32) {
        minor_of(&self.version)
    }
}

/// What was chosen, and whether it is what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) interpreter: Interpreter,
    /// Set when another interpreter than the one asked for had to be taken.
    pub(super) substituted_for: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    fingerprint: String,
    found: Vec<Interpreter>,
}

/// Every interpreter, from the remembered list when nothing has changed since.
pub(super) async fn all(cache_file: &Path) -> Vec<Interpreter> {
    let places = places();
    let fingerprint = fingerprint(&places);
    if let Some(found) = remembered(cache_file, &fingerprint) {
        return found;
    }
    let mut found: Vec<Interpreter> = Vec::new();
    for candidate in candidates(&places) {
        if found.iter().all(|known| known.path != candidate)
            && let Some(version) = version_of(&candidate).await
        {
            found.push(Interpreter {
                path: candidate,
                version,
            });
        }
    }
    // a list that cannot be kept costs time, nothing else
    if let Ok(text) = serde_json::to_string(&Remembered {
        fingerprint,
        found: found.clone(),
    }) {
        let _ = crate::files::write_atomically(cache_file, text.as_bytes(), 0o644);
    }
    found
}

fn remembered(cache_file: &Path, fingerprint: &str) -> Option<Vec<Interpreter>> {
    let text = std::fs::read(cache_file).ok()?;
    let known: Remembered = serde_json::from_slice(&text).ok()?;
    (known.fingerprint == fingerprint && !known.found.is_empty()).then_some(known.found)
}

/// Directories that may hold interpreters.
fn places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    places.extend(["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"].map(PathBuf::from));
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map_or_else(|| home.join(".pyenv"), PathBuf::from)
        .join("versions");
    for many in [pyenv, home.join(".local/share/uv/python")] {
        let mut inside: Vec<PathBuf> = std::fs::read_dir(many)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin"))
            .collect();
        inside.sort();
        places.extend(inside);
    }
    let mut seen = std::collections::HashSet::new();
    // pyenv's shims are scripts that start some interpreter or none: the real ones are listed above
    places
        .retain(|place| !place.ends_with("shims") && seen.insert(place.clone()) && place.is_dir());
    places
}

fn fingerprint(places: &[PathBuf]) -> String {
    let mut text = String::new();
    for place in places {
        if let Ok(meta) = place.metadata() {
            let _ = write!(
                text,
                "{}@{}.{}:",
                place.display(),
                meta.mtime(),
                meta.mtime_nsec()
            );
        }
    }
    text
}

fn candidates(places: &[PathBuf]) -> Vec<PathBuf> {
    let mut names = vec!["python3".to_owned(), "python".to_owned()];
    names.extend((8..=16).map(|minor| format!("python3.{minor}")));
    let mut out = Vec::new();
    for place in places {
        for name in &names {
            if let Ok(real) = place.join(name).canonicalize()
                && !out.contains(&real)
            {
                out.push(real);
            }
        }
    }
    out
}

async fn version_of(path: &Path) -> Option<String> {
    // a virtual environment is no base for another one
    const ASK: &str = "import sys; print('.'.join(map(str, sys.version_info[:3])) if sys.prefix == sys.base_prefix and sys.implementation.name == 'cpython' else '')";
    let mut command = Command::new(path);
    command
        .args(["-I", "-S", "-c", ASK])
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(std::time::Duration::from_secs(10), command.output())
        .await
        .ok()?
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && minor_of(&version) >= (3, 8)).then_some(version)
}

/// The best interpreter for what was asked.
///
/// `accepted` lists versions, best first, any of which is as good as asked for; empty means that nothing was asked. When none of
/// them is there: the nearest newer minor release, else the nearest older one.
pub(super) fn choose(
    found: &[Interpreter],
    accepted: &[String],
    preferred: &[String],
) -> Option<Choice> {
    let exact = |wanted: &str| found.iter().find(|known| known.version == wanted);
    let same_minor = |wanted: &str| found.iter().find(|known| known.minor() == minor_of(wanted));
    let as_asked = |interpreter: &Interpreter| Choice {
        interpreter: interpreter.clone(),
        substituted_for: None,
    };
    if let Some(hit) = accepted
        .iter()
        .find_map(|wanted| exact(wanted).or_else(|| same_minor(wanted)))
    {
        return Some(as_asked(hit));
    }
    let Some(asked) = accepted.first() else {
        let hit = preferred
            .iter()
            .find_map(|wanted| same_minor(wanted))
            .or_else(|| found.first());
        return hit.map(as_asked);
    };
    let asked_minor = minor_of(asked);
    let newer = found
        .iter()
        .filter(|known| known.minor() > asked_minor)
        .min_by_key(|known| known.minor());
    let older = found
        .iter()
        .filter(|known| known.minor() < asked_minor)
        .max_by_key(|known| known.minor());
    newer.or(older).map(|hit| Choice {
        interpreter: hit.clone(),
        substituted_for: Some(asked.clone()),
    })
}

fn minor_of(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(versions: &[&str]) -> Vec<Interpreter> {
        versions
            .iter()
            .map(|version| Interpreter {
                path: format!("/py/{version}").into(),
                version: (*version).to_owned(),
            })
            .collect()
    }

    fn pick(versions: &[&str], accepted: &[&str]) -> String {
        let own = |list: &[&str]| {
            list.iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let choice = choose(&machine(versions), &own(accepted), &own(&["3.12", "3.11"])).unwrap();
        format!(
            "{} instead of {:?}",
            choice.interpreter.version, choice.substituted_for
        )
    }

    #[test]
    fn the_nearest_interpreter_is_taken_and_said() {
        assert_eq!(
            pick(&["3.11.2", "3.10.13"], &["3.10", "3.11"]),
            "3.10.13 instead of None"
        );
        assert_eq!(
            pick(&["3.11.2"], &["3.10", "3.11"]),
            "3.11.2 instead of None"
        );
        assert_eq!(
            pick(&["3.12.1", "3.11.2"], &["3.8.5"]),
            "3.11.2 instead of Some(\"3.8.5\")"
        );
        assert_eq!(
            pick(&["3.10.1", "3.11.2"], &["3.14"]),
            "3.11.2 instead of Some(\"3.14\")"
        );
        assert_eq!(pick(&["3.11.2", "3.12.1"], &[]), "3.12.1 instead of None");
        assert_eq!(
            pick(&["3.12.1", "3.12.4"], &["3.12.4"]),
            "3.12.4 instead of None"
        );
        assert!(choose(&[], &[], &[]).is_none());
    }

    #[tokio::test]
    async fn the_machines_interpreters_are_found_and_remembered() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("cache/interpreters.json");
        let first = all(&file).await;
        assert!(!first.is_empty(), "these tests need a Python");
        assert_eq!(all(&file).await, first);
        assert!(file.exists());
    }
}
