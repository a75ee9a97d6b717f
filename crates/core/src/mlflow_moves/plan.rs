//! What an import would do, before anything is written.

use std::collections::BTreeMap;

use lazuli_store::mlflow::{self, Clash, Leftover, Pipe};
use lazuli_store::workspaces;
use serde::Serialize;

use super::Foreign;
use crate::{Core, Error, Result};

/// Clashes told; more are only said to be.
const TOLD: usize = 20;

/// Rows of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The kind.
    pub noun: String,
    /// How many.
    pub rows: i64,
}

/// Addresses of artifacts that stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// How they begin.
    pub place: String,
    /// How many runs, logged models and versions have one.
    pub things: u64,
}

/// What there is to import, and what stands against it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// The database, without the password.
    pub source: String,
    /// Its schema's revision.
    pub revision: String,
    /// The workspace that it comes into.
    pub workspace: String,
    /// Whether that has to be made.
    pub workspace_is_new: bool,
    /// Rows by kind; the default experiment is there already and not counted.
    pub rows: Vec<Counted>,
    /// Runs, logged models and versions whose files are copied.
    pub with_files: u64,
    /// Addresses that stay as they are, because their files are not in the folder.
    pub kept: Vec<Kept>,
    /// What does not come.
    pub left_behind: Vec<Leftover>,
    /// Names and ids that are taken: with any of these nothing is imported.
    pub clashes: Vec<Clash>,
}

impl Foreign {
    /// What there is, and (with a core) whether it can come into the workspace.
    pub async fn plan(&self, core: Option<&Core>, workspace: &str) -> Result<Plan> {
        lazuli_spec::names::workspace(workspace)?;
        let workspace_id = match core {
            Some(core) => find(core, workspace).await?,
            None => None,
        };
        let mut plan = Plan {
            source: self.address.clone(),
            revision: self.schema.revision.clone(),
            workspace: workspace.to_owned(),
            workspace_is_new: workspace_id.is_none(),
            ..Plan::default()
        };
        let id = workspace_id.unwrap_or_default();
        for pipe in mlflow::imports(&self.schema) {
            let rows = self.count(&pipe).await?;
            plan.rows.push(Counted {
                noun: pipe.noun.to_owned(),
                rows,
            });
            if let Some(core) = core {
                self.add_clashes(core, &pipe, &id, &mut plan.clashes)
                    .await?;
            }
        }
        self.add_staying(&mut plan).await?;
        Ok(plan)
    }

    /// Only what stays: addresses of files that are elsewhere, and rows that do not come.
    pub async fn staying(&self) -> Result<Plan> {
        let mut plan = Plan::default();
        self.add_staying(&mut plan).await?;
        Ok(plan)
    }

    async fn add_staying(&self, plan: &mut Plan) -> Result<()> {
        self.add_files(plan).await?;
        let (schema, theirs) = (self.schema.clone(), self.workspace.clone());
        plan.left_behind = self
            .ask(move |tx| mlflow::leftovers(tx, &schema, &theirs))
            .await?;
        Ok(())
    }

    async fn add_clashes(
        &self,
        core: &Core,
        pipe: &Pipe,
        workspace_id: &str,
        clashes: &mut Vec<Clash>,
    ) -> Result<()> {
        if !matches!(
            pipe.noun,
            "experiments"
                | "runs"
                | "logged models"
                | "registered models"
                | "traces"
                | "evaluation datasets"
                | "issues"
        ) {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = self.page(pipe, after).await?;
            after = page.next.clone();
            let (noun, id) = (pipe.noun, workspace_id.to_owned());
            let found = core
                .store()
                .read(move |tx| Ok::<_, Error>(mlflow::clashes(tx, noun, &id, &page)?))
                .await?;
            clashes.extend(found);
            clashes.truncate(TOLD);
            if after.is_none() || clashes.len() == TOLD {
                return Ok(());
            }
        }
    }

    async fn add_files(&self, plan: &mut Plan) -> Result<()> {
        let context = self.context("");
        let mut kept: BTreeMap<String, u64> = BTreeMap::new();
        for roots in mlflow::roots(&self.schema) {
            let mut after = None;
            loop {
                let page = self.page(&roots.pipe, after).await?;
                plan.with_files += roots.of(&context, &page).len() as u64;
                for place in roots.kept(&context, &page) {
                    *kept.entry(place).or_default() += 1;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        let kept = kept.into_iter();
        plan.kept = kept.map(|(place, things)| Kept { place, things }).collect();
        Ok(())
    }
}

/// The id of the workspace of that name.
pub(super) async fn find(core: &Core, workspace: &str) -> Result<Option<String>> {
    let name = workspace.to_owned();
    let found = core
        .store()
        .read(move |tx| Ok::<_, Error>(workspaces::find(tx, &name)?))
        .await?;
    Ok(found.map(|workspace| workspace.id))
}
