//! From what references mean to what a runner can stage: trees are looked into, artifacts become trees.

use std::collections::BTreeMap;

use lazuli_blob::BlobKey;
use lazuli_spec::jobs::{CommandJob, JobInput, PortType};
use lazuli_spec::runner::{InputMode, PlanInput};
use lazuli_spec::trees::{ContentHash, Tree};
use lazuli_store::contents;
use lazuli_store::jobs::InputRow;

use super::resolve::{Content, Known, Source};
use crate::{Access, Error, Result};

/// What a job's inputs are for the runner, and for lineage.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) inputs: BTreeMap<String, PlanInput>,
    pub(super) code_tree: Option<String>,
    pub(super) rows: Vec<InputRow>,
}

/// Looks into the content of every input. Nothing is written but content itself, which is named by its hash.
pub(super) async fn stage(access: &Access, job: &CommandJob, known: &Known) -> Result<Staged> {
    let mut staged = Staged {
        inputs: BTreeMap::new(),
        code_tree: None,
        rows: vec![known.environment_row.clone()],
    };
    for (name, input) in job.flat_inputs() {
        let plan = match (input, known.inputs.get(&name)) {
            (JobInput::Asset(asset), Some(source)) => {
                let field = format!("inputs.{name}.path");
                let mode = asset
                    .mode
                    .map(lazuli_spec::jobs::ReadMode::plan)
                    .unwrap_or_default();
                let plan = content(access, &source.content, asset.kind, mode, &field).await?;
                staged.rows.push(row(&name, &asset.path, source, &plan));
                plan
            }
            (JobInput::Literal(literal), _) => PlanInput::Literal {
                value: literal.text(),
            },
            (JobInput::Asset(_) | JobInput::Group(_), _) => continue,
        };
        staged.inputs.insert(name, plan);
    }
    if let Some((source, reference)) = known.code.as_ref().zip(job.code.as_deref()) {
        let plan = content(
            access,
            &source.content,
            PortType::UriFolder,
            InputMode::Download,
            "code",
        )
        .await?;
        staged.rows.push(row(".code", reference, source, &plan));
        if let PlanInput::Tree { tree, .. } = plan {
            staged.code_tree = Some(tree);
        }
    }
    Ok(staged)
}

fn row(name: &str, reference: &str, source: &Source, plan: &PlanInput) -> InputRow {
    let tree = match plan {
        PlanInput::Tree { tree, .. } => Some(tree.clone()),
        PlanInput::Literal { .. } | PlanInput::Uri { .. } => None,
    };
    InputRow {
        name: name.to_owned(),
        kind: source.kind.to_owned(),
        reference: reference.to_owned(),
        asset: source.asset.clone(),
        version: source.version.clone(),
        tree,
    }
}

async fn content(
    access: &Access,
    content: &Content,
    kind: PortType,
    mode: InputMode,
    field: &str,
) -> Result<PlanInput> {
    let wants_file = kind == PortType::UriFile;
    let (tree, id, path) = match content {
        Content::Uri(uri) => {
            return Ok(PlanInput::Uri {
                uri: uri.clone(),
                file: wants_file,
                mode,
            });
        }
        Content::Tree { id, path } => {
            let (tree, id) = stored(access, id, field).await?;
            (tree, id, path.clone())
        }
        Content::Artifacts {
            experiment_id,
            run,
            path,
        } => snapshot(access, experiment_id, run, path, field).await?,
    };
    if wants_file {
        let file = if path.is_empty() && tree.count() == 1 {
            tree.entries()[0].path.clone()
        } else {
            path
        };
        if tree.get(&file).is_none() {
            let words = if file.is_empty() {
                "this is a folder, and the input is of type `uri_file`".to_owned()
            } else {
                format!("there is no file `{file}` in it")
            };
            return Err(
                Error::invalid(field, words).hint("write `type: uri_folder`, or name one file")
            );
        }
        return Ok(PlanInput::Tree {
            tree: id,
            file: Some(file),
            mode,
        });
    }
    if path.is_empty() {
        return Ok(PlanInput::Tree {
            tree: id,
            file: None,
            mode,
        });
    }
    let part = tree
        .subtree(&path)
        .ok_or_else(|| Error::invalid(field, format!("there is no folder `{path}` in it")))?;
    let id = keep(access, part).await?;
    Ok(PlanInput::Tree {
        tree: id,
        file: None,
        mode,
    })
}

/// A tree that this workspace has.
async fn stored(access: &Access, id: &str, field: &str) -> Result<(Tree, String)> {
    let id = ContentHash::parse(id).map_err(|error| Error::invalid(field, error.to_string()))?;
    let (workspace_id, wanted) = (access.workspace_id().to_owned(), id.clone());
    let here = access
        .read(move |tx| Ok(contents::has_tree(tx, &workspace_id, &wanted)?))
        .await?;
    if !here {
        return Err(Error::not_found("tree", &id)
            .in_field(field)
            .hint("upload its files and the tree first"));
    }
    let tree = access.blobs().get_tree(&id).await?;
    Ok((tree, id.as_str().to_owned()))
}

/// A run's artifacts as they are now, as a tree.
async fn snapshot(
    access: &Access,
    experiment_id: &str,
    run: &str,
    path: &str,
    field: &str,
) -> Result<(Tree, String, String)> {
    let root = if path.is_empty() {
        BlobKey::artifact_root(access.workspace_id(), experiment_id, run)?
    } else {
        BlobKey::artifact(access.workspace_id(), experiment_id, run, path)?
    };
    let (tree, file) = if !path.is_empty() && access.blobs().exists(&root).await? {
        let name = path.rsplit('/').next().unwrap_or(path);
        let entry = access.blobs().snapshot_object(&root, name).await?;
        (
            Tree::new(vec![entry]).map_err(|error| Error::invalid(field, error.to_string()))?,
            name.to_owned(),
        )
    } else {
        (access.blobs().snapshot_prefix(&root).await?, String::new())
    };
    if tree.count() == 0 {
        return Err(
            Error::not_found("artifact", format!("{path} of the run {run}")).in_field(field),
        );
    }
    let id = keep(access, tree.clone()).await?;
    Ok((tree, id, file))
}

/// Stores a tree whose files are stored, and notes that this workspace has it.
async fn keep(access: &Access, tree: Tree) -> Result<String> {
    let id = access.blobs().put_tree(&tree).await?;
    let (workspace_id, kept, now) = (access.workspace_id().to_owned(), id.clone(), access.now());
    access
        .log(move |tx| {
            for entry in tree.entries() {
                contents::insert(tx, &workspace_id, &entry.sha256, entry.size, now)?;
            }
            Ok(contents::insert_tree(tx, &workspace_id, &kept, &tree, now)?)
        })
        .await?;
    Ok(id.as_str().to_owned())
}
