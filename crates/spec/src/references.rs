//! The ways a document names something that exists elsewhere: assets, labels, registries, other jobs' outputs, runs, addresses,
//! local paths. Parsing never looks anything up; what a reference means is decided by who asks.

use std::fmt;

use thiserror::Error;

/// Something named by a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `azureml:<name>:<version>`, `azureml:<name>@<label>`, or the long form with subscription, group and workspace.
    Asset {
        /// The asset's name.
        name: String,
        /// Which version.
        version: Version,
    },
    /// `azureml://registries/<registry>/<collection>/<name>/versions/<version>` or `…/labels/<label>`.
    Registry {
        /// The registry's name.
        registry: String,
        /// `environments`, `models`, `data`, `components`.
        collection: String,
        /// The asset's name.
        name: String,
        /// Which version.
        version: Version,
    },
    /// `azureml://jobs/<job>/outputs/<output>[/paths/<path>]`; `artifacts` names the run's artifacts.
    JobOutput {
        /// The job's name.
        job: String,
        /// The output's name.
        output: String,
        /// A path inside it; empty for all of it.
        path: String,
    },
    /// `runs:/<run>/<path>`: an artifact of a run.
    Run {
        /// The run's id.
        run: String,
        /// The artifact's path.
        path: String,
    },
    /// `azureml://datastores/<name>/paths/<path>`.
    Datastore {
        /// The datastore's name.
        datastore: String,
        /// The path in it.
        path: String,
    },
    /// `tree:<id>[/<path>]`: content already uploaded, by the hash of its manifest. Clients put it in place of a local path.
    Tree {
        /// The tree's id.
        id: String,
        /// A file inside it; empty for all of it.
        path: String,
    },
    /// An address with a scheme: `https://`, `wasbs://`, `s3://`, …
    Url(String),
    /// A path on the machine of who wrote the document.
    Local(String),
}

/// Which version of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// That one.
    Exact(String),
    /// The one that carries the label; `latest` is always there.
    Label(String),
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// Nothing at all.
    #[error("the reference is empty")]
    Empty,
    /// An `azureml:` text of no known form.
    #[error(
        "`{0}` is not a reference; write `azureml:<name>:<version>` or `azureml:<name>@latest`"
    )]
    Asset(String),
    /// An `azureml://` text of no known form.
    #[error(
        "`{0}` is not a known address; the forms are `azureml://jobs/<job>/outputs/<output>`, \
         `azureml://registries/<registry>/<kind>/<name>/versions/<version>` and `azureml://datastores/<name>/paths/<path>`"
    )]
    Address(String),
    /// A `tree:` text without a hash.
    #[error("`{0}` does not name a tree; write `tree:<64 hexadecimal digits>`")]
    Tree(String),
    /// A path that leaves the thing it is in.
    #[error("`{0}` leads out of what it is in; `..` is not allowed here")]
    Escapes(String),
}

impl Reference {
    /// Reads a reference.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if let Some(rest) = text.strip_prefix("tree:") {
            return tree(text, rest);
        }
        if let Some(rest) = text.strip_prefix("azureml://") {
            return address(rest)
                .ok_or_else(|| ReferenceError::Address(text.to_owned()))
                .and_then(Self::confined);
        }
        if let Some(rest) = text.strip_prefix("azureml:") {
            return asset(rest).ok_or_else(|| ReferenceError::Asset(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("runs:/") {
            let (run, path) = rest
                .trim_start_matches('/')
                .split_once('/')
                .unwrap_or((rest.trim_start_matches('/'), ""));
            if run.is_empty() {
                return Err(ReferenceError::Address(text.to_owned()));
            }
            return Self::Run {
                run: run.to_owned(),
                path: path.to_owned(),
            }
            .confined();
        }
        if let Some(rest) = text.strip_prefix("file:") {
            return Ok(Self::Local(
                rest.strip_prefix("//").unwrap_or(rest).to_owned(),
            ));
        }
        if has_scheme(text) {
            return Ok(Self::Url(text.to_owned()));
        }
        Ok(Self::Local(text.to_owned()))
    }

    /// Whether it is a path on the writer's machine, which a server cannot see.
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    fn confined(self) -> Result<Self, ReferenceError> {
        let (Self::JobOutput { path, .. }
        | Self::Run { path, .. }
        | Self::Datastore { path, .. }
        | Self::Tree { path, .. }) = &self
        else {
            return Ok(self);
        };
        if path.split('/').any(|step| step == "..") || path.contains('\0') {
            return Err(ReferenceError::Escapes(path.clone()));
        }
        Ok(self)
    }
}

fn tree(text: &str, rest: &str) -> Result<Reference, ReferenceError> {
    let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
    if id.len() != 64
        || !id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(ReferenceError::Tree(text.to_owned()));
    }
    Reference::Tree {
        id: id.to_owned(),
        path: path.to_owned(),
    }
    .confined()
}

fn asset(rest: &str) -> Option<Reference> {
    if rest.starts_with('/') {
        return long_form(rest.trim_start_matches('/'));
    }
    let (name, version) = match (rest.rsplit_once('@'), rest.split_once(':')) {
        (Some((name, label)), None) => (name, Version::Label(label.to_owned())),
        (_, Some((name, version))) => (name, Version::Exact(version.to_owned())),
        (None, None) => return None,
    };
    let (Version::Exact(word) | Version::Label(word)) = &version;
    let plain = |text: &str| !text.is_empty() && !text.contains(['/', ':', '@']);
    (plain(name) && plain(word)).then(|| Reference::Asset {
        name: name.to_owned(),
        version,
    })
}

