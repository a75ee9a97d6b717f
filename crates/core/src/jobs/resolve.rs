//! What the references of a job mean in its workspace: read in one snapshot, before anything is written.

use std::collections::BTreeMap;

use lazuli_spec::assets::{Asset, AssetContent, AssetKind};
use lazuli_spec::data::{DataSource, DataType};
use lazuli_spec::jobs::{CommandJob, JobInput, PortType};
use lazuli_spec::references::{Reference, Version};
use lazuli_spec::runner::PlanEnvironment;
use lazuli_store::jobs::InputRow;
use lazuli_store::{Tx, assets, jobs, model_versions, models, runs};

use super::{registration, resolve_environment};
use crate::{Error, Result};

/// Where the content of an input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// In a tree of this workspace, at a path (empty for all of it).
    Tree { id: String, path: String },
    /// Among a run's artifacts.
    Artifacts {
        experiment_id: String,
        run: String,
        path: String,
    },
    /// Elsewhere.
    Uri(String),
}

/// What a reference stands for.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) kind: &'static str,
    pub(super) asset: Option<String>,
    pub(super) version: Option<String>,
    pub(super) content: Content,
}

/// A job whose references are known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) inputs: BTreeMap<String, Source>,
    pub(super) code: Option<Source>,
    pub(super) environment: PlanEnvironment,
    pub(super) environment_row: InputRow,
}

/// Looks up everything a job refers to.
pub(super) fn look_up(tx: &mut Tx<'_>, workspace_id: &str, job: &CommandJob) -> Result<Known> {
    let mut inputs = BTreeMap::new();
    for (name, input) in job.flat_inputs() {
        if let JobInput::Asset(asset) = input {
            let field = format!("inputs.{name}.path");
            inputs.insert(
                name,
                source(tx, workspace_id, &asset.path, asset.kind, &field)?,
            );
        }
    }
    let code = job
        .code
        .as_deref()
        .map(|code| code_source(tx, workspace_id, code))
        .transpose()?;
    let (environment, environment_row) = resolve_environment::environment(tx, workspace_id, job)?;
    for (name, output) in &job.outputs {
        if let Some(output) = output {
            registration::check_registration(tx, workspace_id, name, output)?;
        }
    }
    Ok(Known {
        inputs,
        code,
        environment,
        environment_row,
    })
}

fn source(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    text: &str,
    kind: PortType,
    field: &str,
) -> Result<Source> {
    let reference =
        Reference::parse(text).map_err(|error| Error::invalid(field, error.to_string()))?;
    let is_model = matches!(
        kind,
        PortType::CustomModel | PortType::MlflowModel | PortType::TritonModel
    );
    match reference {
        Reference::Asset { name, version } if is_model => model(tx, workspace_id, &name, &version, field),
        Reference::Asset { name, version } => data(tx, workspace_id, &name, &version, kind, field),
        Reference::Tree { id, path } => Ok(Source { kind: "tree", asset: None, version: None, content: Content::Tree { id, path } }),
        Reference::JobOutput { job, output, path } => job_output(tx, workspace_id, job, output, path, field),
        Reference::Run { run, path } => artifacts(tx, workspace_id, "run", &run, path, field),
        Reference::Url(uri) => Ok(Source { kind: "uri", asset: None, version: None, content: Content::Uri(uri) }),
        Reference::Local(path) => Err(Error::invalid(field, format!("`{path}` is a path on your machine; the server cannot see it"))
            .hint("`lazuli job create` uploads local paths; over REST, upload the files and write `tree:<id>`")),
        Reference::Registry { .. } | Reference::Datastore { .. } => {
            Err(Error::invalid(field, format!("`{text}` cannot be used as an input here")).hint("register the data in this workspace and write `azureml:<name>:<version>`"))
        }
    }
}

pub(super) fn asset(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
    version: &Version,
    field: &str,
) -> Result<Asset> {
    let found = match version {
        Version::Exact(version) => assets::find(tx, workspace_id, kind, name, version)?,
        Version::Label(label) if label == "latest" => assets::latest(tx, workspace_id, kind, name)?,
        Version::Label(_) => None,
    };
    found.ok_or_else(|| Error::not_found(kind.noun(), format!("{name}{version}")).in_field(field))
}

fn data(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    version: &Version,
    kind: PortType,
    field: &str,
) -> Result<Source> {
    let found = asset(tx, workspace_id, AssetKind::Data, name, version, field)?;
    let AssetContent::Data(content) = &found.content else {
        return Err(Error::internal(format!(
            "the data asset `{name}` holds something else"
        )));
    };
    let fits = match content.data_type {
        DataType::UriFile => kind == PortType::UriFile,
        DataType::UriFolder => matches!(kind, PortType::UriFolder | PortType::Mltable),
    };
    if !fits {
        let words = format!(
            "the data asset `{name}:{}` is of type `{}`",
            found.version,
            content.data_type.as_str()
        );
        return Err(Error::invalid(field, words).hint(format!(
            "write `type: {}` for this input",
            content.data_type.as_str()
        )));
    }
    let content = match &content.source {
        DataSource::Tree(id) => Content::Tree {
            id: id.as_str().to_owned(),
            path: String::new(),
        },
        DataSource::Uri(uri) => Content::Uri(uri.clone()),
    };
    Ok(Source {
        kind: "data",
        asset: Some(found.name),
        version: Some(found.version),
        content,
    })
}

