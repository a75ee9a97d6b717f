//! `lazuli export mlflow --to URL`.

use clap::Args;
use lazuli_core::mlflow_moves::{ExportReport, Purpose};
use serde_json::json;

use super::progress::Bar;
use super::{Side, open, settings, told};
use crate::cli::Globals;
use crate::error::{CliError, CliResult};
use crate::output::{Column, Printer, note};

pub(super) const HELP: &str = "The database must have MLflow's schema and no rows. Jobs, data assets, environments, endpoints and the audit log
are not MLflow's: `lazuli backup` keeps those.

Examples:
  mlflow db upgrade sqlite:///mlflow.db
  lazuli export mlflow --to sqlite:///mlflow.db --artifacts ./mlartifacts
  mlflow server --backend-store-uri sqlite:///mlflow.db --artifacts-destination ./mlartifacts";

const ROWS: &[Column] = &[Column::text("Kind", "noun"), Column::text("Rows", "rows")];

/// Options of `lazuli export mlflow`.
#[derive(Debug, Args)]
pub(crate) struct Mlflow {
    /// The database to fill: `sqlite:///file.db` or `postgresql://user:password@host/database`.
    #[arg(long, value_name = "URL")]
    to: String,
    #[command(flatten)]
    side: Side,
}

impl Mlflow {
    pub(super) async fn run(&self, globals: &Globals) -> CliResult<()> {
        let printer = Printer::new(globals.output, globals.query.as_deref())?;
        let (config, home) = settings(globals)?;
        if config.database.is_none() && !home.database().exists() {
            return Err(CliError::not_found(format!(
                "there is no database in `{}`",
                home.root().display()
            ))
            .hint("name the right home with --home"));
        }
        let foreign = self.side.open(&self.to, "default", Purpose::Export).await?;
        let opened = open(&config, &home).await?;
        let bar = Bar::new();
        let workspace = self.side.workspace(globals);
        let report = opened.core.export_mlflow(&foreign, workspace, &bar).await;
        bar.finish();
        opened.close().await;
        foreign.close().await;
        show(
            &report.map_err(told)?,
            self.side.artifacts.is_some(),
            &printer,
        )
    }
}

fn show(report: &ExportReport, with_files: bool, printer: &Printer) -> CliResult<()> {
    if printer.for_people() {
        let some = report.rows.iter().filter(|counted| counted.rows > 0);
        printer.list(some.map(|counted| json!(counted)).collect(), ROWS)?;
        for skipped in &report.skipped {
            note(format!(
                "skipped {} `{}`: {}",
                skipped.noun, skipped.name, skipped.why
            ));
        }
        if with_files {
            note(format!(
                "{} files with {} bytes",
                report.files.count, report.files.bytes
            ));
        } else {
            note("no files were written: give a folder with --artifacts");
        }
    } else {
        printer.object(json!(report))?;
    }
    if report.problems.is_empty() {
        return Ok(());
    }
    Err(
        CliError::new("the database does not hold what it was to be filled with")
            .detail(report.problems.join("\n")),
    )
}
