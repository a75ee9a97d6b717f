//! The environment resolver: definitions become virtual environments, built by uv and kept by content.
//!
//! `(image name -> base rule) + (conda file or requirements) -> recipe -> lock -> <home>/environments/<key>`, hard-linked from one
//! package cache in `<home>/cache/uv`. Called by the runner (a job's environment), by `serve` (a deployment's), and by `doctor`.
//!
//! Invariants: a directory under `environments/` with a readable marker is whole and is never changed again; a build happens in a
//! temporary directory beside it and is renamed; one process builds a key at a time; an environment that is there is found with a
//! few small reads and no subprocess.

mod base_rules;
mod build;
mod conda;
mod interpreters;
mod marker;
mod recipe;
mod relax;
mod requirement;
mod uv;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Instant;

use async_trait::async_trait;
use lazuli_core::environment_resolver::{
    EnvironmentError, EnvironmentRequest, EnvironmentResolver, Progress, ResolvedEnvironment,
};
use lazuli_spec::runner::PackageIndex;

use self::build::Build;
use self::interpreters::Choice;
use self::marker::Marker;
use self::recipe::Recipe;
pub use self::uv::{UvFound, find_uv};
use crate::lock::FileLock;

/// Environments in one Lazuli home.
#[derive(Debug, Clone)]
pub struct UvEnvironments {
    home: PathBuf,
    index: PackageIndex,
}

impl UvEnvironments {
    /// A resolver that keeps what it builds under `home`.
    pub fn new(home: impl Into<PathBuf>, index: PackageIndex) -> Self {
        Self {
            home: home.into(),
            index,
        }
    }

    /// Where the environment with this key stands.
    fn place(&self, key: &str) -> PathBuf {
        self.home.join("environments").join(key)
    }

    async fn resolve_recipe(
        &self,
        recipe: &Recipe,
        started: Instant,
        progress: Progress<'_>,
    ) -> Result<ResolvedEnvironment, EnvironmentError> {
        let found = interpreters::all(&self.home.join("cache/interpreters.json")).await;
        let choice = recipe.choose(&found)?;
        let key = recipe.key(&choice.interpreter);
        let place = self.place(&key);
        if let Some(marker) = Marker::read(&place, &key) {
            return Ok(ready(place, marker, true, started));
        }
        let lock = self.home.join("environments").join(format!(".{key}.lock"));
        let _one_at_a_time = FileLock::take(&lock, || {
            progress("waiting for another build of the same environment");
        })
        .await
        .map_err(|error| {
            EnvironmentError::tool(format!("cannot lock {}: {error}", lock.display()))
        })?;
        if let Some(marker) = Marker::read(&place, &key) {
            return Ok(ready(place, marker, true, started));
        }
        sweep(&self.home.join("environments"), &key);
        let marker = self.build(recipe, &choice, &key, &place, progress).await?;
        Ok(ready(place, marker, false, started))
    }

    async fn build(
        &self,
        recipe: &Recipe,
        choice: &Choice,
        key: &str,
        place: &Path,
        progress: Progress<'_>,
    ) -> Result<Marker, EnvironmentError> {
        let uv = uv::ensure_uv(&self.home, &self.index, &choice.interpreter.path, progress).await?;
        progress(&format!(
            "building environment {key} with python {} and uv {}",
            choice.interpreter.version, uv.version
        ));
        let build = Build {
            home: &self.home,
            index: &self.index,
            uv: &uv,
            recipe,
            choice,
            key,
            progress,
        };
        build.run(place).await
    }
}

/// Removes what a build of this key left behind when its process was killed. The caller holds the key's lock.
fn sweep(environments: &Path, key: &str) {
    let prefix = format!(".{key}.");
    for entry in std::fs::read_dir(environments)
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(".tmp") {
            crate::files::remove_tree(&entry.path());
        }
    }
}

fn ready(path: PathBuf, marker: Marker, cached: bool, started: Instant) -> ResolvedEnvironment {
    ResolvedEnvironment {
        python: path.join("bin/python"),
        key: marker.key,
        path,
        python_version: marker.python,
        relaxations: marker.relaxations,
        variables: marker.variables,
        cached,
        took: started.elapsed(),
    }
}

#[async_trait]
impl EnvironmentResolver for UvEnvironments {
    async fn resolve(
        &self,
        request: &EnvironmentRequest,
        progress: Progress<'_>,
    ) -> Result<ResolvedEnvironment, EnvironmentError> {
        let started = Instant::now();
        let recipe = Recipe::read(request)?;
        self.resolve_recipe(&recipe, started, progress).await
    }

    fn curated(&self, name: &str) -> Option<EnvironmentRequest> {
        let found = base_rules::find(name).ok()??;
        found.rule.curated.then(|| EnvironmentRequest {
            image: Some(name.to_owned()),
            ..EnvironmentRequest::default()
        })
    }

    fn curated_names(&self) -> Vec<String> {
        base_rules::curated_names()
    }
}
