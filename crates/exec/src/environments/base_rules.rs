//! What an image name stands for: the rule of `base_rules.toml` that it matches.

use std::sync::LazyLock;

use serde::Deserialize;

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// Interpreters to take, in this order, when nothing asks for one.
    pub(super) preferred_pythons: Vec<String>,
    /// Packages that every environment has unless it asks for them itself.
    pub(super) implied: Vec<String>,
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
}

/// One rule of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Its name, part of the environment's key.
    pub(super) id: String,
    /// Whether its first names may be used in place of an environment.
    #[serde(default)]
    pub(super) curated: bool,
    #[serde(rename = "match")]
    patterns: Vec<String>,
    /// Interpreters that its packages are known to resolve on, best first.
    #[serde(default)]
    pub(super) pythons: Vec<String>,
    /// The image's tag names the interpreter: `python:3.11-slim`.
    #[serde(default)]
    python_from_tag: bool,
    /// The image's name does: `minimal-py312-inference`.
    #[serde(default)]
    python_from_name: bool,
    /// Requirements.
    #[serde(default)]
    pub(super) packages: Vec<String>,
}

/// A rule as one image meets it.
#[derive(Debug)]
pub(super) struct BaseRule {
    /// The rule.
    pub(super) rule: &'static Rule,
    /// Interpreters it accepts, best first; empty when it does not care.
    pub(super) pythons: Vec<String>,
}

static TABLE: LazyLock<Option<Table>> =
    LazyLock::new(|| toml::from_str(include_str!("base_rules.toml")).ok());

/// The table, which is part of the program.
pub(super) fn table() -> Result<&'static Table, String> {
    TABLE
        .as_ref()
        .ok_or_else(|| "the table of base images in this build is damaged".to_owned())
}

/// The rule for an image name in any of its spellings, if there is one.
pub(super) fn find(image: &str) -> Result<Option<BaseRule>, String> {
    let (name, tag) = short_name(image);
    let found = table()?.rules.iter().find(|rule| {
        rule.patterns
            .iter()
            .any(|pattern| glob(&pattern.to_ascii_lowercase(), &name))
    });
    Ok(found.map(|rule| BaseRule {
        rule,
        pythons: pythons_of(rule, &name, tag.as_deref()),
    }))
}

/// The names of curated environments, for messages and listings.
pub(super) fn curated_names() -> Vec<String> {
    let rules = table()
        .map(|table| table.rules.as_slice())
        .unwrap_or_default();
    rules
        .iter()
        .filter(|rule| rule.curated)
        .map(|rule| rule.id.clone())
        .collect()
}

fn pythons_of(rule: &Rule, name: &str, tag: Option<&str>) -> Vec<String> {
    let asked = if rule.python_from_tag {
        tag.and_then(leading_version)
            .or_else(|| name.strip_prefix("python-").and_then(leading_version))
    } else if rule.python_from_name {
        name.split(['-', '/'])
            .find_map(|part| part.strip_prefix("py"))
            .and_then(compact_version)
    } else {
        None
    };
    asked.map_or_else(|| rule.pythons.clone(), |version| vec![version])
}

/// `mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:20220616.v1` -> (`azureml/openmpi4.1.0-ubuntu20.04`, tag).
///
/// A curated environment is also met as `azureml://registries/azureml/environments/NAME/labels/latest` or `…/versions/3`, and as
/// `NAME@latest` or `NAME:3`; all give the same name.
fn short_name(image: &str) -> (String, Option<String>) {
    let lower = image.trim().to_ascii_lowercase();
    if let Some(path) = lower.strip_prefix("azureml://registries/") {
        let path = path
            .split_once("/environments/")
            .map_or(path, |(_, name)| name);
        return (path.split('/').next().unwrap_or(path).to_owned(), None);
    }
    let lower = lower.strip_prefix("azureml:").unwrap_or(&lower);
    // after `@` stands a digest or a label, and neither says what is inside
    let path = lower.split_once('@').map_or(lower, |(path, _)| path);
    let slash = path.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match path[slash..].rfind(':') {
        Some(at) => (&path[..slash + at], Some(path[slash + at + 1..].to_owned())),
        None => (path, None),
    };
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.len() > 1
        && (parts[0].contains('.') || parts[0].contains(':') || parts[0] == "localhost")
    {
        parts.remove(0);
    }
    if parts.len() > 1 && parts[0] == "library" {
        parts.remove(0);
    }
    (parts.join("/"), tag)
}

fn leading_version(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let version = text[..end].trim_end_matches('.');
    (version.starts_with("3.") && version.len() > 2).then(|| version.to_owned())
}

/// `312` -> `3.12`
fn compact_version(text: &str) -> Option<String> {
    let minor = text.strip_prefix('3')?;
    (!minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit())).then(|| format!("3.{minor}"))
}

/// `*` matches anything, including nothing.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && glob(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_meet_their_rules_in_every_spelling() {
        let shown: Vec<String> = [
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            "azureml://registries/azureml/environments/sklearn-1.5/versions/20",
            "AzureML-sklearn-1.5@latest",
            "AzureML-sklearn-1.5:12",
            "azureml:sklearn-1.5@latest",
            "sklearn-1.5",
            "mcr.microsoft.com/azureml/curated/sklearn-1.5:latest",
            "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:20220616.v1",
            "mcr.microsoft.com/azureml/minimal-py312-inference:latest",
            "docker.io/library/python:3.9-slim",
            "docker.io/python",
            "library/python:latest",
            "python:3.11.7",
            "localhost:5000/python:3.13",
            "rocker/r-base:4",
        ]
        .iter()
        .map(|image| match find(image).unwrap() {
            Some(found) => format!("{image} -> {} {:?}", found.rule.id, found.pythons),
            None => format!("{image} -> nothing"),
        })
        .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        azureml://registries/azureml/environments/sklearn-1.5/labels/latest -> sklearn-1.5 ["3.10", "3.11"]
        azureml://registries/azureml/environments/sklearn-1.5/versions/20 -> sklearn-1.5 ["3.10", "3.11"]
        AzureML-sklearn-1.5@latest -> sklearn-1.5 ["3.10", "3.11"]
        AzureML-sklearn-1.5:12 -> sklearn-1.5 ["3.10", "3.11"]
        azureml:sklearn-1.5@latest -> sklearn-1.5 ["3.10", "3.11"]
        sklearn-1.5 -> sklearn-1.5 ["3.10", "3.11"]
        mcr.microsoft.com/azureml/curated/sklearn-1.5:latest -> sklearn-1.5 ["3.10", "3.11"]
        mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:20220616.v1 -> base []
        mcr.microsoft.com/azureml/minimal-py312-inference:latest -> minimal-inference ["3.12"]
        docker.io/library/python:3.9-slim -> python ["3.9"]
        docker.io/python -> python []
        library/python:latest -> python []
        python:3.11.7 -> python ["3.11.7"]
        localhost:5000/python:3.13 -> python ["3.13"]
        rocker/r-base:4 -> nothing
        "#);
    }

    #[test]
    fn every_requirement_of_the_table_reads() {
        for rule in &table().unwrap().rules {
            super::super::requirement::parse_file(&rule.packages.join("\n")).unwrap();
        }
    }
}
