//! `lazuli workspace`: separate rooms for teams.

use clap::{Args, Subcommand};

use super::Context;
use super::args::{File, Tagged};
use super::document::Draft;
use crate::client::server_path;
use crate::error::CliResult;
use crate::output::Column;

const COLUMNS: &[Column] = &[
    Column::text("Name", "name"),
    Column::text("Display name", "display_name"),
    Column::text("Description", "description"),
    Column::time("Created", "created_at"),
];

/// Commands on workspaces.
#[derive(Debug, Subcommand)]
pub(crate) enum Workspace {
    /// Create a workspace.
    #[command(after_help = "Examples:
  lazuli workspace create --name radiology --description \"Image models\"")]
    Create(Create),
    /// List the workspaces you may see.
    #[command(after_help = "Examples:
  lazuli workspace list --prefix radio --order-by 'updated_at desc'")]
    List(Tagged),
    /// Show a workspace.
    Show(Show),
}

/// Options of `workspace create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    file: File,
    /// Its name.
    #[arg(long, short = 'n')]
    name: Option<String>,
    /// Name shown to people.
    #[arg(long)]
    display_name: Option<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
}

/// Options of `workspace show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its name [default: the one in --workspace-name].
    #[arg(long, short = 'n')]
    name: Option<String>,
}

/// Runs a command on workspaces.
pub(crate) async fn run(context: &Context, command: Workspace) -> CliResult<()> {
    let client = context.client()?;
    match command {
        Workspace::Create(args) => {
            let flags = [
                ("name", args.name.as_deref()),
                ("display_name", args.display_name.as_deref()),
                ("description", args.description.as_deref()),
            ];
            let draft = Draft::read(&args.file, &flags)?;
            draft.only(&[
                "name",
                "display_name",
                "description",
                "tags",
                "location",
                "resource_group",
            ])?;
            draft.required("name", "--name")?;
            let body = draft.body(&["name", "display_name", "description"])?;
            let made = client
                .post(&server_path(&["workspaces"]), &body)
                .await
                .map_err(|error| draft.blame(error))?;
            context.printer.object(made)
        }
        Workspace::List(args) => context.printer.list(
            client
                .list(&server_path(&["workspaces"]), &args.query(), args.most())
                .await?,
            COLUMNS,
        ),
        Workspace::Show(args) => {
            let name = args
                .name
                .as_deref()
                .unwrap_or(&context.globals.workspace_name);
            context
                .printer
                .object(client.get(&server_path(&["workspaces", name])).await?)
        }
    }
}
