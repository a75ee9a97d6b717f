//! `docs/reference/cli.md`, written from the definitions of the commands, so that manual and program cannot differ.
//!
//! `UPDATE_REFERENCE=1 cargo test -p lazuli reference` writes it again.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use crate::cli::Cli;

#[test]
fn the_reference_of_commands_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    let text = reference();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/reference/cli.md is not up to date: run with UPDATE_REFERENCE=1 and review the change"
    );
}

#[test]
fn the_definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_does_and_every_group_shows_an_example() {
    let mut root = Cli::command();
    root.build();
    let mut silent = Vec::new();
    for group in root.get_subcommands() {
        let mut commands = vec![group];
        let mut has_example = false;
        while let Some(command) = commands.pop() {
            has_example |= command.get_after_help().is_some();
            if command.get_about().is_none() {
                silent.push(command.get_bin_name().unwrap_or_default().to_owned());
            }
            silent.extend(
                command
                    .get_arguments()
                    .filter(|arg| arg.get_help().is_none())
                    .map(|arg| format!("{} {}", command.get_name(), arg.get_id())),
            );
            commands.extend(command.get_subcommands());
        }
        if group.get_subcommands().count() > 1 && !has_example {
            silent.push(format!("{}: no example", group.get_name()));
        }
    }
    assert!(silent.is_empty(), "undocumented: {silent:?}");
}

#[test]
fn help_reads_well() {
    let help = |words: &[&str]| {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut found = &mut command;
        for word in words {
            found = found.find_subcommand_mut(word).unwrap();
        }
        found.render_help().to_string()
    };
    insta::assert_snapshot!("help_root", help(&[]));
    insta::assert_snapshot!("help_job", help(&["job"]));
    insta::assert_snapshot!("help_job_create", help(&["job", "create"]));
}

fn reference() -> String {
    let mut root = Cli::command().term_width(120);
    root.build();
    let mut text = "# Commands\n\nGenerated from the program itself: `UPDATE_REFERENCE=1 cargo test -p lazuli reference`.\n".to_owned();
    let _ = writeln!(
        text,
        "\n{}\n",
        root.get_about()
            .map(ToString::to_string)
            .unwrap_or_default()
    );
    text.push_str("| command | what it is for |\n| --- | --- |\n");
    for command in visible(&root) {
        let name = command.get_name();
        let _ = writeln!(
            text,
            "| [`lazuli {name}`](#lazuli-{name}) | {} |",
            about(command)
        );
    }
    text.push_str("\n## Global options\n\nEvery command takes these.\n\n");
    options(
        &mut text,
        root.get_arguments().filter(|arg| arg.is_global_set()),
    );
    for command in visible(&root) {
        section(&mut text, command, 2);
    }
    text
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
}

fn about(command: &Command) -> String {
    let text = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace('|', "\\|");
    if text.ends_with('.') {
        text
    } else {
        text + "."
    }
}

fn section(text: &mut String, command: &Command, depth: usize) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let _ = write!(
        text,
        "\n{} {name}\n\n{}\n",
        "#".repeat(depth),
        about(command)
    );
    if command.get_subcommands().next().is_none() {
        let usage = command.clone().render_usage().to_string();
        let _ = write!(
            text,
            "\n```text\n{}\n```\n",
            usage.trim_start_matches("Usage: ")
        );
        let own: Vec<&Arg> = command
            .get_arguments()
            .filter(|arg| !arg.is_global_set())
            .collect();
        if own.iter().any(|arg| is_shown(arg)) {
            text.push('\n');
            options(text, own.into_iter());
        }
    }
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        let (notes, examples) = examples
            .split_once("Examples:\n")
            .unwrap_or((examples.as_str(), ""));
        if !notes.trim().is_empty() {
            let _ = write!(text, "\n{}\n", notes.trim());
        }
        if !examples.is_empty() {
            let _ = write!(text, "\n```sh\n{}\n```\n", unindented(examples));
        }
    }
    for command in visible(command) {
        section(text, command, depth + 1);
    }
}

fn unindented(text: &str) -> String {
    text.lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_shown(arg: &Arg) -> bool {
    !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version"
}

fn options<'a>(text: &mut String, args: impl Iterator<Item = &'a Arg>) {
    text.push_str("| option | what it does |\n| --- | --- |\n");
    for arg in args.filter(|arg| is_shown(arg)) {
        let _ = writeln!(text, "| {} | {} |", spelling(arg), meaning(arg));
    }
}

fn spelling(arg: &Arg) -> String {
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value = arg
        .get_value_names()
        .and_then(|names| names.first())
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace('|', "\\|");
    let long = arg.get_long().map(|long| {
        if takes_value {
            format!("`--{long} {value}`")
        } else {
            format!("`--{long}`")
        }
    });
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    let names: Vec<String> = long.into_iter().chain(short).collect();
    if names.is_empty() {
        format!("`{value}`")
    } else {
        names.join(", ")
    }
}

fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if !text.ends_with('.') {
        text.push('.');
    }
    let values: Vec<String> = match arg.get_action() {
        ArgAction::Set | ArgAction::Append => arg
            .get_possible_values()
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect(),
        _ => Vec::new(),
    };
    if !values.is_empty() {
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    if !defaults.is_empty()
        && !arg.is_hide_default_value_set()
        && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
    {
        let _ = write!(text, " Default: `{}`.", defaults.join(" "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
    }
    text.replace('|', "\\|")
}
