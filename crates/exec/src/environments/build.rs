//! Building one environment: lock, virtual environment, install, all in a temporary place that is renamed when it is whole.

use std::path::{Path, PathBuf};
use std::time::Instant;

use lazuli_core::environment_resolver::{EnvironmentError, EnvironmentErrorKind, Progress};
use lazuli_spec::runner::PackageIndex;

use super::interpreters::Choice;
use super::marker::{LOCK_FILE, MARKER_FILE, Marker};
use super::recipe::Recipe;
use super::relax::Relaxation;
use super::uv::{Outcome, UvFound, run_uv};
use crate::files;

/// Everything that one build needs.
pub(super) struct Build<'a> {
    pub(super) home: &'a Path,
    pub(super) index: &'a PackageIndex,
    pub(super) uv: &'a UvFound,
    pub(super) recipe: &'a Recipe,
    pub(super) choice: &'a Choice,
    pub(super) key: &'a str,
    pub(super) progress: Progress<'a>,
}

/// A temporary directory that goes away unless it was renamed, also when the build's future is dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.exists() {
            files::remove_tree(&self.0);
        }
    }
}

/// A lock, and how it came about.
struct Locked {
    relaxation: Relaxation,
    from_source: bool,
}

impl Build<'_> {
    /// Builds it and puts it at `target`.
    pub(super) async fn run(&self, target: &Path) -> Result<Marker, EnvironmentError> {
        let started = Instant::now();
        let scratch = Scratch(files::temporary_beside(target));
        std::fs::create_dir_all(&scratch.0).map_err(|error| disk(&scratch.0, &error))?;
        let lock = scratch.0.join(LOCK_FILE);
        let locked = self.lock(&scratch.0, &lock).await?;
        self.install(&scratch.0, &lock, locked.from_source).await?;
        let marker = Marker {
            key: self.key.to_owned(),
            rule: self.recipe.rule.clone(),
            python: self.choice.interpreter.version.clone(),
            requirements: self.recipe.lines.iter().map(ToString::to_string).collect(),
            relaxations: self.relaxations(&locked, &lock),
            variables: self.recipe.variables.clone(),
            uv: self.uv.version.clone(),
            build_millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let text = serde_json::to_vec_pretty(&marker)
            .map_err(|error| EnvironmentError::tool(error.to_string()))?;
        files::write_atomically(&scratch.0.join(MARKER_FILE), &text, 0o644)
            .map_err(|error| disk(target, &error))?;
        if target.exists() {
            // no marker was found in it, so it is what remained of something else
            files::remove_tree(target);
        }
        std::fs::rename(&scratch.0, target).map_err(|error| disk(target, &error))?;
        Ok(marker)
    }

    fn relaxations(&self, locked: &Locked, lock: &Path) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(asked) = &self.choice.substituted_for {
            all.push(format!(
                "python {asked} is not on this machine: {} is used",
                self.choice.interpreter.version
            ));
        }
        all.extend(self.recipe.notes.iter().cloned());
        all.extend(
            locked
                .relaxation
                .report(&std::fs::read_to_string(lock).unwrap_or_default()),
        );
        if locked.from_source {
            all.push(
                "packages without a wheel for this interpreter were built from source".to_owned(),
            );
        }
        all
    }

    /// Locks the requirements; how far they may give way is told in `relax.rs`.
    async fn lock(&self, scratch: &Path, lock: &Path) -> Result<Locked, EnvironmentError> {
        let mut relaxation = Relaxation::new(&self.recipe.lines);
        let first = self.compile(scratch, lock, &relaxation, false).await?;
        if first.success {
            return Ok(Locked {
                relaxation,
                from_source: false,
            });
        }
        let mut last = first;
        if self.choice.substituted_for.is_some() {
            while relaxation.give_way(&last.lines.join("\n")) {
                (self.progress)("pins made for another interpreter give way");
                last = self.compile(scratch, lock, &relaxation, false).await?;
                if last.success {
                    return Ok(Locked {
                        relaxation,
                        from_source: false,
                    });
                }
            }
        }
        if lacks_only_wheels(&last) {
            (self.progress)("not everything has a wheel: building from source");
            last = self.compile(scratch, lock, &relaxation, true).await?;
            if last.success {
                return Ok(Locked {
                    relaxation,
                    from_source: true,
                });
            }
        }
        Err(unresolvable(&last))
    }

    async fn compile(
        &self,
        scratch: &Path,
        lock: &Path,
        relaxation: &Relaxation,
        from_source: bool,
    ) -> Result<Outcome, EnvironmentError> {
        let asked = scratch.join("lazuli-requirements.in");
        std::fs::write(&asked, relaxation.text()).map_err(|error| disk(&asked, &error))?;
        let mut arguments = words([
            "pip",
            "compile",
            "--quiet",
            "--no-header",
            "--no-annotate",
            "--python",
        ]);
        arguments.push(self.choice.interpreter.path.clone());
        if !from_source {
            arguments.push("--no-build".into());
        }
        arguments.extend(words(["--output-file"]));
        arguments.push(lock.to_owned());
        arguments.push(asked);
        run_uv(
            &self.uv.path,
            self.home,
            self.index,
            arguments,
            self.progress,
        )
        .await
    }

    async fn install(
        &self,
        scratch: &Path,
        lock: &Path,
        from_source: bool,
    ) -> Result<(), EnvironmentError> {
        let mut venv = words([
            "venv",
            "--quiet",
            "--relocatable",
            "--no-project",
            "--allow-existing",
            "--python",
        ]);
        venv.push(self.choice.interpreter.path.clone());
        venv.push(scratch.to_owned());
        let made = run_uv(&self.uv.path, self.home, self.index, venv, self.progress).await?;
        if !made.success {
            let mut error = EnvironmentError::tool("the virtual environment could not be made");
            error.log = made.lines;
            return Err(error);
        }
        let mut sync = words(["pip", "sync", "--link-mode", "hardlink", "--python"]);
        sync.push(scratch.join("bin/python"));
        if !from_source {
            sync.push("--no-build".into());
        }
        sync.push(lock.to_owned());
        let synced = run_uv(&self.uv.path, self.home, self.index, sync, self.progress).await?;
        if synced.success {
            return Ok(());
        }
        Err(EnvironmentError {
            kind: EnvironmentErrorKind::Install,
            message: format!(
                "the packages could not be installed: {}",
                summary(&synced.lines)
            ),
            log: synced.lines,
        })
    }
}

