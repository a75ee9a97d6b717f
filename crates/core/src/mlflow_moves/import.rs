//! The import itself: rows stage by stage, then files, then the proof.

use lazuli_spec::Timestamp;
use lazuli_store::imports;
use lazuli_store::mlflow::{self, Pipe, Place, Roots, Skipped};
use serde::Serialize;

use super::begin::{At, Begun, Notes, Running, begin, encode};
use super::plan::Counted;
use super::verify::{self, Verified};
use super::{Foreign, Progress, files};
use crate::{Core, Error, Result};

/// Skipped rows told; more are only counted.
const TOLD: usize = 100;
/// Series settled in one transaction.
const SERIES: u32 = 500;

/// The stages after the rows.
const SETTLE: &str = "latest metrics";
const VERIFY: &str = "verify";

/// How an import went.
#[derive(Clone, Debug, Serialize)]
pub struct ImportReport {
    /// The database, without the password.
    pub source: String,
    /// The workspace that it came into.
    pub workspace: String,
    /// Whether it took up one that was broken off.
    pub resumed: bool,
    /// When this database was imported before, if it was: then nothing was done.
    pub imported_before: Option<Timestamp>,
    /// Rows by kind that the database has and the import has brought.
    pub rows: Vec<Counted>,
    /// Rows that could not be taken, the first hundred.
    pub skipped: Vec<Skipped>,
    /// How many more there are.
    pub skipped_more: u64,
    /// What was compared at the end.
    pub verified: Verified,
}

impl Core {
    /// Brings an MLflow database and its artifacts into a workspace, which is made when there is none; goes on with an
    /// import that was broken off.
    pub async fn import_mlflow(
        &self,
        foreign: &Foreign,
        workspace: &str,
        progress: &dyn Progress,
    ) -> Result<ImportReport> {
        lazuli_spec::names::workspace(workspace)?;
        let mut running = match begin(self, foreign, workspace, progress).await? {
            Begun::Running(running) => *running,
            Begun::Already(ended, notes) => {
                return already(foreign, workspace, ended, notes).await;
            }
        };
        let pipes = mlflow::imports(&foreign.schema);
        let roots = mlflow::roots(&foreign.schema);
        let mut stages: Vec<&str> = pipes.iter().map(|pipe| pipe.noun).collect();
        stages.push(SETTLE);
        stages.extend(roots.iter().map(|roots| roots.pipe.noun));
        stages.push(VERIFY);
        let mut position = stages
            .iter()
            .position(|stage| *stage == running.at.stage)
            .ok_or_else(|| strange(&running.at))?;
        while let Some(next) = stages.get(position + 1) {
            let stage = stages[position];
            if let Some(pipe) = pipes.iter().find(|pipe| pipe.noun == stage) {
                rows(foreign, &mut running, pipe, next, progress).await?;
            } else if let Some(roots) = roots.iter().find(|roots| roots.pipe.noun == stage) {
                copy(foreign, &mut running, roots, next, progress).await?;
            } else {
                settle(&mut running, next, progress).await?;
            }
            position += 1;
        }
        let verified = verify::import(foreign, &running, &pipes, &roots, progress).await?;
        finish(foreign, running, workspace, verified).await
    }
}

fn strange(at: &At) -> Error {
    Error::conflict(format!(
        "the import stopped at `{}`, which this version does not know",
        at.stage
    ))
    .hint("finish it with the version that began it")
}

/// One table's rows.
async fn rows(
    foreign: &Foreign,
    running: &mut Running,
    pipe: &Pipe,
    next_stage: &str,
    progress: &dyn Progress,
) -> Result<()> {
    let total = running.notes.counted.get(pipe.noun).copied();
    progress.stage(pipe.noun, total.and_then(|total| total.try_into().ok()));
    let context = foreign.context(running.access.workspace_id());
    loop {
        let page = foreign.page(pipe, running.at.after.clone()).await?;
        let at = following(&running.at, page.next.clone(), next_stage);
        let (pipe, context, id) = (pipe.clone(), context.clone(), running.id.clone());
        let (mut notes, place) = (running.notes.clone(), encode(&at)?);
        let count = page.len() as u64;
        running.notes = running
            .access
            .log(move |tx| {
                let skipped = pipe.write(tx, &context, &page).map_err(ours)?;
                remember(&mut notes, skipped);
                imports::advance(tx, &id, &place, &encode(&notes)?)?;
                Ok(notes)
            })
            .await?;
        running.at = at;
        progress.advance(count);
        if running.at.stage == next_stage {
            return Ok(());
        }
    }
}

/// Where it goes on after a page: with the next page, or with the next stage.
fn following(at: &At, next: Option<Place>, next_stage: &str) -> At {
    let stage = if next.is_some() {
        &at.stage
    } else {
        next_stage
    };
    At {
        stage: stage.to_owned(),
        after: next,
        series: at.series,
    }
}

