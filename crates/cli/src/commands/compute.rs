//! `lazuli compute`: where jobs run.

use clap::{Args, Subcommand};
use lazuli_spec::computes::ComputeSpec;

use super::Context;
use super::args::{Consent, File, Name, Tagged};
use super::document::Draft;
use crate::error::{CliError, CliResult};
use crate::output::{Column, note};

const COLUMNS: &[Column] = &[
    Column::text("Name", "name"),
    Column::text("Size", "size"),
    Column::text("Min", "min_instances"),
    Column::text("Max", "max_instances"),
    Column::text("Busy", "busy_nodes|nodes.busy"),
    Column::text("Description", "description"),
];

/// Commands on computes.
#[derive(Debug, Subcommand)]
pub(crate) enum Compute {
    /// Create or replace a compute.
    #[command(after_help = "Examples:
  lazuli compute create --name cpu --size 2c8g --max-instances 4
  lazuli compute create --file cluster.yml")]
    Create(Create),
    /// List computes.
    #[command(after_help = "Examples:
  lazuli compute list
  lazuli compute list --prefix gpu --tag team=vision --order-by 'created_at desc'")]
    List(Tagged),
    /// Show one compute.
    Show(Name),
    /// Change the number of nodes or the idle time.
    #[command(after_help = "Examples:
  lazuli compute update cpu --max-instances 8")]
    Update(Update),
    /// Delete a compute.
    Delete(Delete),
}

/// Options of `compute create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    file: File,
    /// Its name.
    #[arg(long, short = 'n')]
    name: Option<String>,
    /// Kind of compute; only `amlcompute` exists.
    #[arg(long, short = 't', value_name = "TYPE")]
    r#type: Option<String>,
    /// Size of a node: cores and memory such as `2c8g`, or an Azure name.
    #[arg(long)]
    size: Option<String>,
    #[command(flatten)]
    scale: Scale,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// Accepted; a compute is ready at once.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Args)]
struct Scale {
    /// Nodes kept ready.
    #[arg(long, value_name = "COUNT")]
    min_instances: Option<u32>,
    /// Nodes at most.
    #[arg(long, value_name = "COUNT")]
    max_instances: Option<u32>,
    /// Seconds after which an idle node goes.
    #[arg(long, value_name = "SECONDS")]
    idle_time_before_scale_down: Option<u64>,
}

/// Options of `compute update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    scale: Scale,
}

/// Options of `compute delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    consent: Consent,
}

/// Runs a command on computes.
pub(crate) async fn run(context: &Context, command: Compute) -> CliResult<()> {
    let client = context.client()?;
    match command {
        Compute::Create(args) => create(context, &args).await,
        Compute::List(args) => context.printer.list(
            client
                .list(&client.path(&["computes"]), &args.query(), args.most())
                .await?,
            COLUMNS,
        ),
        Compute::Show(name) => context
            .printer
            .object(client.get(&client.path(&["computes", name.get()])).await?),
        Compute::Update(args) => update(context, &args).await,
        Compute::Delete(args) => {
            args.consent
                .obtain(&format!("delete the compute `{}`", args.name.get()))?;
            client
                .delete(&client.path(&["computes", args.name.get()]))
                .await?;
            note(format!("Deleted the compute `{}`", args.name.get()));
            Ok(())
        }
    }
}

async fn create(context: &Context, args: &Create) -> CliResult<()> {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let (min, max) = (
        number(args.scale.min_instances.map(u64::from)),
        number(args.scale.max_instances.map(u64::from)),
    );
    let idle = number(args.scale.idle_time_before_scale_down);
    let mut draft = Draft::read(
        &args.file,
        &[
            ("name", args.name.as_deref()),
            ("type", args.r#type.as_deref()),
            ("size", args.size.as_deref()),
            ("description", args.description.as_deref()),
        ],
    )?;
    for (field, value) in [
        ("min_instances", min),
        ("max_instances", max),
        ("idle_time_before_scale_down", idle),
    ] {
        if let Some(value) = value {
            draft.document.set(&format!("{field}={value}"))?;
        }
    }
    draft.required("name", "--name")?;
    let spec = ComputeSpec::read(&draft.document, None)?;
    let body = serde_json::to_value(&spec).map_err(|error| CliError::new(error.to_string()))?;
    let client = context.client()?;
    let made = client
        .put(&client.path(&["computes", &spec.name]), &body)
        .await
        .map_err(|error| draft.blame(error))?;
    context.printer.object(made)
}

/// A compute is replaced as a whole, if nobody else has changed it meanwhile.
async fn update(context: &Context, args: &Update) -> CliResult<()> {
    let client = context.client()?;
    let path = client.path(&["computes", args.name.get()]);
    let (current, tag) = client.get_tagged(&path).await?;
    let before: ComputeSpec = serde_json::from_value(current)
        .map_err(|error| CliError::new(format!("the compute cannot be read: {error}")))?;
    let mut spec = before.clone();
    spec.min_instances = args.scale.min_instances.unwrap_or(spec.min_instances);
    spec.max_instances = args.scale.max_instances.unwrap_or(spec.max_instances);
    spec.idle_time_before_scale_down = args
        .scale
        .idle_time_before_scale_down
        .unwrap_or(spec.idle_time_before_scale_down);
    if spec == before {
        return Err(CliError::usage("there is nothing to change")
            .hint("pass `--min-instances`, `--max-instances` or `--idle-time-before-scale-down`"));
    }
    let body = serde_json::to_value(&spec).map_err(|error| CliError::new(error.to_string()))?;
    context
        .printer
        .object(client.put_if(&path, &body, tag.as_deref()).await?)
}
