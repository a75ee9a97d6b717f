//! `lazuli role`: what may be done, and who may do it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use super::args::{Consent, Named, Query, Sorted};
use crate::client::{Client, server_path};
use crate::error::{CliError, CliResult};
use crate::output::{Column, note};

const ROLES: &[Column] = &[
    Column::text("Name", "name"),
    Column::text("Built in", "built_in"),
    Column::text("Description", "description"),
];
const ASSIGNMENTS: &[Column] = &[
    Column::text("Id", "id"),
    Column::text("Assignee", "principal_name|principal|principal_id"),
    Column::text("Role", "role_name|role|role_id"),
    Column::text("Scope", "scope"),
];

/// Commands on roles.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// List roles.
    #[command(after_help = "Examples:
  lazuli role list --built-in false")]
    List(List),
    /// Show what a role allows.
    #[command(after_help = "Examples:
  lazuli role show 'AzureML Data Scientist'")]
    Show(Show),
    /// Make a role of your own.
    #[command(after_help = "Examples:
  lazuli role create --name 'Job Runner' --action '*/jobs/*' --action '*/read'")]
    Create(Create),
    /// Who holds which role.
    #[command(subcommand)]
    Assignment(Assignment),
}

/// Options of `role list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only built-in roles, or only your own.
    #[arg(long, value_name = "true|false")]
    built_in: Option<bool>,
    #[command(flatten)]
    named: Named,
}

impl List {
    fn query(&self) -> Query {
        let built_in = self.built_in.map(|wanted| ("built_in", wanted.to_string()));
        self.named.query().into_iter().chain(built_in).collect()
    }
}

/// Options of `role assignment list`.
#[derive(Debug, Args)]
pub(crate) struct ListAssignments {
    #[command(flatten)]
    place: Place,
    /// Only those of this user or service.
    #[arg(long, value_name = "NAME")]
    assignee: Option<String>,
    /// Only those of this role, by name or id.
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    sorted: Sorted,
}

impl ListAssignments {
    fn query(&self) -> Query {
        let filters = [("principal", &self.assignee), ("role", &self.role)];
        let said = filters
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.clone()?)));
        self.sorted.query().into_iter().chain(said).collect()
    }
}

/// Options of `role show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The role's name or id.
    role: String,
}

/// Options of `role create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name.
    #[arg(long, short = 'n')]
    name: String,
    /// What it is for.
    #[arg(long, default_value = "")]
    description: String,
    /// Action pattern it allows; may be repeated.
    #[arg(long = "action", value_name = "PATTERN", required = true)]
    actions: Vec<String>,
    /// Action pattern taken away again; may be repeated.
    #[arg(long = "not-action", value_name = "PATTERN")]
    not_actions: Vec<String>,
}

/// Commands on role assignments.
#[derive(Debug, Subcommand)]
pub(crate) enum Assignment {
    /// Give a role.
    #[command(after_help = "Examples:
  lazuli role assignment create --assignee ci --role Contributor
  lazuli role assignment create --assignee ci --role Reader --on-server")]
    Create(Assign),
    /// List who holds which role.
    #[command(after_help = "Examples:
  lazuli role assignment list --assignee anna
  lazuli role assignment list --role Owner --order-by 'created_at desc'")]
    List(ListAssignments),
    /// Take a role away.
    Delete(Unassign),
}

/// Where an assignment holds.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// On the whole server instead of in the workspace.
    #[arg(long)]
    on_server: bool,
}

/// Options of `role assignment create`.
#[derive(Debug, Args)]
pub(crate) struct Assign {
    /// Who gets it: the name of a user or service.
    #[arg(long, value_name = "NAME")]
    assignee: String,
    /// The role's name or id.
    #[arg(long)]
    role: String,
    #[command(flatten)]
    place: Place,
}

/// Options of `role assignment delete`.
#[derive(Debug, Args)]
pub(crate) struct Unassign {
    /// The assignment's id, as `role assignment list` shows it.
    id: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    consent: Consent,
}

/// Runs a command on roles.
pub(crate) async fn run(context: &Context, command: Role) -> CliResult<()> {
    let client = context.client()?;
    match command {
        Role::List(args) => context.printer.list(
            client
                .list(
                    &server_path(&["roles"]),
                    &args.query(),
                    args.named.sorted.max_results,
                )
                .await?,
            ROLES,
        ),
        Role::Show(args) => {
            let roles = client.list(&server_path(&["roles"]), &[], None).await?;
            let is_it = |role: &Value| {
                let field = |key: &str| role.get(key).and_then(Value::as_str).unwrap_or_default();
                field("id") == args.role || field("name").eq_ignore_ascii_case(&args.role)
            };
            let role = roles.into_iter().find(is_it);
            context.printer.object(role.ok_or_else(|| {
                CliError::not_found(format!("there is no role `{}`", args.role))
                    .hint("`lazuli role list` shows the roles")
            })?)
        }
        Role::Create(args) => {
            let body = json!({ "name": args.name, "description": args.description, "actions": args.actions, "not_actions": args.not_actions });
            context
                .printer
                .object(client.post(&server_path(&["roles"]), &body).await?)
        }
        Role::Assignment(command) => assignment(context, command).await,
    }
}

async fn assignment(context: &Context, command: Assignment) -> CliResult<()> {
    let client = context.client()?;
    match command {
        Assignment::Create(args) => {
            let body = json!({ "principal": args.assignee, "role": args.role });
            context
                .printer
                .object(client.post(&path(client, &args.place, &[]), &body).await?)
        }
        Assignment::List(args) => {
            let (path, query) = (path(client, &args.place, &[]), args.query());
            let mut given = client.list(&path, &query, args.sorted.max_results).await?;
            if context.printer.for_people() {
                name_parts(client, &mut given).await;
            }
            context.printer.list(given, ASSIGNMENTS)
        }
        Assignment::Delete(args) => {
            args.consent
                .obtain(&format!("take away the role of assignment `{}`", args.id))?;
            client
                .delete(&path(client, &args.place, &[&args.id]))
                .await?;
            note(format!("Deleted the role assignment `{}`", args.id));
            Ok(())
        }
    }
}

/// Puts names beside ids. Who may not list users sees their ids.
async fn name_parts(client: &Client, given: &mut [Value]) {
    for (collection, id, name) in [
        ("roles", "role_id", "role_name"),
        ("principals", "principal_id", "principal_name"),
    ] {
        let known = client
            .list(&server_path(&[collection]), &[], None)
            .await
            .unwrap_or_default();
        for assignment in given.iter_mut() {
            let found = known
                .iter()
                .find(|known| known.get("id") == assignment.get(id));
            if let Some(found) = found.and_then(|found| found.get("name")) {
                assignment[name] = found.clone();
            }
        }
    }
}

fn path(client: &Client, place: &Place, rest: &[&str]) -> String {
    let segments: Vec<&str> = std::iter::once("role-assignments")
        .chain(rest.iter().copied())
        .collect();
    if place.on_server {
        server_path(&segments)
    } else {
        client.path(&segments)
    }
}
