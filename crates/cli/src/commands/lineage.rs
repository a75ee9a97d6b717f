//! `lazuli lineage`: what a deployment or a model was made from, back to the data and the code.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Context;
use crate::error::CliResult;
use crate::output::write_stdout;

/// Commands on lineage.
#[derive(Debug, Subcommand)]
pub(crate) enum Lineage {
    /// Show what something was made from.
    #[command(after_help = "Examples:
  lazuli lineage show --endpoint-name tumours --deployment-name blue
  lazuli lineage show --model tumours:3")]
    Show(Show),
}

/// Options of `lineage show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Endpoint of the deployment.
    #[arg(long, short = 'e', value_name = "NAME", requires = "deployment_name", required_unless_present = "model")]
    endpoint_name: Option<String>,
    /// The deployment.
    #[arg(long, short = 'd', value_name = "NAME", requires = "endpoint_name")]
    deployment_name: Option<String>,
    /// A model, `name:version`.
    #[arg(long, short = 'm', value_name = "NAME:VERSION", conflicts_with_all = ["endpoint_name", "deployment_name"])]
    model: Option<String>,
}

/// Runs a command on lineage.
pub(crate) async fn run(context: &Context, command: Lineage) -> CliResult<()> {
    let Lineage::Show(args) = command;
    let client = context.client()?;
    let path = match (&args.model, &args.endpoint_name, &args.deployment_name) {
        (Some(model), ..) => {
            let model = super::assets::Named::parse(model, None, None)?;
            let version = super::assets::MODEL.version(client, &model).await?;
            client.path(&["models", &model.name, "versions", &version, "lineage"])
        }
        (None, endpoint, deployment) => {
            let (endpoint, deployment) = (endpoint.as_deref().unwrap_or_default(), deployment.as_deref().unwrap_or_default());
            client.path(&["online-endpoints", endpoint, "deployments", deployment, "lineage"])
        }
    };
    print(context, client.get(&path).await?)
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
    let _ = write!(text, "{}{} {}", "  ".repeat(depth), field("kind"), field("name"));
    let facts = node.as_object().into_iter().flatten().filter(|(key, value)| {
        !matches!(key.as_str(), "kind" | "name" | "made_from") && (value.is_string() || value.is_number())
    });
    for (key, value) in facts {
        let _ = write!(text, "  {key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    text.push('\n');
    for source in node.get("made_from").and_then(Value::as_array).into_iter().flatten() {
        step(text, source, depth + 1);
    }
}
