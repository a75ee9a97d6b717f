//! Reading the TOML file into (key, value, line) triples, refusing what no setting is called.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::sources::{Origin, Raw};
use super::table::{SETTINGS, find};
use super::units::nearest;
use crate::error::CliError;

/// Settings that say where the file is, and so cannot stand in it.
const NOT_IN_FILE: &[&str] = &["home", "config"];

/// Reads the file and returns one raw value for each key in it.
pub(super) fn read(path: &Path) -> Result<Vec<Raw>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(format!(
            "cannot read the configuration file `{}`: {error}",
            path.display()
        ))
    })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Raw>, CliError> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        CliError::usage(format!("{}:{line}: {}", path.display(), error.message()))
    })?;
    let mut reader = Reader {
        path: path.to_owned(),
        text,
        found: Vec::new(),
    };
    reader.table("", table.get_ref())?;
    Ok(reader.found)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

struct Reader<'a> {
    path: PathBuf,
    text: &'a str,
    found: Vec<Raw>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) -> Result<(), CliError> {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let line = line_of(self.text, name.span().start);
            if let DeValue::Table(inner) = value.get_ref()
                && SETTINGS
                    .iter()
                    .any(|setting| setting.key.starts_with(&format!("{key}.")))
            {
                self.table(&key, inner)?;
                continue;
            }
            self.setting(&key, line, value)?;
        }
        Ok(())
    }

    fn setting(
        &mut self,
        key: &str,
        line: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), CliError> {
        let place = format!("{}:{line}", self.path.display());
        let Some(setting) = find(key) else {
            let error = CliError::usage(format!("{place}: no setting is called `{key}`"));
            return Err(
                match nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("`lazuli config show` lists every setting"),
                },
            );
        };
        if NOT_IN_FILE.contains(&key) {
            return Err(
                CliError::usage(format!("{place}: `{key}` cannot be set in the file"))
                    .hint(format!("use --{} or {}", setting.flag(), setting.env())),
            );
        }
        let texts = texts(value.get_ref()).ok_or_else(|| {
            CliError::usage(format!(
                "{place}: `{key}` is a {}, not a {}",
                setting.kind.describe(),
                value.get_ref().type_str()
            ))
        })?;
        self.found.push(Raw {
            setting,
            texts,
            origin: Origin::File {
                path: self.path.clone(),
                line,
            },
        });
        Ok(())
    }
}

/// A scalar as one text, an array of scalars as several; nothing else can be a setting.
fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::Array(items) => items.iter().map(|item| scalar(item.get_ref())).collect(),
        other => scalar(other).map(|text| vec![text]),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match parse(Path::new("lazuli.toml"), text) {
            Ok(found) => found
                .iter()
                .map(|raw| format!("{}={:?}", raw.setting.key, raw.texts))
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => format!("{error} [{}]", error.hint.as_deref().unwrap_or_default()),
        }
    }

    #[test]
    fn keys_are_read_with_their_tables() {
        assert_eq!(
            said(
                "port = 7_000\nhost = [\"10.0.0.1\", \"ml.example.org\"]\n[limits]\nconnections = 10\n"
            ),
            r#"host=["10.0.0.1", "ml.example.org"] limits.connections=["10"] port=["7000"]"#
        );
    }

    #[test]
    fn mistakes_name_the_key_the_line_and_the_nearest_setting() {
        insta::assert_snapshot!(said("port = 1\n\n[limits]\nconections = 3\n"), @"lazuli.toml:4: no setting is called `limits.conections` [did you mean `limits.connections`?]");
        insta::assert_snapshot!(said("colour = 'blue'"), @"lazuli.toml:1: no setting is called `colour` [`lazuli config show` lists every setting]");
        insta::assert_snapshot!(said("home = '/x'"), @"lazuli.toml:1: `home` cannot be set in the file [use --home or LAZULI_HOME]");
        insta::assert_snapshot!(said("[port]\nnumber = 1"), @"lazuli.toml:1: `port` is a port, not a table []");
        insta::assert_snapshot!(said("port = 1\nport = 2"), @"lazuli.toml:2: duplicate key []");
        insta::assert_snapshot!(said("port = 1.5"), @"lazuli.toml:1: `port` is a port, not a float []");
    }
}
