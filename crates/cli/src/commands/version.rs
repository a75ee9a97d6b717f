//! `lazuli version`: this program's version and the server's.

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::error::CliResult;

/// Options of `lazuli version`.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Do not ask the server.
    #[arg(long)]
    client_only: bool,
}

/// Prints both versions; a server that is away is not an error here.
pub(crate) async fn run(context: &Context, args: &Version) -> CliResult<()> {
    let mut versions = json!({ "client": env!("CARGO_PKG_VERSION") });
    if !args.client_only {
        let client = context.client()?;
        versions["server_url"] = Value::from(client.target().url.clone());
        versions["server"] = match client.send(client.request(reqwest::Method::GET, "/version")).await {
            Ok(answer) => server_version(&answer.text().await?),
            Err(error) => Value::from(format!("not known: {error}")),
        };
    }
    context.printer.object(versions)
}

/// MLflow's route answers plain text; a document with the version in it is understood as well.
fn server_version(text: &str) -> Value {
    let document: Option<Value> = serde_json::from_str(text).ok();
    document.as_ref().and_then(|found| found.get("version").cloned()).unwrap_or_else(|| Value::from(text.trim()))
}
