//! `lazuli token`: access tokens for people and programs.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Context;
use super::args::{Consent, Named};
use crate::client::server_path;
use crate::error::{CliError, CliResult};
use crate::output::{Column, note};

const COLUMNS: &[Column] = &[
    Column::text("Id", "id"),
    Column::text("Name", "name"),
    Column::text("Owner", "principal_name|principal|principal_id"),
    Column::text("Scopes", "scopes"),
    Column::time("Created", "created_at"),
    Column::time("Expires", "expires_at"),
    Column::time("Revoked", "revoked_at"),
];

/// Commands on tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token; its text is shown once.
    #[command(after_help = "Examples:
  lazuli token create --name laptop --expires-in 90d
  lazuli token create --name dashboard --scope '*/read' --query token -o tsv")]
    Create(Create),
    /// List tokens (never their text).
    #[command(after_help = "Examples:
  lazuli token list --state active
  lazuli token list --all --order-by 'created_at desc'
  lazuli token list --principal ci --prefix nightly")]
    List(List),
    /// Take a token back; it stops working at once.
    Revoke(Revoke),
}

/// Options of `token create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What it is for.
    #[arg(long, short = 'n')]
    name: String,
    /// Action pattern it is limited to; may be repeated [default: all that you may do].
    #[arg(long = "scope", value_name = "PATTERN")]
    scopes: Vec<String>,
    /// How long it works, for example `12h`, `90d` [default: for good].
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires_in: Option<u64>,
    /// Make it for this user or service instead of yourself.
    #[arg(long = "for", value_name = "NAME")]
    principal: Option<String>,
}

/// Options of `token list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Everybody's tokens, not only yours.
    #[arg(long)]
    all: bool,
    /// Those of this user or service.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only in this state: active, revoked, expired.
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    named: Named,
}

/// Options of `token revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The token's id, as `token list` shows it.
    id: String,
    #[command(flatten)]
    consent: Consent,
}

/// Runs a command on tokens.
pub(crate) async fn run(context: &Context, command: Token) -> CliResult<()> {
    let client = context.client()?;
    match command {
        Token::Create(args) => {
            let mut body = Map::from_iter([
                ("name".to_owned(), json!(args.name)),
                ("scopes".to_owned(), json!(args.scopes)),
            ]);
            body.extend(
                args.expires_in
                    .map(|seconds| ("expires_in_seconds".to_owned(), json!(seconds))),
            );
            body.extend(
                args.principal
                    .map(|name| ("principal".to_owned(), json!(name))),
            );
            let made = client
                .post(&server_path(&["tokens"]), &Value::Object(body))
                .await?;
            context.printer.object(made)?;
            if context.printer.for_people() {
                note("\nKeep the token now: it is not shown again.");
            }
            Ok(())
        }
        Token::List(args) => {
            let mut query = args.named.query();
            let filters = [
                ("all", args.all.then(|| "true".to_owned())),
                ("principal", args.principal),
                ("state", args.state),
            ];
            query.extend(
                filters
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value?))),
            );
            let most = args.named.sorted.max_results;
            context.printer.list(
                client.list(&server_path(&["tokens"]), &query, most).await?,
                COLUMNS,
            )
        }
        Token::Revoke(args) => {
            args.consent
                .obtain(&format!("revoke the token `{}`", args.id))?;
            client.delete(&server_path(&["tokens", &args.id])).await?;
            note(format!("Revoked the token `{}`", args.id));
            Ok(())
        }
    }
}

/// `90d`, `12h`, `30m`, `45s` as seconds.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "write a time such as `30m`, `12h` or `90d`".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let (digits, factor) = match unit {
        's' => (&text[..text.len() - 1], 1),
        'm' => (&text[..text.len() - 1], 60),
        'h' => (&text[..text.len() - 1], 3600),
        'd' => (&text[..text.len() - 1], 86_400),
        '0'..='9' => (text, 1),
        _ => return Err(wrong()),
    };
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    count
        .checked_mul(factor)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(wrong)
}

/// The text of a new token in the server's answer.
pub(crate) fn text_of(answer: &Value) -> CliResult<&str> {
    answer
        .get("token")
        .and_then(Value::as_str)
        .ok_or_else(|| CliError::new("the server's answer holds no token"))
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_have_units() {
        assert_eq!(
            (seconds("90d"), seconds("12h"), seconds("45")),
            (Ok(7_776_000), Ok(43_200), Ok(45))
        );
        for wrong in [
            "",
            "d",
            "0s",
            "1w",
            "-5m",
            "1.5h",
            "99999999999999999999d",
            "5ä",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
