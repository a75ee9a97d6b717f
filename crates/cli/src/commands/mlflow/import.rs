//! `lazuli import mlflow URL`.

use clap::Args;
use lazuli_core::mlflow_moves::{Foreign, ImportReport, Plan, Purpose};
use serde_json::json;

use super::progress::Bar;
use super::{Side, open, settings, told};
use crate::cli::Globals;
use crate::error::{CliError, CliResult};
use crate::output::{Column, Printer, note};

pub(super) const HELP: &str = "Every id, time and value is kept: experiments, runs with all metrics, inputs, logged models, registered models,
prompts. Artifacts below --artifacts are copied and their addresses rewritten; others stay as they are. An import that was
broken off goes on when it is run again, and is compared with its source at the end.

Examples:
  lazuli import mlflow sqlite:///mlflow.db --artifacts ./mlartifacts --dry-run     say what would come
  lazuli import mlflow sqlite:///mlflow.db --artifacts ./mlartifacts
  lazuli import mlflow postgresql://mlflow@db/mlflow --artifacts /copy/of/bucket --artifacts-uri s3://bucket/mlflow --workspace research";

const ROWS: &[Column] = &[Column::text("Kind", "noun"), Column::text("Rows", "rows")];

/// Options of `lazuli import mlflow`.
#[derive(Debug, Args)]
pub(crate) struct Mlflow {
    /// MLflow's database: `sqlite:///file.db` or `postgresql://user:password@host/database`.
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    side: Side,
    /// MLflow's workspace, where its database has several.
    #[arg(long, value_name = "NAME", default_value = "default")]
    from_workspace: String,
    /// Only say what would come, what stays and what stands against it.
    #[arg(long)]
    dry_run: bool,
}

impl Mlflow {
    pub(super) async fn run(&self, globals: &Globals) -> CliResult<()> {
        let printer = Printer::new(globals.output, globals.query.as_deref())?;
        let foreign = self
            .side
            .open(&self.url, &self.from_workspace, Purpose::Import)
            .await?;
        let workspace = self.side.workspace(globals);
        let done = if self.dry_run {
            self.plan(globals, &foreign, workspace, &printer).await
        } else {
            self.import(globals, &foreign, workspace, &printer).await
        };
        foreign.close().await;
        done
    }

    /// Without a home everything fits: a new one is empty.
    async fn plan(
        &self,
        globals: &Globals,
        foreign: &Foreign,
        workspace: &str,
        printer: &Printer,
    ) -> CliResult<()> {
        let (config, home) = settings(globals)?;
        let plan = if config.database.is_some() || home.database().exists() {
            let opened = open(&config, &home).await?;
            let plan = foreign.plan(Some(&opened.core), workspace).await;
            opened.close().await;
            plan
        } else {
            foreign.plan(None, workspace).await
        };
        show_plan(&plan.map_err(told)?, printer)
    }

    async fn import(
        &self,
        globals: &Globals,
        foreign: &Foreign,
        workspace: &str,
        printer: &Printer,
    ) -> CliResult<()> {
        let (config, home) = settings(globals)?;
        let opened = open(&config, &home).await?;
        let bar = Bar::new();
        let report = opened.core.import_mlflow(foreign, workspace, &bar).await;
        bar.finish();
        let staying = match &report {
            Ok(report) if report.imported_before.is_none() => Some(foreign.staying().await),
            _ => None,
        };
        opened.close().await;
        let report = report.map_err(told)?;
        let staying = staying.transpose().map_err(told)?;
        show_report(&report, staying.as_ref(), printer)
    }
}

fn show_plan(plan: &Plan, printer: &Printer) -> CliResult<()> {
    if printer.for_people() {
        note(format!(
            "{} (schema {}) would come into the {} `{}`",
            plan.source,
            plan.revision,
            if plan.workspace_is_new {
                "new workspace"
            } else {
                "workspace"
            },
            plan.workspace
        ));
        printer.list(rows(&plan.rows), ROWS)?;
        note(format!(
            "with the files of {} runs, logged models and versions",
            plan.with_files
        ));
        note_staying(plan);
    } else {
        printer.object(json!(plan))?;
    }
    if plan.clashes.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = plan
        .clashes
        .iter()
        .map(|clash| format!("{} {} is taken {}", clash.noun, clash.name, clash.taken))
        .collect();
    Err(CliError::new("it cannot come: names or ids are taken")
        .detail(lines.join("\n"))
        .hint("give a new workspace with --workspace; ids of runs and logged models are unique on a whole server"))
}

fn rows(counted: &[lazuli_core::mlflow_moves::Counted]) -> Vec<serde_json::Value> {
    let some = counted.iter().filter(|counted| counted.rows > 0);
    some.map(|counted| json!(counted)).collect()
}

fn note_staying(plan: &Plan) {
    for kept in &plan.kept {
        note(format!(
            "{} addresses below {} stay as they are: their files are not in --artifacts",
            kept.things, kept.place
        ));
    }
    for left in &plan.left_behind {
        note(format!(
            "{} rows of `{}` stay behind: {}",
            left.rows, left.table, left.why
        ));
    }
}

fn show_report(report: &ImportReport, staying: Option<&Plan>, printer: &Printer) -> CliResult<()> {
    if let Some(when) = report.imported_before {
        note(format!(
            "{} was imported into `{}` before, at {when}; nothing was done",
            report.source, report.workspace
        ));
    }
    if printer.for_people() {
        printer.list(rows(&report.rows), ROWS)?;
        if report.imported_before.is_none() {
            note(format!(
                "verified: {} kinds of rows, {} files with {} bytes",
                report.verified.kinds, report.verified.files.count, report.verified.files.bytes
            ));
        }
        if let Some(plan) = staying {
            note_staying(plan);
        }
        for skipped in &report.skipped {
            note(format!(
                "skipped {} `{}`: {}",
                skipped.noun, skipped.name, skipped.why
            ));
        }
        if report.skipped_more > 0 {
            note(format!("and skipped {} more", report.skipped_more));
        }
    } else {
        let mut object = json!(report);
        if let (Some(fields), Some(plan)) = (object.as_object_mut(), staying) {
            fields.insert("kept".into(), json!(plan.kept));
            fields.insert("left_behind".into(), json!(plan.left_behind));
        }
        printer.object(object)?;
    }
    if report.verified.problems.is_empty() {
        return Ok(());
    }
    let hint = if report.imported_before.is_some() {
        "what came since then is only in MLflow's database"
    } else {
        "stop whatever writes to MLflow's database, then run the import again: it compares once more"
    };
    Err(CliError::new("the import does not agree with its source")
        .detail(report.verified.problems.join("\n"))
        .hint(hint))
}
