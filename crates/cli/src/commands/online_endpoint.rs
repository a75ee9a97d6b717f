//! `lazuli online-endpoint`: stable addresses that score, and the traffic behind them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use lazuli_spec::endpoints::EndpointSpec;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Context;
use super::args::{Consent, File, Name, Tagged};
use super::document::Draft;
use super::wait;
use crate::client::{Client, push_segments};
use crate::error::{CliError, CliResult};
use crate::output::{Column, note, write_stdout_bytes};

pub(crate) const COLLECTION: &str = "online-endpoints";

const COLUMNS: &[Column] = &[
    Column::text("Name", "name"),
    Column::text("State", "provisioning_state"),
    Column::text("Traffic", "traffic"),
    Column::text("Scoring URI", "scoring_uri"),
    Column::time("Created", "created_at|creation_context.created_at"),
];

/// Commands on online endpoints.
#[derive(Debug, Subcommand)]
pub(crate) enum OnlineEndpoint {
    /// Create an endpoint.
    #[command(after_help = "Examples:
  lazuli online-endpoint create --name tumours
  lazuli online-endpoint create --file endpoint.yml")]
    Create(Create),
    /// List endpoints.
    #[command(after_help = "Examples:
  lazuli online-endpoint list
  lazuli online-endpoint list --prefix tum --tag team=vision --order-by 'created_at desc'")]
    List(Tagged),
    /// Show an endpoint.
    #[command(after_help = "Examples:
  lazuli online-endpoint show tumours --query scoring_uri -o tsv")]
    Show(Name),
    /// Change the traffic, the description or the tags.
    #[command(after_help = "Examples:
  lazuli online-endpoint update tumours --traffic 'blue=90 green=10'")]
    Update(Update),
    /// Delete an endpoint and its deployments.
    Delete(Delete),
    /// Score: send a request and print the answer.
    #[command(after_help = "Examples:
  lazuli online-endpoint invoke tumours --request-file rows.json
  lazuli online-endpoint invoke tumours --request-file rows.json --deployment-name green")]
    Invoke(Invoke),
    /// Show the keys that callers authenticate with.
    #[command(after_help = "Examples:
  lazuli online-endpoint get-credentials tumours --query primaryKey -o tsv")]
    GetCredentials(Name),
    /// Replace a key; the old one stops working at once.
    RegenerateKeys(Regenerate),
}

/// Options of `online-endpoint create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    file: File,
    /// Its name.
    #[arg(long, short = 'n')]
    name: Option<String>,
    /// How callers authenticate: `key`.
    #[arg(long, value_name = "MODE")]
    auth_mode: Option<String>,
    /// What it scores.
    #[arg(long)]
    description: Option<String>,
    /// Do not wait until it is ready.
    #[arg(long)]
    no_wait: bool,
    /// Accepted so that Azure scripts run unchanged; not used.
    #[arg(long, hide = true)]
    web: bool,
}

/// Options of `online-endpoint update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    name: Name,
    /// Percent of the traffic for each deployment, for example `blue=90 green=10`.
    #[arg(long, short = 'r', value_name = "NAME=PERCENT ...", num_args = 1..)]
    traffic: Vec<String>,
    /// New description.
    #[arg(long)]
    description: Option<String>,
    /// Set a field, for example `--set tags.team=vision`; may be repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = super::args::key_value, num_args = 1..)]
    set: Vec<(String, String)>,
}

/// Options of `online-endpoint delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    consent: Consent,
    /// Do not wait until it is gone.
    #[arg(long)]
    no_wait: bool,
}

/// Options of `online-endpoint invoke`.
#[derive(Debug, Args)]
pub(crate) struct Invoke {
    #[command(flatten)]
    name: Name,
    /// File with the request, JSON; `-` for standard input.
    #[arg(long, short = 'r', value_name = "FILE")]
    request_file: PathBuf,
    /// Ask this deployment, past the traffic rules.
    #[arg(long, short = 'd', value_name = "NAME")]
    deployment_name: Option<String>,
}

