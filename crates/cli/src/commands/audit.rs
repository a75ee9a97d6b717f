//! `lazuli audit`: read the log of who did what, and prove that nobody changed it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Context;
use super::args::Order;
use crate::client::server_path;
use crate::error::CliResult;
use crate::output::{Column, note};

const COLUMNS: &[Column] = &[
    Column::text("Seq", "sequence"),
    Column::time("When", "at"),
    Column::text("Who", "principal|principal_id"),
    Column::text("Action", "action"),
    Column::text("Target", "target"),
    Column::text("Workspace", "workspace"),
    Column::text("Outcome", "outcome"),
];

/// Commands on the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List records, newest first.
    #[command(after_help = "Examples:
  lazuli audit list --max-results 50
  lazuli audit list --order-by at --action jobs/write
  lazuli audit list --principal admin --outcome denied -o json")]
    List(List),
    /// Check the whole chain: a changed, missing or reordered record is found and named.
    Verify,
}

/// Options of `audit list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Show at most this many.
    #[arg(long, short = 'r', value_name = "COUNT", default_value_t = 100)]
    max_results: usize,
    /// Only what this user or service did.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only actions that end so, for example `jobs/write`.
    #[arg(long)]
    action: Option<String>,
    /// Only in this workspace.
    #[arg(long = "in", value_name = "WORKSPACE")]
    workspace: Option<String>,
    /// Only this outcome: allowed, denied, unauthenticated.
    #[arg(long)]
    outcome: Option<String>,
    #[command(flatten)]
    order: Order,
}

/// Runs a command on the audit log.
pub(crate) async fn run(context: &Context, command: Audit) -> CliResult<ExitCode> {
    let client = context.client()?;
    match command {
        Audit::List(args) => {
            let filters = [
                ("principal", args.principal),
                ("action", args.action),
                ("workspace", args.workspace),
                ("outcome", args.outcome),
            ];
            let mut query = args.order.query();
            query.extend(
                filters
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value?))),
            );
            let records = client
                .list(&server_path(&["audit"]), &query, Some(args.max_results))
                .await?;
            context.printer.list(records, COLUMNS)?;
            Ok(ExitCode::SUCCESS)
        }
        Audit::Verify => {
            let report = client.get(&server_path(&["audit", "verify"])).await?;
            let is_whole = report
                .get("sound")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            context.printer.object(report)?;
            note(if is_whole {
                "The audit log is whole."
            } else {
                "error: the audit log has been tampered with"
            });
            Ok(if is_whole {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}
