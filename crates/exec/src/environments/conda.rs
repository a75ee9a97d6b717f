//! conda environment files, read as requirements for PyPI.
//!
//! No conda channel is asked: a conda package is looked up in `conda_names.toml`, and what exists only in conda is refused by name,
//! so that nobody finds out at run time that a compiler or R was silently left out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::requirement::{Line, Requirement, parse_line};

/// A conda file as requirements.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Translated {
    /// `3.8` or `3.8.5`, where the file names an interpreter.
    pub(super) python: Option<String>,
    /// What to install, in the order of the file.
    pub(super) lines: Vec<Line>,
    /// What was left out or read differently, in words.
    pub(super) notes: Vec<String>,
    /// `variables:` of the file.
    pub(super) variables: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Names {
    renamed: BTreeMap<String, String>,
    covered: BTreeMap<String, String>,
    refused: BTreeMap<String, String>,
}

/// The table is part of the program; a test reads it, so the fallback is never met.
static NAMES: LazyLock<Option<Names>> =
    LazyLock::new(|| toml::from_str(include_str!("conda_names.toml")).ok());

/// Channels whose packages are, for Python libraries, the ones PyPI has.
const USUAL_CHANNELS: [&str; 6] = [
    "defaults",
    "conda-forge",
    "anaconda",
    "main",
    "pytorch",
    "nvidia",
];

/// Translates a conda file (YAML, or JSON, which is YAML).
pub(super) fn translate(text: &str) -> Result<Translated, String> {
    let document: Value =
        serde_saphyr::from_str(text).map_err(|error| format!("conda file: {error}"))?;
    let Value::Object(fields) = document else {
        return Err("conda file: expected a mapping with `dependencies`".to_owned());
    };
    let mut out = Translated::default();
    for channel in fields
        .get("channels")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let channel = scalar(channel);
        if !USUAL_CHANNELS.contains(&channel.as_str()) {
            out.notes.push(format!(
                "channel `{channel}` was not asked: packages come from the package index"
            ));
        }
    }
    if let Some(Value::Object(variables)) = fields.get("variables") {
        out.variables = variables
            .iter()
            .map(|(name, value)| (name.clone(), scalar(value)))
            .collect();
    }
    let dependencies = match fields.get("dependencies") {
        None | Some(Value::Null) => return Ok(out),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("conda file: `dependencies` must be a list".to_owned()),
    };
    let mut refused = Vec::new();
    for dependency in dependencies {
        match dependency {
            Value::Object(section) => pip_section(section, &mut out)?,
            Value::String(spec) => conda_dependency(spec, &mut out, &mut refused)?,
            other => {
                return Err(format!(
                    "conda file: `{other}` in `dependencies` is neither a package nor a `pip` section"
                ));
            }
        }
    }
    if refused.is_empty() {
        Ok(out)
    } else {
        Err(format!("conda file: {}", refused.join("; ")))
    }
}

fn pip_section(
    section: &serde_json::Map<String, Value>,
    out: &mut Translated,
) -> Result<(), String> {
    for (kind, list) in section {
        if kind != "pip" {
            return Err(format!(
                "conda file: `{kind}` in `dependencies` is not supported, only `pip`"
            ));
        }
        let Value::Array(list) = list else {
            if list.is_null() {
                continue;
            }
            return Err("conda file: `pip` must be a list of requirements".to_owned());
        };
        for entry in list {
            let parsed = parse_line(&scalar(entry))
                .map_err(|why| format!("conda file, pip section: {why}"))?;
            out.lines.extend(parsed);
        }
    }
    Ok(())
}

