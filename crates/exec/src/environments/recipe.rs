//! A definition, read: which interpreter, which requirements, and the key under which the result is kept.

use std::collections::HashSet;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::base_rules;
use super::conda;
use super::interpreters::{Choice, Interpreter, choose};
use super::requirement::{Line, normalise, parse_file, parse_line};
use lazuli_core::environment_resolver::{EnvironmentError, EnvironmentRequest};

/// What to build, before an interpreter is chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The base rule, or `none` where no image is given.
    pub(super) rule: String,
    /// Interpreters that are as good as asked for, best first.
    pub(super) pythons: Vec<String>,
    /// Requirements in the order they were found.
    pub(super) lines: Vec<Line>,
    /// What is already known to differ from the definition.
    pub(super) notes: Vec<String>,
    /// Environment variables that the definition sets.
    pub(super) variables: std::collections::BTreeMap<String, String>,
}

/// Changing how environments are built changes every key.
const FORMAT: u32 = 1;

impl Recipe {
    /// Reads a definition. Nothing is asked of the machine or the network.
    pub(super) fn read(request: &EnvironmentRequest) -> Result<Self, EnvironmentError> {
        Self::parse(request).map_err(EnvironmentError::invalid)
    }

    fn parse(request: &EnvironmentRequest) -> Result<Self, String> {
        let conda = request
            .conda_file
            .as_deref()
            .map(conda::translate)
            .transpose()?
            .unwrap_or_default();
        let asked = request
            .requirements
            .as_deref()
            .map(parse_file)
            .transpose()
            .map_err(|why| format!("requirements: {why}"))?;
        let mut recipe = Self {
            rule: "none".to_owned(),
            pythons: Vec::new(),
            lines: Vec::new(),
            notes: conda.notes,
            variables: conda.variables,
        };
        if let Some(image) = request
            .image
            .as_deref()
            .filter(|image| !image.trim().is_empty())
        {
            recipe.take_image(image, request.conda_file.is_some(), asked.is_some())?;
        }
        if let Some(python) = conda.python {
            recipe.pythons = vec![python];
        }
        for line in conda.lines.into_iter().chain(asked.into_iter().flatten()) {
            recipe.add(line);
        }
        for implied in &base_rules::table()?.implied {
            if let Some(Line::Package(requirement)) = parse_line(implied)? {
                let key = requirement.key();
                if !recipe.names().contains(&key) {
                    recipe.lines.push(Line::Package(requirement));
                }
            }
        }
        Ok(recipe)
    }

    fn take_image(
        &mut self,
        image: &str,
        has_conda: bool,
        has_requirements: bool,
    ) -> Result<(), String> {
        let Some(base) = base_rules::find(image)? else {
            if has_conda || has_requirements {
                self.notes.push(format!("image `{image}` was not run: only its Python packages are built, on this machine's interpreter"));
                return Ok(());
            }
            return Err(format!(
                "image `{image}` has no base rule here and no container engine is configured; add a conda_file or requirements, or use python:3.x or one of: {}",
                base_rules::curated_names().join(", ")
            ));
        };
        self.rule.clone_from(&base.rule.id);
        self.pythons = base.pythons;
        if !has_conda {
            self.lines = parse_file(&base.rule.packages.join("\n"))?;
        }
        Ok(())
    }

    /// A later requirement replaces an earlier one of the same package, as a layer over an image does.
    fn add(&mut self, line: Line) {
        if let Line::Package(added) = &line {
            let key = added.key();
            let same = |known: &Line| matches!(known, Line::Package(package) if package.key() == key && package.marker == added.marker);
            if let Some(at) = self.lines.iter().position(same) {
                self.lines[at] = line;
                return;
            }
        }
        self.lines.push(line);
    }

    fn names(&self) -> HashSet<String> {
        self.lines
            .iter()
            .filter_map(|line| {
                if let Line::Package(package) = line {
                    Some(package.key())
                } else {
                    None
                }
            })
            .collect()
    }

    /// Chooses the interpreter among those of the machine.
    pub(super) fn choose(&self, found: &[Interpreter]) -> Result<Choice, EnvironmentError> {
        let preferred = &base_rules::table()
            .map_err(EnvironmentError::invalid)?
            .preferred_pythons;
        choose(found, &self.pythons, preferred).ok_or_else(|| {
            EnvironmentError::tool(
                "no Python 3.8 or newer was found on this machine; install python3",
            )
        })
    }

    /// The name under which the built environment is kept: a hash of everything that decides what is in it.
    pub(super) fn key(&self, interpreter: &Interpreter) -> String {
        let mut lines: Vec<String> = self.lines.iter().map(canonical).collect();
        lines.sort();
        let identity = json!({
            "format": FORMAT,
            "rule": self.rule,
            "requirements": lines,
            "python": interpreter.version,
            "interpreter": interpreter.path,
            "platform": [std::env::consts::OS, std::env::consts::ARCH],
        });
        let digest: [u8; 32] = Sha256::digest(identity.to_string().as_bytes()).into();
        hex::encode(&digest[..16])
    }
}

fn canonical(line: &Line) -> String {
    match line {
        Line::Package(package) => {
            let mut same = package.clone();
            same.name = normalise(&package.name);
            same.to_string()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
