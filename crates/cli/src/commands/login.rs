//! `lazuli login`, `logout`, `whoami`: which server this person talks to, and as whom.

use std::io::{IsTerminal as _, Read as _};

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::client::logins::Logins;
use crate::client::{Client, Target, server_path};
use crate::error::{CliError, CliResult};
use crate::output::note;

/// Options of `lazuli login`.
#[derive(Debug, Args)]
#[command(
    after_help = "The token is read from standard input, or from LAZULI_TOKEN. With --username, a password is read
instead and exchanged for a token.

Examples:
  lazuli login --server https://ml.example.org:7878 --ca ca.pem < token.txt
  pass show ml | lazuli login --server https://ml.example.org:7878 --username me"
)]
pub(crate) struct Login {
    /// Log in with a password instead of a token.
    #[arg(long, short = 'u', value_name = "NAME")]
    username: Option<String>,
}

/// Options of `lazuli logout`.
#[derive(Debug, Args)]
#[command(
    after_help = "The token itself goes on working elsewhere; `lazuli token revoke` ends it."
)]
pub(crate) struct Logout {}

/// Options of `lazuli whoami`.
#[derive(Debug, Args)]
#[command(
    after_help = "The actions that the roles (and a limited token) allow are in `-o json`.

Examples:
  lazuli whoami --query name -o tsv
  lazuli whoami --query allowed_in_workspace -o json"
)]
pub(crate) struct Whoami {}

/// Checks a token against the server and remembers both.
pub(crate) async fn login(context: &Context, args: Login) -> CliResult<()> {
    let mut target = Target::discover(&context.globals)?;
    let from_environment = std::env::var("LAZULI_TOKEN")
        .ok()
        .filter(|token| !token.trim().is_empty());
    let token = match (args.username, from_environment) {
        (Some(name), _) => {
            token_for_password(
                &target,
                &context.globals.workspace_name,
                &name,
                &secret("password")?,
            )
            .await?
        }
        (None, Some(token)) => token,
        (None, None) => secret("token")?,
    };
    target.set_token(token.trim(), "given to `lazuli login`");
    let client = Client::to(target.clone(), &context.globals.workspace_name)?;
    let who = client.get(&server_path(&["whoami"])).await?;
    let ca = target
        .ca
        .as_deref()
        .map(std::path::absolute)
        .transpose()
        .map_err(|error| CliError::new(format!("cannot find the certificate: {error}")))?;
    let home = context.globals.home();
    let mut logins = Logins::read(&home)?;
    if let Some(token) = &target.token {
        logins.remember(&target.url, token, ca);
    }
    logins.write(&home)?;
    note(format!(
        "Logged in to {} as {}",
        target.url,
        who["name"].as_str().unwrap_or("?")
    ));
    Ok(())
}

/// Forgets the server that commands talk to.
pub(crate) fn logout(context: &Context, _: &Logout) -> CliResult<()> {
    let url = Target::discover(&context.globals)?.url;
    let home = context.globals.home();
    let mut logins = Logins::read(&home)?;
    if !logins.forget(&url) {
        note(format!("Nothing was remembered for {url}"));
        return Ok(());
    }
    logins.write(&home)?;
    note(format!("Forgot the token for {url}"));
    Ok(())
}

/// Who the server takes the caller for.
pub(crate) async fn whoami(context: &Context, _: &Whoami) -> CliResult<()> {
    let client = context.client()?;
    let mut who = client.get(&server_path(&["whoami"])).await?;
    if let Some(fields) = who.as_object_mut() {
        fields.insert(
            "server".to_owned(),
            Value::from(client.target().url.clone()),
        );
        fields.insert(
            "token".to_owned(),
            Value::from(client.target().token_from.clone()),
        );
        if context.printer.for_people() {
            roles_for_people(fields);
        }
    }
    context.printer.object(who)
}

/// Fifty action names fill a screen and tell a person little: roles do.
fn roles_for_people(fields: &mut serde_json::Map<String, Value>) {
    for key in ["allowed_in_workspace", "allowed_on_server"] {
        fields.remove(key);
    }
    let shown = |given: &Value| {
        let role = given["role"].as_str().unwrap_or_default();
        match given["scope"].as_str().unwrap_or_default() {
            "/" => format!("{role} on the server"),
            scope => {
                let workspace = scope.rsplit('/').next().unwrap_or_default();
                format!("{role} in the workspace {workspace}")
            }
        }
    };
    if let Some(roles) = fields.get_mut("roles") {
        let names: Vec<String> = roles.as_array().into_iter().flatten().map(shown).collect();
        *roles = Value::from(names.join("\n"));
    }
}

/// Proves the password with basic authentication and makes a token in exchange: passwords are not kept.
async fn token_for_password(
    target: &Target,
    workspace: &str,
    name: &str,
    password: &str,
) -> CliResult<String> {
    let client = Client::to(target.without_token(), workspace)?;
    let body = json!({ "name": "lazuli-login", "scopes": ["*"] });
    let request = client
        .request(reqwest::Method::POST, &server_path(&["tokens"]))
        .basic_auth(name, Some(password))
        .json(&body);
    let answer = client.send(request).await?.json().await?;
    super::token::text_of(&answer).map(str::to_owned)
}

/// A secret is never an argument: those show in process lists and shell histories.
fn secret(what: &str) -> CliResult<String> {
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        note(format!("Paste the {what} and press Enter:"));
        std::io::stdin().read_line(&mut text)
    } else {
        std::io::stdin().take(64 * 1024).read_to_string(&mut text)
    }
    .map_err(|error| CliError::new(format!("cannot read the {what}: {error}")))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(CliError::usage(format!("no {what} was given"))
            .hint(format!("pipe the {what} into standard input")));
    }
    Ok(text.to_owned())
}
