//! `lazuli link`: addresses that read one file without a token, until they expire.

use clap::{Args, Subcommand};
use lazuli_spec::runner::STD_LOG;
use serde_json::{Map, Value, json};

use super::Context;
use super::assets::{Named, Which};
use super::token::seconds;
use crate::error::CliResult;
use crate::output::note;

/// Commands on links.
#[derive(Debug, Subcommand)]
pub(crate) enum Link {
    /// Make a link to one file; whoever has it can read the file until it expires.
    #[command(after_help = "Examples:
  lazuli link create --job brave_fox_1 --log user_logs/std_log.txt
  lazuli link create --data tumours:1 --path table.csv --expires-in 7d
  curl -OJ \"$(lazuli link create --run 5f1c… --path model/MLmodel --query url -o tsv)\"")]
    Create(Create),
}

/// Options of `link create`.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true)]
pub(crate) struct Create {
    /// A log of this job.
    #[arg(long, short = 'j', value_name = "NAME", conflicts_with_all = ["data", "run", "artifact", "path"])]
    job: Option<String>,
    /// Which log [default: user_logs/std_log.txt].
    #[arg(long, value_name = "LOG", requires = "job")]
    log: Option<String>,
    /// A file of this data asset.
    #[arg(long, short = 'd', value_name = "NAME:VERSION", conflicts_with_all = ["run", "artifact"])]
    data: Option<String>,
    /// A file among the artifacts of this run.
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "artifact",
        requires = "path"
    )]
    run: Option<String>,
    /// The file of the data asset (not needed when there is only one) or of the run.
    #[arg(long, short = 'p', value_name = "PATH")]
    path: Option<String>,
    /// An artifact by its whole path: `<experiment>/<run>/artifacts/<path>`.
    #[arg(long, value_name = "PATH", conflicts_with = "path")]
    artifact: Option<String>,
    /// How long it works, for example `30m`, `12h`; at most `7d`.
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "1h")]
    expires_in: u64,
}

/// Runs a command on links.
pub(crate) async fn run(context: &Context, command: Link) -> CliResult<()> {
    let Link::Create(args) = command;
    let client = context.client()?;
    let mut link = client.post(&client.path(&["links"]), &body(args)?).await?;
    // the server knows its paths, the client knows under which address it reached them
    if let Some(path) = link.get("url").and_then(Value::as_str) {
        link["url"] = Value::from(format!("{}{path}", client.target().url));
    }
    context.printer.object(link)?;
    if context.printer.for_people() {
        note("\nWhoever has this address can read the file until it expires.");
    }
    Ok(())
}

fn body(args: Create) -> CliResult<Value> {
    let mut body = Map::from_iter([("expires_in_seconds".to_owned(), json!(args.expires_in))]);
    let mut put = |field: &str, value: Option<String>| {
        body.extend(value.map(|value| (field.to_owned(), Value::from(value))));
    };
    if let Some(job) = args.job {
        put("job", Some(job));
        put("log", Some(args.log.unwrap_or_else(|| STD_LOG.to_owned())));
    }
    if let Some(data) = args.data {
        let named = Named::parse(&data, None, None)?;
        let version = match named.which {
            Which::Latest => "latest".to_owned(),
            Which::Version(version) | Which::Label(version) => version,
        };
        put("data", Some(named.name));
        put("version", Some(version));
    }
    put("run", args.run);
    put("path", args.path);
    put("artifact", args.artifact);
    Ok(Value::Object(body))
}
