//! `lazuli lineage`: what a deployment or a model was made from, back to the data and the code.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use super::assets::{MODEL, Named};
use crate::client::Client;
use crate::error::CliResult;
use crate::output::write_stdout;

/// Commands on lineage.
#[derive(Debug, Subcommand)]
pub(crate) enum Lineage {
    /// Show what something was made from.
    #[command(after_help = "Examples:
  lazuli lineage show --endpoint-name tumours --deployment-name blue
  lazuli lineage show --model tumours:3
  lazuli lineage show --job brave_fox_1")]
    Show(Show),
}

/// Options of `lineage show`.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true)]
pub(crate) struct Show {
    /// Endpoint of the deployment.
    #[arg(long, short = 'e', value_name = "NAME", requires = "deployment_name")]
    endpoint_name: Option<String>,
    /// The deployment.
    #[arg(long, short = 'd', value_name = "NAME", requires = "endpoint_name")]
    deployment_name: Option<String>,
    /// A model, `name:version` or `name@alias`.
    #[arg(long, short = 'm', value_name = "NAME:VERSION", conflicts_with_all = ["endpoint_name", "job"])]
    model: Option<String>,
    /// A job.
    #[arg(
        long,
        short = 'j',
        value_name = "NAME",
        conflicts_with = "endpoint_name"
    )]
    job: Option<String>,
}

/// Runs a command on lineage.
pub(crate) async fn run(context: &Context, command: Lineage) -> CliResult<()> {
    let Lineage::Show(args) = command;
    let client = context.client()?;
    let lineage = match (&args.model, &args.job) {
        (Some(model), _) => of_model(client, model).await?,
        (None, Some(job)) => of_job(client, job).await?,
        (None, None) => {
            let (endpoint, deployment) = (
                args.endpoint_name.unwrap_or_default(),
                args.deployment_name.unwrap_or_default(),
            );
            client
                .get(&client.path(&[
                    "online-endpoints",
                    &endpoint,
                    "deployments",
                    &deployment,
                    "lineage",
                ]))
                .await?
        }
    };
    print(context, lineage)
}

async fn of_model(client: &Client, text: &str) -> CliResult<Value> {
    let model = MODEL.get(client, &Named::parse(text, None, None)?).await?;
    let field = |key: &str| model.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut node = json!({ "kind": "model", "name": format!("{}:{}", field("name"), field("version")), "type": field("type") });
    if let Some(tree) = model.get("tree").filter(|tree| tree.is_string()) {
        node["content"] = tree.clone();
    }
    let source = match (
        model.get("job_name").and_then(Value::as_str),
        model.get("run_id").and_then(Value::as_str),
    ) {
        (Some(job), _) => Some(of_job(client, job).await?),
        (None, Some(run)) => Some(json!({ "kind": "run", "name": run })),
        (None, None) => None,
    };
    if let Some(source) = source {
        node["made_from"] = json!([source]);
    }
    Ok(node)
}

/// A job and what it read, by content.
async fn of_job(client: &Client, name: &str) -> CliResult<Value> {
    let job = client.get(&client.path(&["jobs", name])).await?;
    let read = job
        .get("lineage")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(source)
        .collect::<Vec<_>>();
    Ok(
        json!({ "kind": "job", "name": name, "experiment": job["experiment_name"], "status": job["status"], "made_from": read }),
    )
}

fn source(edge: &Value) -> Value {
    let field = |key: &str| edge.get(key).and_then(Value::as_str);
    let name = match (field("asset"), field("version")) {
        (Some(asset), Some(version)) => format!("{asset}:{version}"),
        _ => field("reference").unwrap_or_default().to_owned(),
    };
    let mut node = json!({ "kind": field("kind"), "name": name, "input": field("name") });
    if let Some(tree) = field("tree") {
        node["content"] = Value::from(tree);
    }
    node
}

/// Prints a lineage: a tree for people, the document for programs.
pub(crate) fn print(context: &Context, lineage: Value) -> CliResult<()> {
    if !context.printer.for_people() {
        return context.printer.object(lineage);
    }
    write_stdout(&draw(&lineage))
}

/// Each step on its own line, below what it made.
fn draw(lineage: &Value) -> String {
    let mut text = String::new();
    step(&mut text, lineage, 0);
    text
}

fn step(text: &mut String, node: &Value, depth: usize) {
    let field = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default();
    let _ = write!(
        text,
        "{}{} {}",
        "  ".repeat(depth),
        field("kind"),
        field("name")
    );
    let facts = node
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| {
            !matches!(key.as_str(), "kind" | "name" | "made_from")
                && (value.is_string() || value.is_number())
        });
    for (key, value) in facts {
        let _ = write!(
            text,
            "  {key}={}",
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        );
    }
    text.push('\n');
    for source in node
        .get("made_from")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        step(text, source, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_stands_below_what_it_made() {
        let data = source(
            &json!({ "name": "table", "kind": "data", "reference": "azureml:iris:1", "asset": "iris", "version": "1", "tree": "ab12" }),
        );
        let job =
            json!({ "kind": "job", "name": "fox", "status": "Completed", "made_from": [data] });
        let model = json!({ "kind": "model", "name": "iris:3", "made_from": [job] });
        insta::assert_snapshot!(draw(&model), @r"
        model iris:3
          job fox  status=Completed
            data iris:1  input=table  content=ab12
        ");
    }
}