fn model(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    version: &Version,
    field: &str,
) -> Result<Source> {
    let missing = || Error::not_found("model", format!("{name}{version}")).in_field(field);
    let row = models::find(tx, workspace_id, name)?.ok_or_else(missing)?;
    let found = match version {
        Version::Exact(version) => model_versions::find(tx, workspace_id, name, version)?,
        Version::Label(label) if label == "latest" => model_versions::newest(tx, row.model_no)?,
        Version::Label(label) => {
            let mut rows = [row];
            models::complete(tx, &mut rows)?;
            let alias = rows[0]
                .model
                .aliases
                .iter()
                .find(|alias| alias.alias == *label)
                .map(|alias| alias.version.clone());
            alias
                .map(|version| model_versions::find(tx, workspace_id, name, &version))
                .transpose()?
                .flatten()
        }
    };
    let found = found.ok_or_else(missing)?.version;
    let content = match (&found.tree, Reference::parse(&found.source)) {
        (Some(id), _) => Content::Tree {
            id: id.clone(),
            path: String::new(),
        },
        (None, Ok(Reference::Run { run, path })) => {
            artifacts(tx, workspace_id, "run", &run, path, field)?.content
        }
        (None, _) => match found.run_id.as_deref().zip(artifact_path(&found.location)) {
            Some((run, path)) => artifacts(tx, workspace_id, "run", run, path, field)?.content,
            None => {
                return Err(Error::conflict(format!(
                    "the files of the model `{name}:{}` are not on this server",
                    found.version
                ))
                .in_field(field));
            }
        },
    };
    Ok(Source {
        kind: "model",
        asset: Some(name.to_owned()),
        version: Some(found.version),
        content,
    })
}

/// The path below a run's artifacts in `mlflow-artifacts:/<experiment>/<run>/artifacts/<path>`.
fn artifact_path(location: &str) -> Option<String> {
    let rest = location.strip_prefix("mlflow-artifacts:/")?;
    rest.split_once("/artifacts/")
        .map(|(_, path)| path.to_owned())
}

fn job_output(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: String,
    output: String,
    path: String,
    field: &str,
) -> Result<Source> {
    if output == "artifacts" || output == "default" {
        let mut source = artifacts(tx, workspace_id, "job", &job, path, field)?;
        source.version = Some(output);
        return Ok(source);
    }
    let row = super::find(tx, workspace_id, &job).map_err(|error| error.in_field(field))?;
    let outputs = jobs::outputs(tx, workspace_id, &job)?;
    let found = outputs.into_iter().find(|found| found.name == output);
    let found = found.ok_or_else(|| {
        Error::not_found("output", format!("{output} of the job {job}")).in_field(field)
    })?;
    let Some(id) = found.tree else {
        let words = format!(
            "the job `{job}` has not made its output `{output}`: it is {}",
            row.progress.state
        );
        return Err(Error::conflict(words).in_field(field));
    };
    Ok(Source {
        kind: "job",
        asset: Some(job),
        version: Some(output),
        content: Content::Tree { id, path },
    })
}

fn artifacts(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: &'static str,
    run: &str,
    path: String,
    field: &str,
) -> Result<Source> {
    let info = runs::info(tx, workspace_id, run)?
        .ok_or_else(|| Error::not_found(kind, run).in_field(field))?;
    let content = Content::Artifacts {
        experiment_id: info.experiment_id.to_string(),
        run: run.to_owned(),
        path,
    };
    Ok(Source {
        kind,
        asset: Some(run.to_owned()),
        version: None,
        content,
    })
}

fn code_source(tx: &mut Tx<'_>, workspace_id: &str, text: &str) -> Result<Source> {
    let reference =
        Reference::parse(text).map_err(|error| Error::invalid("code", error.to_string()))?;
    match reference {
        Reference::Tree { id, path } if path.is_empty() => Ok(Source {
            kind: "code",
            asset: None,
            version: None,
            content: Content::Tree { id, path },
        }),
        Reference::Asset { name, version } => {
            let found = asset(tx, workspace_id, AssetKind::Code, &name, &version, "code")?;
            let id = found.content_hash.as_str().to_owned();
            Ok(Source {
                kind: "code",
                asset: Some(found.name),
                version: Some(found.version),
                content: Content::Tree {
                    id,
                    path: String::new(),
                },
            })
        }
        Reference::Local(path) => Err(Error::invalid(
            "code",
            format!("`{path}` is a folder on your machine; the server cannot see it"),
        )
        .hint("`lazuli job create` uploads it; over REST, upload the files and write `tree:<id>`")),
        _ => Err(
            Error::invalid("code", format!("`{text}` cannot be used as code"))
                .hint("name a folder, or a code asset `azureml:<name>:<version>`"),
        ),
    }
}
