//! Outputs that have a name become assets: data or model versions that say which job made them.

use std::collections::BTreeMap;

use lazuli_spec::Timestamp;
use lazuli_spec::assets::{Asset, AssetContent, AssetKind, Origin};
use lazuli_spec::data::{DataContent, DataType};
use lazuli_spec::jobs::PortType;
use lazuli_spec::models::{ModelType, ModelVersion, Stage};
use lazuli_spec::trees::{ContentHash, Tree};
use lazuli_store::jobs::{JobRow, OutputRow};
use lazuli_store::{Tx, assets, model_versions, models};

use crate::{Error, Result};

/// A version that is asked for and taken is refused now, not after hours of work.
pub(super) fn check_registration(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    output: &str,
    spec: &lazuli_spec::jobs::JobOutput,
) -> Result<()> {
    let (Some(name), Some(version)) = (&spec.name, &spec.version) else {
        return Ok(());
    };
    let taken = match spec.kind {
        None | Some(PortType::UriFile | PortType::UriFolder | PortType::Mltable) => {
            assets::find(tx, workspace_id, AssetKind::Data, name, version)?.is_some()
        }
        Some(_) => model_versions::find(tx, workspace_id, name, version)?.is_some(),
    };
    if taken {
        return Err(
            Error::already_exists("version", format!("{name}:{version}"))
                .in_field(&format!("outputs.{output}.version"))
                .hint("leave `version` out to get the next number"),
        );
    }
    Ok(())
}

/// The content of an output, ready to be registered as a data asset.
#[derive(Debug)]
pub(super) struct Registration {
    id: ContentHash,
    count: usize,
    size: u64,
    one: Result<DataContent, String>,
    all: Result<DataContent, String>,
}

impl Registration {
    pub(super) fn new(id: &ContentHash, tree: &Tree) -> Self {
        let as_type = |data_type| {
            DataContent::stored(data_type, id.clone(), tree).map_err(|error| error.message)
        };
        Self {
            id: id.clone(),
            count: tree.count(),
            size: tree.size(),
            one: as_type(DataType::UriFile),
            all: as_type(DataType::UriFolder),
        }
    }

    pub(super) fn tree(&self) -> &str {
        self.id.as_str()
    }

    /// Registers a named output; the version it got. Unnamed ones stay the job's own.
    pub(super) fn register(
        &self,
        tx: &mut Tx<'_>,
        job: &JobRow,
        output: &OutputRow,
        now: Timestamp,
    ) -> Result<Option<String>> {
        let Some(name) = &output.asset else {
            return Ok(None);
        };
        match output.kind.as_str() {
            "uri_file" => self
                .register_data(tx, job, output, name, &self.one, now)
                .map(Some),
            "uri_folder" | "mltable" => self
                .register_data(tx, job, output, name, &self.all, now)
                .map(Some),
            _ => register_model(tx, job, output, name, self.tree(), now).map(Some),
        }
    }

    fn register_data(
        &self,
        tx: &mut Tx<'_>,
        job: &JobRow,
        output: &OutputRow,
        name: &str,
        content: &Result<DataContent, String>,
        now: Timestamp,
    ) -> Result<String> {
        let content = content
            .clone()
            .map_err(|words| Error::invalid("tree", words))?;
        let reserved = assets::reserve(tx, &job.workspace_id, AssetKind::Data, name, now)?;
        let version = output
            .version
            .clone()
            .unwrap_or_else(|| reserved.next_version.to_string());
        if assets::find(tx, &job.workspace_id, AssetKind::Data, name, &version)?.is_some() {
            return Err(Error::already_exists(
                "data asset",
                format!("{name}:{version}"),
            ));
        }
        let asset = Asset {
            name: name.to_owned(),
            version: version.clone(),
            sequence: reserved.sequence,
            content_hash: content.hash(),
            content: AssetContent::Data(content),
            size: self.size,
            files: self.count as u64,
            description: String::new(),
            tags: BTreeMap::new(),
            properties: BTreeMap::new(),
            origin: Origin {
                job: Some(job.name.clone()),
                output: Some(output.name.clone()),
            },
            archived: false,
            created_at: now,
            created_by: job.created_by.clone(),
            updated_at: now,
        };
        assets::insert(tx, &job.workspace_id, &asset)?;
        Ok(version)
    }
}

/// Registers an output as a version of a model.
fn register_model(
    tx: &mut Tx<'_>,
    job: &JobRow,
    output: &OutputRow,
    name: &str,
    tree: &str,
    now: Timestamp,
) -> Result<String> {
    let model_no = match models::find(tx, &job.workspace_id, name)? {
        Some(row) => row.model_no,
        None => models::insert(tx, &job.workspace_id, name, None, false, now)?,
    };
    let version = match &output.version {
        Some(version) => version.clone(),
        None => model_versions::next_number(tx, model_no)?.to_string(),
    };
    if model_versions::is_taken(tx, model_no, &version)? {
        return Err(Error::already_exists("model", format!("{name}:{version}")));
    }
    let source = format!("azureml://jobs/{}/outputs/{}", job.name, output.name);
    let made = ModelVersion {
        name: name.to_owned(),
        version: version.clone(),
        model_type: ModelType::parse(&output.kind).unwrap_or(ModelType::CustomModel),
        source,
        // where an MLflow client finds the files of a stored tree
        location: format!("mlflow-artifacts:/trees/{tree}"),
        tree: Some(tree.to_owned()),
        run_id: Some(job.name.clone()),
        run_link: None,
        model_id: None,
        job: Some(job.name.clone()),
        description: None,
        user_id: job.created_by.clone(),
        stage: Stage::None,
        archived: false,
        created_at: now,
        updated_at: now,
        tags: Vec::new(),
        properties: Vec::new(),
        aliases: Vec::new(),
    };
    model_versions::insert(tx, &job.workspace_id, model_no, &made)?;
    models::touch(tx, model_no, now)?;
    Ok(version)
}
