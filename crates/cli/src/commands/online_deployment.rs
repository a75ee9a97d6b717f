//! `lazuli online-deployment`: a model, its code and its environment behind an endpoint.

use clap::{Args, Subcommand, ValueEnum};
use lazuli_spec::deployments::DeploymentSpec;
use serde_json::{Value, json};

use super::Context;
use super::args::{Consent, File, Name, Tagged};
use super::assets::change;
use super::document::{Draft, is_local};
use super::online_endpoint::COLLECTION;
use super::{local, wait};
use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::output::{Column, note, write_stdout};

const COLUMNS: &[Column] = &[
    Column::text("Name", "name"),
    Column::text("State", "provisioning_state"),
    Column::text("Model", "model"),
    Column::text("Instances", "instance_count"),
    Column::time("Created", "created_at|creation_context.created_at"),
];

/// Lines of the log shown below a deployment that failed.
const LAST_LINES: u32 = 30;

/// Commands on online deployments.
#[derive(Debug, Subcommand)]
pub(crate) enum OnlineDeployment {
    /// Create or replace a deployment.
    #[command(after_help = "Examples:
  lazuli online-deployment create --file blue.yml --all-traffic
  lazuli online-deployment create --endpoint-name tumours --name blue --set model=azureml:tumours@champion")]
    Create(Create),
    /// List the deployments of an endpoint.
    #[command(after_help = "Examples:
  lazuli online-deployment list --endpoint-name tumours
  lazuli online-deployment list --endpoint-name tumours --tag stage=test --order-by 'created_at desc'")]
    List(List),
    /// Show a deployment.
    Show(One),
    /// Change the number of instances, description or tags.
    Update(Update),
    /// Delete a deployment.
    Delete(Delete),
    /// Show what the model's processes wrote.
    #[command(after_help = "Examples:
  lazuli online-deployment get-logs --endpoint-name tumours --name blue --lines 200")]
    GetLogs(GetLogs),
    /// Show what a deployment was made from, back to the data and the code.
    Lineage(One),
}

/// The endpoint.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// The endpoint.
    #[arg(long, short = 'e', value_name = "NAME")]
    endpoint_name: String,
}

/// Options of `online-deployment list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    listing: Tagged,
}

/// One deployment.
#[derive(Debug, Args)]
pub(crate) struct One {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    name: Name,
}

/// Options of `online-deployment create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    file: File,
    /// Its name.
    #[arg(long, short = 'n')]
    name: Option<String>,
    /// The endpoint.
    #[arg(long, short = 'e', value_name = "NAME")]
    endpoint_name: Option<String>,
    /// Give it all of the endpoint's traffic once it is ready.
    #[arg(long, conflicts_with = "no_wait")]
    all_traffic: bool,
    /// Do not wait until it is ready.
    #[arg(long)]
    no_wait: bool,
    /// Accepted so that Azure scripts run unchanged; not used.
    #[arg(long, hide = true)]
    web: bool,
    /// Accepted so that Azure scripts run unchanged; not used.
    #[arg(long, hide = true)]
    skip_script_validation: bool,
}

/// Options of `online-deployment update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    one: One,
    /// Number of instances.
    #[arg(long, value_name = "COUNT")]
    instance_count: Option<u32>,
    /// New description.
    #[arg(long)]
    description: Option<String>,
    /// Set a field, for example `--set tags.team=vision`; may be repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = super::args::key_value, num_args = 1..)]
    set: Vec<(String, String)>,
}

/// Options of `online-deployment delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    consent: Consent,
    /// Do not wait until it is gone.
    #[arg(long)]
    no_wait: bool,
}

