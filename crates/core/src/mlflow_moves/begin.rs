//! Beginning an import, or taking up one that was broken off.

use std::collections::BTreeMap;

use lazuli_spec::{Action, ErrorCode, Timestamp};
use lazuli_store::mlflow::{self, Pipe, Place, Skipped};
use lazuli_store::{Tx, experiments, imports, workspaces};
use serde::{Deserialize, Serialize};

use super::plan::{Plan, find};
use super::{Foreign, Progress};
use crate::{Access, Core, Error, Result};

/// Where an import goes on: the stage by its name, and how far in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct At {
    pub(super) stage: String,
    pub(super) after: Option<Place>,
    /// The last series that was settled.
    pub(super) series: i64,
}

/// What an import remembers of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Notes {
    /// Rows that were in the workspace before, by kind.
    pub(super) before: BTreeMap<String, i64>,
    /// How many rows there were to come.
    pub(super) counted: BTreeMap<String, i64>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) skipped_more: u64,
}

/// An import that is under way.
pub(super) struct Running {
    pub(super) access: Access,
    pub(super) id: String,
    pub(super) at: At,
    pub(super) notes: Notes,
    pub(super) resumed: bool,
}

/// How an import may begin.
pub(super) enum Begun {
    /// It goes on from here.
    Running(Box<Running>),
    /// The same database was imported into this workspace before.
    Already(Timestamp, Notes),
}

/// Finds the import to go on with, or begins one when nothing stands against it.
pub(super) async fn begin(
    core: &Core,
    foreign: &Foreign,
    workspace: &str,
    progress: &dyn Progress,
) -> Result<Begun> {
    let Some(id) = find(core, workspace).await? else {
        return start(core, foreign, None, workspace, progress).await;
    };
    let wanted = id.clone();
    let known = core
        .store()
        .read(move |tx| Ok::<_, Error>(imports::list(tx, &wanted)?))
        .await?;
    if let Some(other) = known
        .iter()
        .find(|import| !import.is_done && import.source != foreign.address)
    {
        let message = format!(
            "the workspace `{workspace}` has an unfinished import from {}",
            other.source
        );
        return Err(Error::conflict(message)
            .hint("finish that one first by running it again, or import into another workspace with --workspace-name"));
    }
    let Some(import) = known
        .into_iter()
        .find(|import| import.source == foreign.address)
    else {
        return start(core, foreign, Some(id), workspace, progress).await;
    };
    let unreadable = |error: serde_json::Error| {
        Error::internal(format!("the import's notes cannot be read: {error}"))
    };
    let notes: Notes = serde_json::from_str(&import.notes).map_err(unreadable)?;
    if let (true, Some(ended)) = (import.is_done, import.ended_at) {
        return Ok(Begun::Already(ended, notes));
    }
    Ok(Begun::Running(Box::new(Running {
        access: core.system_in(&id, workspace, Action::ServerImport),
        at: serde_json::from_str(&import.place).map_err(unreadable)?,
        id: import.id,
        notes,
        resumed: true,
    })))
}

async fn start(
    core: &Core,
    foreign: &Foreign,
    known: Option<String>,
    workspace: &str,
    progress: &dyn Progress,
) -> Result<Begun> {
    progress.stage("Looking for clashes", None);
    let plan = foreign.plan(Some(core), workspace).await?;
    refuse_clashes(&plan)?;
    let pipes = mlflow::imports(&foreign.schema);
    let (schema, theirs) = (foreign.schema.clone(), foreign.workspace.clone());
    let has_default = foreign
        .ask(move |tx| mlflow::has_default(tx, &schema, &theirs))
        .await?;
    let is_new = known.is_none();
    let workspace_id = known.unwrap_or_else(|| core.ids().uuid());
    let access = core.system_in(&workspace_id, workspace, Action::ServerImport);
    let at = At {
        stage: pipes.first().map_or("", |pipe| pipe.noun).to_owned(),
        ..At::default()
    };
    let id = core.ids().uuid();
    let counted = plan
        .rows
        .into_iter()
        .map(|rows| (rows.noun, rows.rows))
        .collect();
    let record = imports::Import {
        id: id.clone(),
        workspace_id: workspace_id.clone(),
        source: foreign.address.clone(),
        is_done: false,
        place: encode(&at)?,
        notes: String::new(),
        started_at: core.now(),
        ended_at: None,
    };
    let made = is_new.then(|| new_workspace(core, &workspace_id, workspace));
    let notes = access
        .write(
            format!("imports/{id} from {}", foreign.address),
            move |tx, _| {
                if let Some(workspace) = &made {
                    insert_workspace(tx, workspace)?;
                }
                if !has_default {
                    mlflow::clear_default(tx, &workspace_id)?;
                }
                let notes = Notes {
                    before: count(tx, &pipes, &workspace_id)?,
                    counted,
                    ..Notes::default()
                };
                let record = imports::Import {
                    notes: encode(&notes)?,
                    ..record
                };
                imports::insert(tx, &record)?;
                Ok(notes)
            },
        )
        .await?;
    Ok(Begun::Running(Box::new(Running {
        access,
        id,
        at,
        notes,
        resumed: false,
    })))
}

fn new_workspace(core: &Core, id: &str, name: &str) -> lazuli_spec::workspaces::Workspace {
    let mut workspace = crate::workspaces::first(core.ids(), core.now(), "system");
    id.clone_into(&mut workspace.id);
    name.clone_into(&mut workspace.name);
    name.clone_into(&mut workspace.display_name);
    "Imported from MLflow".clone_into(&mut workspace.description);
    workspace
}

fn insert_workspace(tx: &mut Tx<'_>, workspace: &lazuli_spec::workspaces::Workspace) -> Result<()> {
    workspaces::insert(tx, workspace)?;
    experiments::insert_default(tx, &workspace.id, workspace.created_at)?;
    crate::computes::insert_default(
        tx,
        &workspace.id,
        &workspace.created_by,
        workspace.created_at,
    )
}

/// Rows that the workspace has, by kind.
pub(super) fn count(
    tx: &mut Tx<'_>,
    pipes: &[Pipe],
    workspace_id: &str,
) -> Result<BTreeMap<String, i64>> {
    let counts = pipes.iter().map(|pipe| {
        let count = pipe.count_into(tx, workspace_id)?;
        Ok((pipe.noun.to_owned(), count))
    });
    counts.collect()
}

pub(super) fn encode(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal(error.to_string()))
}

fn refuse_clashes(plan: &Plan) -> Result<()> {
    if plan.clashes.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = plan
        .clashes
        .iter()
        .take(5)
        .map(|clash| format!("{} {} is taken {}", clash.noun, clash.name, clash.taken))
        .collect();
    let more = if plan.clashes.len() > told.len() {
        "; and more"
    } else {
        ""
    };
    let message = format!(
        "the import clashes with what is here, nothing was written: {}{more}",
        told.join("; ")
    );
    let about_ids = plan
        .clashes
        .iter()
        .any(|clash| matches!(clash.noun, "run" | "logged model"));
    let hint = if about_ids {
        "ids of runs and logged models are unique on a server: was this database imported before? Import it into another home, or delete what is here"
    } else {
        "give a name that no workspace has with --workspace-name: it is made for the import"
    };
    Err(Error::new(ErrorCode::Conflict, message).hint(hint))
}
