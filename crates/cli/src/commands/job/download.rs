//! `lazuli job download`: a job's artifacts and outputs, laid out as Azure lays them out.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::COLLECTION;
use crate::client::Client;
use crate::commands::Context;
use crate::commands::args::Name;
use crate::download::{Fetched, artifacts, tree};
use crate::error::{CliError, CliResult};
use crate::output::{human_size, note};

/// Options of `job download`.
#[derive(Debug, Args)]
pub(crate) struct Download {
    #[command(flatten)]
    name: Name,
    /// Only this output.
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    /// Artifacts and every output.
    #[arg(long, conflicts_with = "output_name")]
    all: bool,
    /// Folder to write to [default: here].
    #[arg(
        long = "download-path",
        short = 'p',
        value_name = "FOLDER",
        default_value = "."
    )]
    into: PathBuf,
}

/// Downloads: artifacts go to `artifacts/`, outputs to `named-outputs/<name>/`.
pub(crate) async fn run(context: &Context, args: &Download) -> CliResult<()> {
    let client = context.client()?;
    let name = args.name.get();
    let job = client.get(&client.path(&[COLLECTION, name])).await?;
    let mut total = Fetched::default();
    let mut add = |some: Fetched| {
        total.files += some.files;
        total.bytes += some.bytes;
    };
    let wants_artifacts = args
        .output_name
        .as_deref()
        .is_none_or(|name| matches!(name, "default" | "artifacts"));
    if wants_artifacts {
        add(artifacts(client, name, "", &args.into.join("artifacts")).await?);
    }
    for output in outputs(&job, args)? {
        add(one_output(
            client,
            &job,
            &output,
            &args.into.join("named-outputs").join(&output),
        )
        .await?);
    }
    note(format!(
        "Downloaded {} files, {}, to {}",
        total.files,
        human_size(total.bytes),
        args.into.display()
    ));
    Ok(())
}

/// The named outputs that are wanted.
fn outputs(job: &Value, args: &Download) -> CliResult<Vec<String>> {
    let declared: Vec<String> = job
        .get("outputs")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.keys().cloned())
        .collect();
    match &args.output_name {
        None if args.all => Ok(declared
            .into_iter()
            .filter(|name| name != "default")
            .collect()),
        None => Ok(Vec::new()),
        Some(name) if matches!(name.as_str(), "default" | "artifacts") => Ok(Vec::new()),
        Some(name) if declared.contains(name) => Ok(vec![name.clone()]),
        Some(name) => Err(
            CliError::not_found(format!("the job has no output `{name}`")).hint(
                match declared.as_slice() {
                    [] => "it declares no outputs; leave out `--output-name` for its artifacts"
                        .to_owned(),
                    names => format!("it has {}", names.join(", ")),
                },
            ),
        ),
    }
}

async fn one_output(
    client: &Client,
    job: &Value,
    name: &str,
    into: &std::path::Path,
) -> CliResult<Fetched> {
    let output = &job["outputs"][name];
    let id = ["tree", "tree_id"]
        .iter()
        .find_map(|key| output.get(key).and_then(Value::as_str));
    let id = id.or_else(|| {
        output
            .get("path")
            .and_then(Value::as_str)
            .and_then(|path| path.strip_prefix("tree:"))
    });
    match id {
        Some(id) => tree(client, id, into).await,
        None => Err(
            CliError::new(format!("the output `{name}` has no content yet")).hint(format!(
                "the job is {}",
                job.get("status")
                    .and_then(Value::as_str)
                    .unwrap_or("not done")
            )),
        ),
    }
}