fn remember(notes: &mut Notes, skipped: Vec<Skipped>) {
    for one in skipped {
        if notes.skipped.len() < TOLD {
            notes.skipped.push(one);
        } else {
            notes.skipped_more += 1;
        }
    }
}

/// What the database said, for the one who sits at the machine.
fn ours(error: lazuli_store::StoreError) -> Error {
    let message = format!("the rows cannot be written: {error}");
    let told = Error::from(error);
    Error::new(told.code, message)
}

/// The newest points of the series.
async fn settle(running: &mut Running, next_stage: &str, progress: &dyn Progress) -> Result<()> {
    progress.stage(SETTLE, None);
    loop {
        let (after, id) = (running.at.series, running.id.clone());
        let workspace_id = running.access.workspace_id().to_owned();
        let (at, notes, next) = (
            running.at.clone(),
            running.notes.clone(),
            next_stage.to_owned(),
        );
        let (at, count) = running
            .access
            .log(move |tx| {
                let settled =
                    mlflow::settle_series(tx, &workspace_id, after, SERIES).map_err(ours)?;
                let at = match settled {
                    Some(page) => At {
                        series: page.last,
                        ..at
                    },
                    None => At {
                        stage: next,
                        after: None,
                        series: 0,
                    },
                };
                imports::advance(tx, &id, &encode(&at)?, &encode(&notes)?)?;
                Ok((at, settled.map_or(0, |page| page.count)))
            })
            .await?;
        running.at = at;
        progress.advance(count as u64);
        if running.at.stage == next_stage {
            return Ok(());
        }
    }
}

/// The files of one kind of thing.
async fn copy(
    foreign: &Foreign,
    running: &mut Running,
    roots: &Roots,
    next_stage: &str,
    progress: &dyn Progress,
) -> Result<()> {
    progress.stage(roots.pipe.noun, None);
    let context = foreign.context(running.access.workspace_id());
    loop {
        let page = foreign.page(&roots.pipe, running.at.after.clone()).await?;
        for root in roots.of(&context, &page) {
            let skipped = files::copy(foreign, &running.access, &root, progress).await?;
            remember(&mut running.notes, skipped);
        }
        let at = following(&running.at, page.next, next_stage);
        let (id, place, notes) = (running.id.clone(), encode(&at)?, encode(&running.notes)?);
        running
            .access
            .log(move |tx| Ok(imports::advance(tx, &id, &place, &notes)?))
            .await?;
        running.at = at;
        if running.at.stage == next_stage {
            return Ok(());
        }
    }
}

async fn finish(
    foreign: &Foreign,
    running: Running,
    workspace: &str,
    verified: Verified,
) -> Result<ImportReport> {
    if verified.problems.is_empty() {
        let id = running.id.clone();
        running
            .access
            .write(format!("imports/{id} complete"), move |tx, change| {
                Ok(imports::finish(tx, &id, change.now())?)
            })
            .await?;
    }
    Ok(report(
        foreign,
        workspace,
        running.resumed,
        None,
        running.notes,
        verified,
    ))
}

/// The same database again: what has come since does not come by itself.
async fn already(
    foreign: &Foreign,
    workspace: &str,
    ended: Timestamp,
    notes: Notes,
) -> Result<ImportReport> {
    let mut verified = Verified::default();
    for pipe in mlflow::imports(&foreign.schema) {
        let (now, then) = (foreign.count(&pipe).await?, notes.counted.get(pipe.noun));
        if then.is_some_and(|then| *then != now) {
            let then = then.copied().unwrap_or_default();
            verified.problems.push(format!(
                "MLflow's database has changed since: {then} {} then, {now} now. Import it into another home, or into a workspace of its own after deleting what is here",
                pipe.noun
            ));
        }
    }
    Ok(report(
        foreign,
        workspace,
        false,
        Some(ended),
        notes,
        verified,
    ))
}

fn report(
    foreign: &Foreign,
    workspace: &str,
    resumed: bool,
    imported_before: Option<Timestamp>,
    notes: Notes,
    verified: Verified,
) -> ImportReport {
    let rows = mlflow::imports(&foreign.schema)
        .into_iter()
        .map(|pipe| Counted {
            noun: pipe.noun.to_owned(),
            rows: notes.counted.get(pipe.noun).copied().unwrap_or_default(),
        });
    ImportReport {
        source: foreign.address.clone(),
        workspace: workspace.to_owned(),
        resumed,
        imported_before,
        rows: rows.collect(),
        skipped: notes.skipped,
        skipped_more: notes.skipped_more,
        verified,
    }
}