/// `subscriptions/…/workspaces/<w>/data/<name>/versions/<version>`, with or without the provider in between.
fn long_form(path: &str) -> Option<Reference> {
    let steps: Vec<&str> = path.split('/').collect();
    let at = steps
        .iter()
        .position(|step| step.eq_ignore_ascii_case("workspaces"))?;
    match steps.get(at + 2..)? {
        ["datastores", datastore, "paths", inside @ ..] => Some(Reference::Datastore {
            datastore: (*datastore).to_owned(),
            path: inside.join("/"),
        }),
        [_, name, kind, version] => Some(Reference::Asset {
            name: (*name).to_owned(),
            version: selector(kind, version)?,
        }),
        _ => None,
    }
}

fn address(rest: &str) -> Option<Reference> {
    let steps: Vec<&str> = rest.split('/').collect();
    if steps.iter().take(4).any(|step| step.is_empty()) {
        return None;
    }
    match steps.as_slice() {
        ["jobs", job, "outputs", output] => Some(job_output(job, output, "")),
        ["jobs", job, "outputs", output, "paths", path @ ..] => {
            Some(job_output(job, output, &path.join("/")))
        }
        ["registries", registry, collection, name, kind, version] => Some(Reference::Registry {
            registry: (*registry).to_owned(),
            collection: (*collection).to_owned(),
            name: (*name).to_owned(),
            version: selector(kind, version)?,
        }),
        ["datastores", datastore, "paths", path @ ..] => Some(Reference::Datastore {
            datastore: (*datastore).to_owned(),
            path: path.join("/"),
        }),
        ["subscriptions", ..] => long_form(rest),
        _ => None,
    }
}

fn job_output(job: &str, output: &str, path: &str) -> Reference {
    Reference::JobOutput {
        job: job.to_owned(),
        output: output.to_owned(),
        path: path.trim_end_matches('/').to_owned(),
    }
}

fn selector(kind: &str, version: &str) -> Option<Version> {
    match kind {
        _ if version.is_empty() => None,
        "versions" => Some(Version::Exact(version.to_owned())),
        "labels" => Some(Version::Label(version.to_owned())),
        _ => None,
    }
}

fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.len() > 1
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => write!(f, ":{version}"),
            Self::Label(label) => write!(f, "@{label}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = |path: &str| {
            if path.is_empty() {
                String::new()
            } else {
                format!("/paths/{path}")
            }
        };
        match self {
            Self::Asset { name, version } => write!(f, "azureml:{name}{version}"),
            Self::Registry {
                registry,
                collection,
                name,
                version,
            } => {
                let (kind, word) = match version {
                    Version::Exact(word) => ("versions", word),
                    Version::Label(word) => ("labels", word),
                };
                write!(
                    f,
                    "azureml://registries/{registry}/{collection}/{name}/{kind}/{word}"
                )
            }
            Self::JobOutput { job, output, path } => {
                write!(f, "azureml://jobs/{job}/outputs/{output}{}", tail(path))
            }
            Self::Run { run, path } => write!(f, "runs:/{run}/{path}"),
            Self::Datastore { datastore, path } => {
                write!(f, "azureml://datastores/{datastore}/paths/{path}")
            }
            Self::Tree { id, path } if path.is_empty() => write!(f, "tree:{id}"),
            Self::Tree { id, path } => write!(f, "tree:{id}/{path}"),
            Self::Url(text) | Self::Local(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_known_forms_are_read() {
        let texts = [
            "azureml:iris:1",
            "azureml:iris@latest",
            "azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/iris/versions/2",
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            "azureml://jobs/brave_fox_1/outputs/model/paths/a/b.txt",
            "azureml://jobs/brave_fox_1/outputs/artifacts",
            "azureml://datastores/workspaceblobstore/paths/a/b",
            "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/x",
            "runs:/abc/model",
            "https://example.org/iris.csv",
            "./iris.csv",
            "file:///data/iris.csv",
            "azureml:iris",
            "azureml://nowhere",
            "tree:12",
            "azureml://jobs/j/outputs/o/paths/../../x",
            "",
        ];
        let read: Vec<String> = texts
            .iter()
            .map(|text| {
                Reference::parse(text).map_or_else(
                    |error| error.to_string(),
                    |reference| format!("{reference:?}"),
                )
            })
            .collect();
        insta::assert_snapshot!(read.join("\n"), @r#"
Asset { name: "iris", version: Exact("1") }
Asset { name: "iris", version: Label("latest") }
Asset { name: "iris", version: Exact("2") }
Registry { registry: "azureml", collection: "environments", name: "sklearn-1.5", version: Label("latest") }
JobOutput { job: "brave_fox_1", output: "model", path: "a/b.txt" }
JobOutput { job: "brave_fox_1", output: "artifacts", path: "" }
Datastore { datastore: "workspaceblobstore", path: "a/b" }
Datastore { datastore: "d", path: "x" }
Run { run: "abc", path: "model" }
Url("https://example.org/iris.csv")
Local("./iris.csv")
Local("/data/iris.csv")
`azureml:iris` is not a reference; write `azureml:<name>:<version>` or `azureml:<name>@latest`
`azureml://nowhere` is not a known address; the forms are `azureml://jobs/<job>/outputs/<output>`, `azureml://registries/<registry>/<kind>/<name>/versions/<version>` and `azureml://datastores/<name>/paths/<path>`
`tree:12` does not name a tree; write `tree:<64 hexadecimal digits>`
`../../x` leads out of what it is in; `..` is not allowed here
the reference is empty
"#);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "(azureml:|azureml://|tree:|runs:/|jobs/|outputs/|paths/|labels/|[a-z]{1,4}|[:/@.]){0,8}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference);
            }
        }
    }
}
