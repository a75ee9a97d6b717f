//! `lazuli gc`: remove for good what was deleted long enough ago.

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use super::args::Consent;
use super::token::seconds;
use crate::error::CliResult;
use crate::output::{Column, note};

const COLUMNS: &[Column] = &[
    Column::text("Kind", "kind"),
    Column::text("Id", "id"),
    Column::text("Files", "location"),
];

/// Remove for good what was deleted: runs, logged models, experiments, with their files.
#[derive(Debug, Args)]
#[command(
    after_help = "Deleting a run, a logged model or an experiment only hides it, and it can be restored. This command removes, in one workspace,
what was deleted long enough ago, with its metrics, parameters, tags, traces and files. It cannot be undone; each removal is in the
audit log. Kept are runs whose job was not deleted, and runs and logged models that hold the files of a registered version.

Examples:
  lazuli gc --dry-run                    what would go: deleted 30 days ago or earlier
  lazuli gc --older-than 7d --yes        remove what was deleted a week ago or earlier
  lazuli gc --older-than 0s              everything that is deleted now; asks first"
)]
pub(crate) struct Gc {
    /// Only what was deleted at least so long ago, for example `12h`, `90d`.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = age)]
    older_than: u64,
    /// Only list what would go.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// A time as elsewhere, or none at all.
fn age(text: &str) -> Result<u64, String> {
    if matches!(text, "0" | "0s" | "0d") {
        return Ok(0);
    }
    seconds(text)
}

/// Runs the command: page after page, until nothing is left.
pub(crate) async fn run(context: &Context, args: Gc) -> CliResult<()> {
    let client = context.client()?;
    let path = client.path(&["purge"]);
    let ask = |dry_run| json!({ "older_than_seconds": args.older_than, "dry_run": dry_run });
    if args.dry_run {
        let report = client.post(&path, &ask(true)).await?;
        let more = is_more(&report);
        context.printer.list(items(report), COLUMNS)?;
        if more {
            note("There is more than this.");
        }
        return Ok(());
    }
    let workspace = &context.globals.workspace_name;
    args.consent.obtain(&format!(
        "remove for good what was deleted in the workspace `{workspace}`"
    ))?;
    let mut gone = Vec::new();
    loop {
        let report = client.post(&path, &ask(false)).await?;
        let more = is_more(&report);
        gone.extend(items(report));
        if !more {
            break;
        }
    }
    let count = gone.len();
    context.printer.list(gone, COLUMNS)?;
    note(format!("Removed {count} for good"));
    Ok(())
}

fn is_more(report: &Value) -> bool {
    report.get("more").and_then(Value::as_bool).unwrap_or(false)
}

fn items(mut report: Value) -> Vec<Value> {
    match report.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}
