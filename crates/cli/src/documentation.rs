//! Every `lazuli …` line in the documentation and in the help's examples is one that the program takes.
//!
//! A guide that shows a flag which does not exist costs a user more than a missing guide.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};

use crate::cli::Cli;

/// The words of a line as a shell would see them; enough of its grammar for what documentation shows.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quote, mut open) = (None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(mark), _) if c == mark => quote = None,
            (None, '\'' | '"') => (quote, open) = (Some(c), true),
            (None, '#') if word.is_empty() && !open => break,
            (None, ' ') if !word.is_empty() || open => {
                words.push(std::mem::take(&mut word));
                open = false;
            }
            (None, ' ') => {}
            (Some(_) | None, _) => word.push(c),
        }
    }
    if !word.is_empty() || open {
        words.push(word);
    }
    words
}

/// Lines that call the program, with what a shell does around them taken off.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("$ "));
    let calls = lines.filter(|line| line.starts_with("lazuli ") && !line.contains('…'));
    calls.map(|line| {
        line.split("  ")
            .next()
            .unwrap_or(line)
            .split([';', '|', '&', '>', '<'])
            .next()
            .unwrap_or(line)
    })
}

/// The fenced parts of a page.
fn fenced(page: &str) -> String {
    let parts = page.split("```").skip(1).step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // the reference is written by the program itself
            if !path.ends_with("reference") {
                pages(&path, found);
            }
        } else if path.extension().is_some_and(|kind| kind == "md") {
            found.push(path);
        }
    }
}

fn refused(place: &str, text: &str) -> Vec<String> {
    let parsed = |call: &&str| Cli::try_parse_from(words(call));
    let wrong = calls(text).filter_map(|call| parsed(&call).err().map(|error| (call, error)));
    let wrong = wrong.filter(|(_, error)| error.use_stderr());
    wrong
        .map(|(call, error)| {
            format!(
                "{place}: `{call}`: {}",
                error.to_string().lines().next().unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn every_command_in_the_documentation_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = vec![root.join("README.md")];
    pages(&root.join("docs"), &mut found);
    pages(&root.join("examples"), &mut found);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for page in found {
        let text = fenced(&fs::read_to_string(&page).unwrap());
        seen += calls(&text).count();
        wrong.extend(refused(&page.display().to_string(), &text));
    }
    assert!(seen > 30, "the documentation shows commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_in_the_help_is_a_command() {
    let mut wrong = Vec::new();
    let mut left = vec![Cli::command()];
    while let Some(command) = left.pop() {
        let help = command.get_after_help().or(command.get_after_long_help());
        let text = help.map(ToString::to_string).unwrap_or_default();
        wrong.extend(refused(command.get_name(), &text));
        left.extend(command.get_subcommands().cloned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(
        words("lazuli a 'b c' \"\" # no"),
        ["lazuli", "a", "b c", ""]
    );
}
