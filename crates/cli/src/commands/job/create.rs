//! `lazuli job create`: read the file, send what it names on this machine, submit, and watch if asked to.

use std::process::ExitCode;

use clap::Args;
use lazuli_spec::jobs::{CommandJob, JobInput, PortType};

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
        return Err(CliError::usage("no job is described")
            .field("--file")
            .hint("pass `--file job.yml`"));
    }
    let mut draft = Draft::read(&args.file, &[("name", args.name.as_deref())])?;
    // Every mistake that words alone show is told before anything is sent.
    let job = CommandJob::read(&draft.document)?;
    local::inline_environment(&mut draft, "environment.")?;
    let inputs = local_inputs(&draft, &job)?;
    if let Some(code) = draft.text("code").filter(|code| is_local(code)) {
        draft.existing("code", code)?;
    }
    send_code(context, &mut draft).await?;
    for (name, field) in &inputs {
        local::send(context, &mut draft, field, name).await?;
    }
    let ready = CommandJob::read(&draft.document)?;
    let body = serde_json::to_value(&ready).map_err(|error| CliError::new(error.to_string()))?;
    let client = context.client()?;
    let made = client
        .post(&client.path(&[COLLECTION]), &body)
        .await
        .map_err(|error| draft.blame(error))?;
    let name = made
        .get("name")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
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
        && let Some((tree, _)) = draft
            .text("code")
            .and_then(|code| code.split_once('/'))
            .map(|(tree, file)| (tree.to_owned(), file.to_owned()))
    {
        draft.document.put("code", &tree)?;
    }
    Ok(())
}

/// The inputs that lie on this machine, by name and field; what is missing or is not what it is said to be is told here.
fn local_inputs(draft: &Draft, job: &CommandJob) -> CliResult<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (name, input) in job.flat_inputs() {
        let JobInput::Asset(asset) = input else {
            continue;
        };
        if !is_local(&asset.path) {
            continue;
        }
        let field = format!("inputs.{name}.path");
        let is_folder = draft.existing(&field, &asset.path)?.is_dir();
        let (is, hint) = match (asset.kind, is_folder) {
            (PortType::UriFile, true) => ("a folder", "use `type: uri_folder`"),
            (PortType::UriFolder | PortType::Mltable, false) => ("a file", "use `type: uri_file`"),
            _ => {
                found.push((name, field));
                continue;
            }
        };
        return Err(draft
            .fault(
                &format!("inputs.{name}.type"),
                format!("the path of `{name}` is {is}"),
            )
            .hint(hint));
    }
    Ok(found)
}
