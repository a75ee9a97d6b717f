//! `lazuli env`: what the mlflow client needs, ready for `eval`.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::Context;
use crate::error::{CliError, CliResult};
use crate::output::{Format, note, write_stdout};

/// Options of `lazuli env`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  eval \"$(lazuli env)\"                    in bash or zsh
  lazuli env --shell fish | source
  lazuli env -o json                      for programs")]
pub(crate) struct Env {
    /// The shell to write for.
    #[arg(long, value_enum, default_value_t = Shell::Posix)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// bash, zsh, dash.
    Posix,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// `KEY=value` lines, for `docker run --env-file`.
    Dotenv,
}

/// Prints the variables.
pub(crate) fn run(context: &Context, args: &Env) -> CliResult<()> {
    let target = context.client()?.target().clone();
    let Some(token) = &target.token else {
        return Err(
            CliError::new(format!("no token was found for {}", target.url)).hint(
                "start the server here with `lazuli up`, set LAZULI_TOKEN, or run `lazuli login`",
            ),
        );
    };
    let mut variables = vec![
        ("MLFLOW_TRACKING_URI", target.url.clone()),
        ("MLFLOW_TRACKING_TOKEN", token.reveal().to_owned()),
    ];
    if let Some(ca) = &target.ca {
        let ca = std::path::absolute(ca).map_err(|error| CliError::io("find", ca, &error))?;
        variables.push(("MLFLOW_TRACKING_SERVER_CERT_PATH", ca.display().to_string()));
    }
    if matches!(context.globals.output, Some(Format::Json | Format::Yaml))
        || context.globals.query.is_some()
    {
        let object: Map<String, Value> = variables
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        return context.printer.object(Value::Object(object));
    }
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        note("# run: eval \"$(lazuli env)\"");
    }
    let lines: String = variables
        .iter()
        .map(|(key, value)| line(args.shell, key, value))
        .collect();
    write_stdout(&lines)
}

fn line(shell: Shell, key: &str, value: &str) -> String {
    match shell {
        Shell::Posix => format!("export {key}={}\n", quoted(value, "'\\''")),
        Shell::Fish => format!("set -gx {key} {}\n", quoted(value, "\\'")),
        Shell::Powershell => format!("$env:{key} = {}\n", quoted(value, "''")),
        Shell::Dotenv => format!("{key}={value}\n"),
    }
}

/// In single quotes unless it is plain; `escape` is what the shell writes for a single quote.
fn quoted(value: &str, escape: &str) -> String {
    let is_plain = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/:._-".contains(&byte));
    if is_plain && escape != "''" {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', escape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_shell() {
        assert_eq!(
            line(Shell::Posix, "A", "https://127.0.0.1:7878"),
            "export A=https://127.0.0.1:7878\n"
        );
        assert_eq!(
            line(Shell::Posix, "A", "/home/o'neil/x y"),
            "export A='/home/o'\\''neil/x y'\n"
        );
        assert_eq!(line(Shell::Powershell, "A", "it's"), "$env:A = 'it''s'\n");
        assert_eq!(line(Shell::Dotenv, "A", "x y"), "A=x y\n");
    }
}
