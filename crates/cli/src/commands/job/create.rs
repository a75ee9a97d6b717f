//! `lazuli job create`: read the file, send what it names on this machine, submit, and watch if asked to.

use std::process::ExitCode;

use clap::Args;
use lazuli_spec::jobs::{CommandJob, JobInput};
use lazuli_spec::yaml::Value as Tree;

use super::{COLLECTION, stream};
use crate::commands::Context;
use crate::commands::args::File;
use crate::commands::document::{Draft, is_local};
use crate::commands::local::{self, Found};
use crate::error::{CliError, CliResult};
use crate::output::note;

/// Options of `job create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    file: File,
    /// Its name [default: one is made up].
    #[arg(long, short = 'n')]
    name: Option<String>,
    /// Watch the job and leave with its outcome.
    #[arg(long, short = 's')]
    stream: bool,
    /// Accepted; submitting never waits for the job.
    #[arg(long)]
    no_wait: bool,
    /// Accepted so that Azure scripts run unchanged; not used.
    #[arg(long, hide = true)]
    web: bool,
}

/// Submits the job.
pub(crate) async fn run(context: &Context, args: &Create) -> CliResult<ExitCode> {
    if args.file.file.is_none() && args.file.set.is_empty() {
        return Err(CliError::usage("no job is described").field("--file").hint("pass `--file job.yml`"));
    }
    let mut draft = Draft::read(&args.file, &[("name", args.name.as_deref())])?;
    // Every mistake that words alone show is told before anything is sent.
    let job = CommandJob::read(&draft.document)?;
    local::inline_environment(&mut draft, "environment.")?;
    send_code(context, &mut draft).await?;
    send_inputs(context, &mut draft, &job).await?;
    let ready = CommandJob::read(&draft.document)?;
    let body = serde_json::to_value(&ready).map_err(|error| CliError::new(error.to_string()))?;
    let client = context.client()?;
    let made = client.post(&client.path(&[COLLECTION]), &body).await.map_err(|error| draft.blame(error))?;
    let name = made.get("name").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    if !args.stream {
        context.printer.object(made)?;
        return Ok(ExitCode::SUCCESS);
    }
    note(format!("Job {name}"));
    stream::watch(context, &name).await
}

/// Code is always a folder; a single script is one that holds just this file.
async fn send_code(context: &Context, draft: &mut Draft) -> CliResult<()> {
    if local::send(context, draft, "code", "code").await? == Found::File
        && let Some((tree, _)) = draft.text("code").and_then(|code| code.split_once('/')).map(|(tree, file)| (tree.to_owned(), file.to_owned()))
    {
        draft.document.put("code", &tree)?;
    }
    Ok(())
}

async fn send_inputs(context: &Context, draft: &mut Draft, job: &CommandJob) -> CliResult<()> {
    let local: Vec<String> = job
        .flat_inputs()
        .into_iter()
        .filter(|(_, input)| matches!(input, JobInput::Asset(asset) if is_local(&asset.path)))
        .map(|(name, _)| name)
        .collect();
    for name in local {
        // `inputs.data: ./a.csv` is not an asset in this grammar, so a local one always has a `path`.
        let field = format!("inputs.{name}.path");
        let kind = draft.text(&format!("inputs.{name}.type")).unwrap_or("uri_folder").to_owned();
        let is_placed = draft.document.at(&field).is_some_and(|node| matches!(node.value, Tree::Text(_)));
        let found = if is_placed { local::send(context, draft, &field, &name).await? } else { Found::Elsewhere };
        check_kind(draft, &name, &kind, found)?;
    }
    Ok(())
}

fn check_kind(draft: &Draft, name: &str, kind: &str, found: Found) -> CliResult<()> {
    let (is, hint) = match (kind, found) {
        ("uri_file", Found::Folder) => ("a folder", "use `type: uri_folder`"),
        ("uri_folder" | "mltable", Found::File) => ("a file", "use `type: uri_file`"),
        _ => return Ok(()),
    };
    Err(draft.fault(&format!("inputs.{name}.type"), format!("the path of `{name}` is {is}")).hint(hint))
}