/// Options of `online-endpoint regenerate-keys`.
#[derive(Debug, Args)]
pub(crate) struct Regenerate {
    #[command(flatten)]
    name: Name,
    /// Which of the two keys.
    #[arg(long, value_enum, default_value_t = KeyType::Primary)]
    key_type: KeyType,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KeyType {
    /// The first key.
    Primary,
    /// The second key.
    Secondary,
}

/// Runs a command on online endpoints.
pub(crate) async fn run(context: &Context, command: OnlineEndpoint) -> CliResult<()> {
    let client = context.client()?;
    match command {
        OnlineEndpoint::Create(args) => create(context, &args).await,
        OnlineEndpoint::List(args) => {
            let endpoints = client
                .list(&client.path(&[COLLECTION]), &args.query(), args.most())
                .await?;
            context.printer.list(
                endpoints
                    .into_iter()
                    .map(|endpoint| addressed(client, endpoint))
                    .collect(),
                COLUMNS,
            )
        }
        OnlineEndpoint::Show(name) => show(
            context,
            client.get(&client.path(&[COLLECTION, name.get()])).await?,
        ),
        OnlineEndpoint::Update(args) => update(context, &args).await,
        OnlineEndpoint::Delete(args) => delete(context, &args).await,
        OnlineEndpoint::Invoke(args) => invoke(client, &args).await,
        OnlineEndpoint::GetCredentials(name) => context.printer.object(
            client
                .get(&client.path(&[COLLECTION, name.get(), "keys"]))
                .await?,
        ),
        OnlineEndpoint::RegenerateKeys(args) => regenerate(context, &args).await,
    }
}

async fn create(context: &Context, args: &Create) -> CliResult<()> {
    let flags = [
        ("name", args.name.as_deref()),
        ("auth_mode", args.auth_mode.as_deref()),
        ("description", args.description.as_deref()),
    ];
    let draft = Draft::read(&args.file, &flags)?;
    draft.required("name", "--name")?;
    let spec = EndpointSpec::read(&draft.document, None)?;
    let body = serde_json::to_value(&spec).map_err(|error| CliError::new(error.to_string()))?;
    let client = context.client()?;
    let path = client.path(&[COLLECTION, &spec.name]);
    let made = client
        .put(&path, &body)
        .await
        .map_err(|error| draft.blame(error))?;
    let made = if args.no_wait {
        made
    } else {
        wait::until_at_rest(client, &path, &spec.name).await?
    };
    show(context, made)
}

fn show(context: &Context, endpoint: Value) -> CliResult<()> {
    context
        .printer
        .object(addressed(context.client()?, endpoint))
}

/// The server knows its paths; the client knows under which address it reached them.
fn addressed(client: &Client, mut endpoint: Value) -> Value {
    for field in ["scoring_uri", "openapi_uri"] {
        if let Some(uri) = endpoint.get_mut(field)
            && let Some(path) = uri.as_str().filter(|path| path.starts_with('/'))
        {
            *uri = Value::from(format!("{}{path}", client.target().url));
        }
    }
    endpoint
}

async fn update(context: &Context, args: &Update) -> CliResult<()> {
    let client = context.client()?;
    let path = client.path(&[COLLECTION, args.name.get()]);
    let (current, tag) = client.get_tagged(&path).await?;
    let traffic = traffic(&args.traffic)?;
    let mut body = match (args.description.is_none() && args.set.is_empty(), &traffic) {
        (true, Some(_)) => Value::Object(Map::new()),
        _ => super::assets::change(&current, args.description.as_deref(), &args.set)?,
    };
    if let Some(traffic) = traffic {
        body["traffic"] = traffic;
    }
    show(context, client.patch(&path, &body, tag.as_deref()).await?)
}

/// `blue=90 green=10`, in one argument or in several.
fn traffic(words: &[String]) -> CliResult<Option<Value>> {
    let mut shares = Map::new();
    for word in words
        .iter()
        .flat_map(|words| words.split([' ', ',']))
        .filter(|word| !word.is_empty())
    {
        let wrong = || {
            CliError::usage(format!("`{word}` is not a share of the traffic"))
                .field("--traffic")
                .hint("write `blue=90 green=10`")
        };
        let (name, percent) = word.split_once('=').ok_or_else(wrong)?;
        let percent: u8 = percent
            .trim_end_matches('%')
            .parse()
            .ok()
            .filter(|percent| *percent <= 100)
            .ok_or_else(wrong)?;
        shares.insert(name.to_owned(), json!(percent));
    }
    Ok((!words.is_empty()).then_some(Value::Object(shares)))
}

async fn delete(context: &Context, args: &Delete) -> CliResult<()> {
    args.consent.obtain(&format!(
        "delete the endpoint `{}` and its deployments",
        args.name.get()
    ))?;
    let client = context.client()?;
    client
        .delete(&client.path(&[COLLECTION, args.name.get()]))
        .await?;
    note(format!("Deleted the endpoint `{}`", args.name.get()));
    Ok(())
}

/// Scores as any caller would: at the scoring URI's path, with the endpoint's own key.
async fn invoke(client: &Client, args: &Invoke) -> CliResult<()> {
    let body = request_body(&args.request_file)?;
    let keys = client
        .get(&client.path(&[COLLECTION, args.name.get(), "keys"]))
        .await?;
    let key = keys
        .get("primaryKey")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut path = "/endpoints".to_owned();
    push_segments(&mut path, &[args.name.get(), "score"]);
    let mut request = client
        .keyed_request(Method::POST, &path, key)
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .body(body);
    if let Some(deployment) = &args.deployment_name {
        request = request.header("azureml-model-deployment", deployment);
    }
    let mut answer = client.send(request).await?.text().await?;
    if !answer.ends_with('\n') {
        answer.push('\n');
    }
    write_stdout_bytes(answer.as_bytes())
}

fn request_body(path: &Path) -> CliResult<Vec<u8>> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        let read = std::io::Read::read_to_end(&mut std::io::stdin(), &mut body);
        read.map_err(|error| CliError::new(format!("cannot read standard input: {error}")))?;
        return Ok(body);
    }
    std::fs::read(path).map_err(|error| CliError::io("read", path, &error).field("--request-file"))
}

async fn regenerate(context: &Context, args: &Regenerate) -> CliResult<()> {
    let which = if matches!(args.key_type, KeyType::Primary) {
        "primary"
    } else {
        "secondary"
    };
    args.consent.obtain(&format!(
        "replace the {which} key of `{}`; callers that use it will be refused",
        args.name.get()
    ))?;
    let client = context.client()?;
    let path = client.path(&[COLLECTION, args.name.get(), "keys", "regenerate"]);
    context
        .printer
        .object(client.post(&path, &json!({ "key_type": which })).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_read_in_one_argument_or_several() {
        let read = |words: &[&str]| {
            traffic(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let both = json!({ "blue": 90, "green": 10 });
        assert_eq!(read(&["blue=90 green=10"]).unwrap(), Some(both.clone()));
        assert_eq!(read(&["blue=90", "green=10%"]).unwrap(), Some(both));
        assert_eq!(read(&[]).unwrap(), None);
        for wrong in ["blue", "blue=x", "blue=101", "blue=-1"] {
            assert_eq!(
                read(&[wrong]).unwrap_err().field.as_deref(),
                Some("--traffic"),
                "{wrong}"
            );
        }
    }
}
