//! `lazuli job`: run, watch, list, cancel, download.

mod create;
mod download;
mod stream;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::args::{Consent, Listing, Name, key_value};
use super::assets::change;
use crate::error::CliResult;
use crate::output::{Column, note};

const COLLECTION: &str = "jobs";

const COLUMNS: &[Column] = &[
    Column::text("Name", "name"),
    Column::text("Display name", "display_name"),
    Column::text("Experiment", "experiment_name"),
    Column::text("Status", "status"),
    Column::time("Created", "created_at|creation_context.created_at"),
    Column::span("Ran", "started_at>ended_at"),
];

/// Commands on jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// Submit a job.
    #[command(
        after_help = "Local `code`, input and conda files are uploaded; paths start from the YAML file's folder.
With --stream, the exit status is 0 only if the job completes.

Examples:
  lazuli job create --file job.yml --stream
  lazuli job create --file job.yml --set inputs.rate=0.1 --set experiment_name=rates
  lazuli job create --file job.yml --query name -o tsv"
    )]
    Create(create::Create),
    /// List jobs, newest first.
    #[command(after_help = "Examples:
  lazuli job list --max-results 10
  lazuli job list --tag team=vision --order-by 'created_at asc'
  lazuli job list --query \"[?status=='Failed'].name\" -o tsv")]
    List(List),
    /// Show a job.
    #[command(after_help = "Examples:
  lazuli job show brave_fox_1 --query status -o tsv")]
    Show(Show),
    /// Show what a job writes while it runs; Ctrl-C stops watching, not the job.
    Stream(Name),
    /// Cancel a job and everything it started.
    Cancel(Cancel),
    /// Download what a job left: its artifacts, an output, or all.
    #[command(after_help = "Examples:
  lazuli job download brave_fox_1 --all --download-path ./results
  lazuli job download brave_fox_1 --output-name model")]
    Download(download::Download),
    /// Hide a job from lists.
    Archive(Name),
    /// Bring an archived job back.
    Restore(Name),
    /// Delete a job that has ended, with its outputs and logs.
    Delete(Delete),
    /// Change display name, description, tags.
    #[command(after_help = "Examples:
  lazuli job update brave_fox_1 --set display_name=baseline --set tags.team=vision")]
    Update(Update),
}

/// Options of `job list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    listing: Listing,
    /// Only of this experiment.
    #[arg(long, value_name = "NAME")]
    experiment_name: Option<String>,
    /// Only in this state, for example `Running`.
    #[arg(long, value_name = "STATE")]
    status: Option<String>,
    /// Only the children of this job.
    #[arg(long, short = 'p', value_name = "JOB")]
    parent_job_name: Option<String>,
}

/// Options of `job show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    name: Name,
    /// Accepted so that Azure scripts run unchanged; not used.
    #[arg(long, hide = true)]
    web: bool,
}

/// Options of `job cancel`.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    name: Name,
    /// Do not wait until it has ended.
    #[arg(long)]
    no_wait: bool,
}

/// Options of `job delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    consent: Consent,
}

/// Options of `job update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    name: Name,
    /// Set a field, for example `--set display_name=baseline` or `--set tags.team=vision`; may be repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = key_value, num_args = 1.., required = true)]
    set: Vec<(String, String)>,
    /// Accepted so that Azure scripts run unchanged; not used.
    #[arg(long, hide = true)]
    web: bool,
}

/// Runs a command on jobs.
pub(crate) async fn run(context: &Context, command: Job) -> CliResult<ExitCode> {
    match command {
        Job::Create(args) => return create::run(context, &args).await,
        Job::Stream(name) => return stream::watch(context, name.get()).await,
        Job::Download(args) => download::run(context, &args).await?,
        Job::List(args) => list(context, &args).await?,
        Job::Show(args) => {
            let client = context.client()?;
            context.printer.object(
                client
                    .get(&client.path(&[COLLECTION, args.name.get()]))
                    .await?,
            )?;
        }
        Job::Cancel(args) => cancel(context, &args).await?,
        Job::Archive(name) => act(context, name.get(), "archive", "Archived").await?,
        Job::Restore(name) => act(context, name.get(), "restore", "Restored").await?,
        Job::Delete(args) => {
            args.consent.obtain(&format!(
                "delete the job `{}` with its outputs and logs",
                args.name.get()
            ))?;
            let client = context.client()?;
            client
                .delete(&client.path(&[COLLECTION, args.name.get()]))
                .await?;
            note(format!("Deleted the job `{}`", args.name.get()));
        }
        Job::Update(args) => update(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, args: &List) -> CliResult<()> {
    let client = context.client()?;
    let mut query = args.listing.query();
    let filters = [
        ("experiment_name", &args.experiment_name),
        ("status", &args.status),
        ("parent_job_name", &args.parent_job_name),
    ];
    query.extend(
        filters
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.clone()?))),
    );
    let jobs = client
        .list(
            &client.path(&[COLLECTION]),
            &query,
            args.listing.sorted.max_results,
        )
        .await?;
    context.printer.list(jobs, COLUMNS)
}

async fn act(context: &Context, name: &str, verb: &str, done: &str) -> CliResult<()> {
    let client = context.client()?;
    client
        .post(&client.path(&[COLLECTION, name, verb]), &json!({}))
        .await?;
    note(format!("{done} the job `{name}`"));
    Ok(())
}

async fn cancel(context: &Context, args: &Cancel) -> CliResult<()> {
    let client = context.client()?;
    let name = args.name.get();
    client
        .post(&client.path(&[COLLECTION, name, "cancel"]), &json!({}))
        .await?;
    if args.no_wait {
        note(format!("Asked the job `{name}` to end"));
        return Ok(());
    }
    let job = super::wait::until_at_rest(client, &client.path(&[COLLECTION, name]), name).await?;
    note(format!("The job `{name}` is {}", super::wait::state(&job)));
    Ok(())
}

async fn update(context: &Context, args: &Update) -> CliResult<()> {
    let client = context.client()?;
    let path = client.path(&[COLLECTION, args.name.get()]);
    let (current, tag) = client.get_tagged(&path).await?;
    context.printer.object(
        client
            .patch(&path, &change(&current, None, &args.set)?, tag.as_deref())
            .await?,
    )
}
