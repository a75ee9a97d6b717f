//! Merging the sources of settings: defaults, then the file, then the environment, then flags; the later wins.
//!
//! Each value remembers where it came from, so that a mistake is reported with its place and `lazuli config show` can explain itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file;
use super::table::{Kind, SETTINGS, Setting, find};
use crate::error::CliError;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: the default of the table.
    Default,
    /// In the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// In the environment.
    Env,
    /// On the command line.
    Flag,
}

/// A setting's text before it is understood.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    /// Which setting.
    pub setting: &'static Setting,
    /// Its text, or texts for a list; none means not set.
    pub texts: Vec<String>,
    /// Where it was set.
    pub origin: Origin,
}

impl Raw {
    /// The place in words, for messages: `lazuli.toml:3`, `LAZULI_PORT`, `--port`.
    pub(crate) fn place(&self) -> String {
        match &self.origin {
            Origin::Default => "default".into(),
            Origin::File { path, line } => format!("{}:{line}", path.display()),
            Origin::Env => self.setting.env(),
            Origin::Flag => format!("--{}", self.setting.flag()),
        }
    }

    /// A usage error about this value.
    pub(crate) fn wrong(&self, why: impl fmt::Display) -> CliError {
        CliError::usage(format!("{}: `{}`: {why}", self.place(), self.setting.key))
    }
}

/// The texts given on the command line, by key.
pub(crate) type Flags = BTreeMap<&'static str, Vec<String>>;

/// Everything outside the file that can set a value; a parameter so that tests need no real environment.
pub(crate) struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The working directory, for relative paths.
    pub directory: PathBuf,
}

impl Surroundings<'static> {
    /// The process's own.
    pub(crate) fn process() -> Self {
        Self {
            env: &|name| std::env::var(name).ok(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        }
    }
}

/// Every setting with its winning text.
pub(super) fn merge(
    flags: &Flags,
    around: &Surroundings<'_>,
) -> Result<BTreeMap<&'static str, Raw>, CliError> {
    let mut merged: BTreeMap<&'static str, Raw> = SETTINGS
        .iter()
        .map(|setting| {
            (
                setting.key,
                Raw {
                    setting,
                    texts: split(setting, setting.default),
                    origin: Origin::Default,
                },
            )
        })
        .collect();
    let outer: Vec<Raw> = SETTINGS
        .iter()
        .filter_map(|setting| from_env(setting, around))
        .chain(from_flags(flags))
        .collect();
    for raw in &outer {
        merged.insert(raw.setting.key, raw.clone());
    }
    if let Some(path) = config_file(&merged, around) {
        for raw in file::read(&path)? {
            merged.insert(raw.setting.key, raw);
        }
    }
    for raw in outer {
        merged.insert(raw.setting.key, raw);
    }
    Ok(merged)
}

fn from_env(setting: &'static Setting, around: &Surroundings<'_>) -> Option<Raw> {
    let text = (around.env)(&setting.env())?;
    Some(Raw {
        setting,
        texts: split(setting, &text),
        origin: Origin::Env,
    })
}

fn from_flags(flags: &Flags) -> impl Iterator<Item = Raw> + '_ {
    flags.iter().filter_map(|(key, texts)| {
        let setting = find(key)?;
        let texts = texts.iter().flat_map(|text| split(setting, text)).collect();
        Some(Raw {
            setting,
            texts,
            origin: Origin::Flag,
        })
    })
}

fn split(setting: &Setting, text: &str) -> Vec<String> {
    let texts: Vec<&str> = if setting.kind == Kind::List {
        text.split(',').map(str::trim).collect()
    } else {
        vec![text]
    };
    texts
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// The file to read: the one that was asked for, else the one in the home if it is there.
fn config_file(merged: &BTreeMap<&'static str, Raw>, around: &Surroundings<'_>) -> Option<PathBuf> {
    let text = |key: &str| {
        merged
            .get(key)
            .and_then(|raw| raw.texts.first())
            .map(String::as_str)
    };
    if let Some(asked) = text("config") {
        return Some(absolute(asked, around));
    }
    let usual = absolute(text("home").unwrap_or("~/.lazuli"), around).join("config.toml");
    usual.exists().then_some(usual)
}

/// Expands `~/` and takes relative paths from the working directory.
pub(super) fn absolute(text: &str, around: &Surroundings<'_>) -> PathBuf {
    if let Some(rest) = text.strip_prefix("~/")
        && let Some(home) = (around.env)("HOME")
    {
        return Path::new(&home).join(rest);
    }
    around.directory.join(text)
}
