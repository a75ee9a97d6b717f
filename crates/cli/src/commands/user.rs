//! `lazuli user`: people and service principals.

use std::io::{IsTerminal as _, Read as _};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Context;
use super::args::{Name, Named};
use crate::client::server_path;
use crate::error::{CliError, CliResult};
use crate::output::{Column, note};

const COLUMNS: &[Column] = &[
    Column::text("Name", "name"),
    Column::text("Kind", "kind"),
    Column::text("Display name", "display_name"),
    Column::text("Disabled", "disabled"),
    Column::time("Created", "created_at"),
];

/// Commands on users and services.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Create a user or a service.
    #[command(after_help = "Examples:
  lazuli user create --name ci --kind service
  lazuli role assignment create --assignee ci --role 'AzureML Data Scientist'
  lazuli token create --name ci-runner --for ci --expires-in 90d")]
    Create(Create),
    /// List users and services.
    #[command(after_help = "Examples:
  lazuli user list --kind service --prefix ci- --order-by 'created_at desc'")]
    List(List),
    /// Refuse every credential of a user from now on.
    Disable(Name),
    /// Let a user in again.
    Enable(Name),
    /// Set a password, read from standard input.
    #[command(after_help = "Examples:
  lazuli user set-password --name ci < password.txt")]
    SetPassword(Name),
}

/// Options of `user create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Unique name.
    #[arg(long, short = 'n')]
    name: String,
    /// A person, or a program.
    #[arg(long, value_enum, default_value_t = Kind::User)]
    kind: Kind,
    /// Name shown to people.
    #[arg(long)]
    display_name: Option<String>,
}

/// Options of `user list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only these: user, service.
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    named: Named,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A person.
    User,
    /// A program.
    Service,
}

/// Runs a command on users.
pub(crate) async fn run(context: &Context, command: User) -> CliResult<()> {
    let client = context.client()?;
    match command {
        User::Create(args) => {
            let kind = if args.kind == Kind::User {
                "user"
            } else {
                "service"
            };
            let mut body = json!({ "name": args.name, "kind": kind });
            if let Some(name) = args.display_name {
                body["display_name"] = Value::from(name);
            }
            context
                .printer
                .object(client.post(&server_path(&["principals"]), &body).await?)
        }
        User::List(args) => {
            let mut query = args.named.query();
            query.extend(args.kind.map(|kind| ("kind", kind)));
            let most = args.named.sorted.max_results;
            let path = server_path(&["principals"]);
            let found = client.list(&path, &query, most).await?;
            context.printer.list(found, COLUMNS)
        }
        User::Disable(name) => set_disabled(context, name.get(), true).await,
        User::Enable(name) => set_disabled(context, name.get(), false).await,
        User::SetPassword(name) => {
            let password = password()?;
            client
                .put(
                    &server_path(&["principals", name.get(), "password"]),
                    &json!({ "password": password }),
                )
                .await?;
            note(format!("Set the password of `{}`", name.get()));
            Ok(())
        }
    }
}

async fn set_disabled(context: &Context, name: &str, disabled: bool) -> CliResult<()> {
    let client = context.client()?;
    let path = server_path(&[
        "principals",
        name,
        if disabled { "disable" } else { "enable" },
    ]);
    context
        .printer
        .object(client.post(&path, &json!({})).await?)
}

/// A password is never an argument: those show in process lists and shell histories.
fn password() -> CliResult<String> {
    if std::io::stdin().is_terminal() {
        return Err(CliError::usage("the password is read from standard input, which is a terminal")
            .hint("pipe it in, for example from a password manager: `pass show ml | lazuli user set-password --name NAME`"));
    }
    let mut text = String::new();
    let read = std::io::stdin().take(64 * 1024).read_to_string(&mut text);
    read.map_err(|error| CliError::new(format!("cannot read the password: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