fn words<const N: usize>(list: [&str; N]) -> Vec<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

fn disk(path: &Path, error: &std::io::Error) -> EnvironmentError {
    EnvironmentError::tool(format!("cannot write {}: {error}", path.display()))
}

/// Whether sources could help: uv says so when wheels were what was missing.
fn lacks_only_wheels(outcome: &Outcome) -> bool {
    const SAYINGS: [&str; 4] = [
        "building from source is disabled",
        "Building source distributions",
        "no usable wheels",
        "--no-build",
    ];
    let text = outcome.lines.join("\n");
    SAYINGS.iter().any(|saying| text.contains(saying))
}

fn unresolvable(outcome: &Outcome) -> EnvironmentError {
    EnvironmentError {
        kind: EnvironmentErrorKind::Unresolvable,
        message: format!(
            "the environment cannot be resolved: {}",
            summary(&outcome.lines)
        ),
        log: outcome.lines.clone(),
    }
}

/// uv's own reasons, without its frame.
fn summary(lines: &[String]) -> String {
    let causes: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("cause: "))
        .collect();
    if !causes.is_empty() {
        return causes.join("; ");
    }
    let plain = |line: &&String| !line.starts_with("warning:");
    let text: Vec<&str> = lines.iter().filter(plain).map(|line| line.trim()).collect();
    if text.is_empty() {
        "uv gave no reason".to_owned()
    } else {
        text.join(" ").trim_start_matches("error: ").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_uvs_own() {
        let lines = |text: &str| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
        let reason = summary(&lines(
            "error: No solution found when resolving dependencies\n  cause: Because x was not found in the package registry, your requirements are unsatisfiable.",
        ));
        assert_eq!(
            reason,
            "Because x was not found in the package registry, your requirements are unsatisfiable."
        );
        assert_eq!(
            summary(&lines("warning: slow\nerror: it broke")),
            "it broke"
        );
        assert_eq!(summary(&[]), "uv gave no reason");
    }
}