/// Options of `online-deployment get-logs`.
#[derive(Debug, Args)]
pub(crate) struct GetLogs {
    #[command(flatten)]
    one: One,
    /// The last lines only.
    #[arg(long, short = 'l', value_name = "COUNT", default_value_t = 50)]
    lines: u32,
    /// What the model's processes wrote, or how they were prepared.
    #[arg(long, short = 'c', value_enum, default_value_t = Container::InferenceServer)]
    container: Container,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Container {
    /// What the model's processes wrote.
    InferenceServer,
    /// How they were prepared.
    StorageInitializer,
}

impl One {
    fn path(&self, client: &Client, rest: &[&str]) -> String {
        path(client, &self.of.endpoint_name, self.name.get(), rest)
    }
}

fn path(client: &Client, endpoint: &str, name: &str, rest: &[&str]) -> String {
    let segments: Vec<&str> = [COLLECTION, endpoint, "deployments", name]
        .into_iter()
        .chain(rest.iter().copied())
        .collect();
    client.path(&segments)
}

/// Runs a command on online deployments.
pub(crate) async fn run(context: &Context, command: OnlineDeployment) -> CliResult<()> {
    let client = context.client()?;
    match command {
        OnlineDeployment::Create(args) => create(context, &args).await,
        OnlineDeployment::List(args) => {
            let path = client.path(&[COLLECTION, &args.of.endpoint_name, "deployments"]);
            let (query, most) = (args.listing.query(), args.listing.most());
            context
                .printer
                .list(client.list(&path, &query, most).await?, COLUMNS)
        }
        OnlineDeployment::Show(one) => context
            .printer
            .object(client.get(&one.path(client, &[])).await?),
        OnlineDeployment::Update(args) => update(context, &args).await,
        OnlineDeployment::Delete(args) => {
            args.consent.obtain(&format!(
                "delete the deployment `{}` of `{}`",
                args.one.name.get(),
                args.one.of.endpoint_name
            ))?;
            client.delete(&args.one.path(client, &[])).await?;
            note(format!("Deleted the deployment `{}`", args.one.name.get()));
            Ok(())
        }
        OnlineDeployment::GetLogs(args) => {
            let container = if args.container == Container::InferenceServer {
                "inference-server"
            } else {
                "storage-initializer"
            };
            write_stdout(
                &logs(
                    client,
                    &args.one.path(client, &["logs"]),
                    args.lines,
                    container,
                )
                .await?,
            )
        }
        OnlineDeployment::Lineage(one) => {
            super::lineage::print(context, client.get(&one.path(client, &["lineage"])).await?)
        }
    }
}

async fn create(context: &Context, args: &Create) -> CliResult<()> {
    let flags = [
        ("name", args.name.as_deref()),
        ("endpoint_name", args.endpoint_name.as_deref()),
    ];
    let mut draft = Draft::read(&args.file, &flags)?;
    draft.required("name", "--name")?;
    draft.required("endpoint_name", "--endpoint-name")?;
    send_local(context, &mut draft).await?;
    let spec = DeploymentSpec::read(&draft.document, None, None)?;
    let body = serde_json::to_value(&spec).map_err(|error| CliError::new(error.to_string()))?;
    let (name, endpoint) = (spec.name, spec.endpoint_name);
    let client = context.client()?;
    let path = path(client, &endpoint, &name, &[]);
    let mut made = client
        .put(&path, &body)
        .await
        .map_err(|error| draft.blame(error))?;
    if !args.no_wait {
        made = wait::until_at_rest(client, &path, &format!("{endpoint}/{name}")).await?;
        if wait::state(&made) == "Failed" {
            return Err(failure(client, &path, &name, &made).await);
        }
    }
    if args.all_traffic {
        let endpoint = client.path(&[COLLECTION, &endpoint]);
        client
            .patch(&endpoint, &json!({ "traffic": { name: 100 } }), None)
            .await?;
    }
    context.printer.object(made)
}

/// Uploads what the document names on this machine.
async fn send_local(context: &Context, draft: &mut Draft) -> CliResult<()> {
    local::inline_environment(draft, "environment.")?;
    local::send(context, draft, "code_configuration.code", "code").await?;
    if draft
        .document
        .at("model")
        .is_some_and(|model| model.as_text().is_some_and(is_local))
    {
        local::send_named(context, draft, "model", "model").await?;
    }
    local::send_named(context, draft, "model.path", "model").await?;
    Ok(())
}

/// Why a deployment failed: the reason, and what its processes wrote last (the traceback of `init()`).
async fn failure(client: &Client, path: &str, name: &str, made: &Value) -> CliError {
    let reason = made
        .get("error")
        .and_then(|error| error.get("message").unwrap_or(error).as_str())
        .unwrap_or("it could not be started");
    let error = CliError::new(format!("the deployment `{name}` failed: {reason}"));
    let error = error.hint("`lazuli online-deployment get-logs` shows the whole log; correct the cause and create the deployment again");
    if let Some(traceback) = made
        .pointer("/error/traceback")
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty())
    {
        return error.detail(traceback);
    }
    match logs(
        client,
        &format!("{path}/logs"),
        LAST_LINES,
        "inference-server",
    )
    .await
    {
        Ok(lines) if !lines.trim().is_empty() => error.detail(lines),
        _ => error,
    }
}

/// The log's last lines.
async fn logs(client: &Client, path: &str, lines: u32, container: &str) -> CliResult<String> {
    let found = client
        .get_with(
            path,
            &[("lines", &lines.to_string()), ("container_type", container)],
        )
        .await?;
    let mut log = found
        .get("content")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if !log.is_empty() && !log.ends_with('\n') {
        log.push('\n');
    }
    Ok(log)
}

async fn update(context: &Context, args: &Update) -> CliResult<()> {
    let client = context.client()?;
    let path = args.one.path(client, &[]);
    let (current, tag) = client.get_tagged(&path).await?;
    let mut body = match (
        args.description.is_none() && args.set.is_empty(),
        args.instance_count,
    ) {
        (true, Some(_)) => json!({}),
        _ => change(&current, args.description.as_deref(), &args.set)?,
    };
    if let Some(count) = args.instance_count {
        body["instance_count"] = json!(count);
    }
    context
        .printer
        .object(client.patch(&path, &body, tag.as_deref()).await?)
}