fn conda_dependency(
    spec: &str,
    out: &mut Translated,
    refused: &mut Vec<String>,
) -> Result<(), String> {
    let bare = spec.rsplit_once("::").map_or(spec, |(_, rest)| rest).trim();
    let name_end = bare
        .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
        .unwrap_or(bare.len());
    let (name, version) = bare.split_at(name_end);
    if name.is_empty() {
        return Err(format!(
            "conda file: `{spec}` does not start with a package name"
        ));
    }
    let name = name.to_ascii_lowercase();
    let specifiers = version_condition(version, spec, &mut out.notes)?;
    if name == "python" {
        out.python = python_version(&specifiers);
        return Ok(());
    }
    if name == "pip" {
        // an environment has the pip of its own time; which one built it is of no consequence here
        return Ok(());
    }
    let Some(names) = NAMES.as_ref() else {
        return Err("the table of conda names in this build is damaged".to_owned());
    };
    if let Some(why) = names.covered.get(&name) {
        out.notes
            .push(format!("conda package `{name}` was left out: {why}"));
        return Ok(());
    }
    if let Some(why) = refusal(&names.refused, &name) {
        refused.push(format!("`{name}` cannot be installed: {why}"));
        return Ok(());
    }
    let pip_name = names.renamed.get(&name).cloned().unwrap_or(name);
    out.lines.push(Line::Package(Requirement {
        name: pip_name,
        extras: String::new(),
        specifiers,
        marker: String::new(),
    }));
    Ok(())
}

fn refusal<'a>(table: &'a BTreeMap<String, String>, name: &str) -> Option<&'a String> {
    table.iter().find_map(|(pattern, why)| {
        let matches = pattern
            .strip_suffix('*')
            .map_or(pattern == name, |prefix| name.starts_with(prefix));
        matches.then_some(why)
    })
}

/// conda's version condition as PEP 440's: `=1.2` is any 1.2, `==1.2` is that release, a second `=` names a build.
fn version_condition(raw: &str, spec: &str, notes: &mut Vec<String>) -> Result<String, String> {
    let mut raw = raw
        .trim()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    if raw.contains('|') {
        return Err(format!(
            "conda file: `{spec}` gives alternatives with `|`, which PyPI has no word for; give one range"
        ));
    }
    if let Some((condition, build)) = split_build(&raw) {
        notes.push(format!(
            "build `{build}` of `{spec}` was ignored: builds exist only in conda"
        ));
        raw = condition;
    }
    if raw.is_empty() || raw == "*" || raw == "=*" || raw == "==*" {
        return Ok(String::new());
    }
    let clauses: Vec<String> = raw
        .split([','])
        .map(|clause| clause_of(clause.trim()))
        .collect();
    Ok(clauses.join(","))
}

fn split_build(raw: &str) -> Option<(String, String)> {
    let prefix = raw.len() - raw.trim_start_matches('=').len();
    if prefix == 0 {
        // `numpy 1.2 py38_0`
        let mut words = raw.split_whitespace();
        let (version, build) = (words.next()?, words.next()?);
        let separate =
            !version.starts_with(['<', '>', '!', '~']) && !build.starts_with(['<', '>', '!', '=']);
        return separate.then(|| (version.to_owned(), build.to_owned()));
    }
    let (version, build) = raw[prefix..].split_once('=')?;
    Some((format!("{}{version}", &raw[..prefix]), build.to_owned()))
}

fn clause_of(clause: &str) -> String {
    let clause: String = clause.split_whitespace().collect();
    if let Some(version) = clause.strip_prefix("==") {
        return format!("=={version}");
    }
    if let Some(version) = clause.strip_prefix('=') {
        let version = version.trim_end_matches(".*").trim_end_matches('*');
        return format!("=={version}.*");
    }
    if clause.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("=={clause}");
    }
    clause
}

/// `==3.8.*` -> `3.8`; a range says no more than its lower end.
fn python_version(specifiers: &str) -> Option<String> {
    let clause = specifiers
        .split(',')
        .find(|clause| !clause.starts_with(['<', '!']))?;
    let version = clause
        .trim_start_matches(['=', '>', '~'])
        .trim_end_matches(".*");
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then(|| version.to_owned())
}

fn scalar(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
#[path = "conda_tests.rs"]
mod tests;
