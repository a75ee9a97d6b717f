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
        versions["server"] = match client
            .send(client.request(reqwest::Method::GET, "/healthz"))
            .await
        {
            Ok(answer) => answer
                .json()
                .await?
                .get("version")
                .cloned()
                .unwrap_or_default(),
            Err(error) => Value::from(format!("not known: {error}")),
        };
    }
    context.printer.object(versions)
}
