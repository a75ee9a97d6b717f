//! A YAML document on its way to the server: read, changed by options, typed, and blamed when the server refuses it.
//!
//! A mistake is named with file, line, column and field, wherever it is found: while parsing, while typing, by a rule,
//! or by the server (whose problem document names the field, and the document knows where that stands).

use std::path::{Path, PathBuf};

use lazuli_spec::references::Reference;
use lazuli_spec::yaml::{Document, Value as Tree, YamlError, nearest};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::File;
use crate::error::{CliError, CliResult};

/// Where a document without a file comes from; a message need not say so.
const COMMAND_LINE: &str = "command line";

/// A document and the folder that its relative paths start from.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) document: Document,
    folder: PathBuf,
}

impl Draft {
    /// Reads `--file`, or starts empty; `flags` (`--name` and its kin) are put over it, then `--set` has the last word.
    pub(crate) fn read(file: &File, flags: &[(&str, Option<&str>)]) -> CliResult<Self> {
        let (mut document, folder) = match &file.file {
            Some(path) => (
                parse(path)?,
                path.parent().unwrap_or(Path::new("")).to_owned(),
            ),
            None => (Document::empty(COMMAND_LINE), PathBuf::new()),
        };
        for (field, value) in flags {
            if let Some(value) = value {
                document.put(field, value).map_err(CliError::from)?;
            }
        }
        for assignment in &file.set {
            document.set(assignment).map_err(|error| CliError {
                exit: crate::error::Exit::Usage,
                ..error.into()
            })?;
        }
        Ok(Self { document, folder })
    }

    /// Refuses fields that are not known, with the nearest that is.
    pub(crate) fn only(&self, known: &[&str]) -> CliResult<()> {
        let Tree::Mapping(entries) = &self.document.root().value else {
            return Err(self.fault("", "a mapping of fields was expected"));
        };
        let Some(stray) = entries
            .iter()
            .find(|entry| entry.key != "$schema" && !known.contains(&entry.key.as_str()))
        else {
            return Ok(());
        };
        let mut error = self.document.fault(&stray.key, "unknown field");
        error.mark = stray.mark;
        let hint = match nearest(&stray.key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "known fields are {}",
                known
                    .iter()
                    .map(|field| format!("`{field}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        Err(error.with_hint(hint).into())
    }

    /// The body of a request: these fields as text (`version: 1.10` stays `1.10`), and tags and properties.
    pub(crate) fn body(&self, fields: &[&str]) -> CliResult<Value> {
        let mut body = serde_json::Map::new();
        for field in fields {
            match (self.document.at(field), self.text(field)) {
                (_, Some(text)) => _ = body.insert((*field).to_owned(), Value::from(text)),
                (Some(node), None) if node.value != Tree::Null => {
                    return Err(self.fault(field, "expected text"));
                }
                _ => {}
            }
        }
        for map in ["tags", "properties"] {
            body.extend(self.text_map(map)?.map(|found| (map.to_owned(), found)));
        }
        Ok(Value::Object(body))
    }

    /// A field of any shape.
    pub(crate) fn json(&self, field: &str) -> CliResult<Option<Value>> {
        let mut part: Value = self.read_part(&[field])?;
        Ok(part.get_mut(field).map(Value::take))
    }

    /// Reads some of the fields as a type.
    pub(crate) fn read_part<T: DeserializeOwned>(&self, fields: &[&str]) -> CliResult<T> {
        let mut part = self.document.clone();
        if let Tree::Mapping(entries) = &self.document.root().value {
            for entry in entries
                .iter()
                .filter(|entry| !fields.contains(&entry.key.as_str()))
            {
                part.remove(&format!("\"{}\"", entry.key));
            }
        }
        part.read().map_err(CliError::from)
    }

    /// Puts a path typed on the command line at a field: it starts from where the person is, not from the document.
    pub(crate) fn put_local(&mut self, field: &str, path: &str) -> CliResult<()> {
        if !is_local(path) {
            return Ok(self.document.put(field, path)?);
        }
        let absolute = std::path::absolute(path)
            .map_err(|error| CliError::io("find", Path::new(path), &error))?;
        Ok(self.document.put(field, &absolute.display().to_string())?)
    }

    /// The text at a field.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.document.text(field)
    }

    /// The text at a field that must be there.
    pub(crate) fn required(&self, field: &str, option: &str) -> CliResult<&str> {
        self.text(field)
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| {
                CliError::from(
                    self.document
                        .fault(field, "this field is required and is missing"),
                )
                .hint(format!("write it in the file or pass `{option}`"))
            })
    }

    /// A mapping such as `tags`, its values as text.
    fn text_map(&self, field: &str) -> CliResult<Option<Value>> {
        let Some(node) = self.document.at(field) else {
            return Ok(None);
        };
        let entries = match &node.value {
            Tree::Null => return Ok(None),
            Tree::Mapping(entries) => entries,
            _ => return Err(self.fault(field, "expected a mapping of names to text")),
        };
        let text = |entry: &lazuli_spec::yaml::Entry| {
            let place = format!("{field}.\"{}\"", entry.key);
            let text = entry
                .node
                .as_text()
                .ok_or_else(|| self.fault(&place, "expected text"))?;
            Ok((entry.key.clone(), Value::from(text)))
        };
        entries
            .iter()
            .map(text)
            .collect::<CliResult<serde_json::Map<_, _>>>()
            .map(|map| Some(Value::Object(map)))
    }

    /// A local path written in the document, from the document's own folder.
    pub(crate) fn local(&self, path: &str) -> PathBuf {
        let path = path
            .strip_prefix("file://")
            .or_else(|| path.strip_prefix("file:"))
            .unwrap_or(path);
        self.folder.join(path.strip_prefix("./").unwrap_or(path))
    }

    /// A mistake at a field.
    pub(crate) fn fault(&self, field: &str, message: impl Into<String>) -> CliError {
        self.document.fault(field, message).into()
    }

    /// The local path at a field, which must exist.
    pub(crate) fn existing(&self, field: &str, path: &str) -> CliResult<PathBuf> {
        let local = self.local(path);
        match std::fs::metadata(&local) {
            Ok(_) => Ok(local),
            Err(error) => {
                Err(self.fault(field, format!("cannot read `{}`: {error}", local.display())))
            }
        }
    }

    /// Says where in the file the server's complaint belongs.
    pub(crate) fn blame(&self, mut error: CliError) -> CliError {
        if let (Some(field), None) = (&error.field, &error.location) {
            let fault = self.document.fault(field, "");
            error.location = fault.mark.map(|mark| {
                format!("{}:{}:{}", self.document.origin(), mark.line, mark.column).into()
            });
        }
        error
    }
}

fn parse(path: &Path) -> CliResult<Document> {
    let meta = std::fs::metadata(path)
        .map_err(|error| CliError::io("read", path, &error).field("--file"))?;
    if meta.len() > lazuli_spec::yaml::MAX_BYTES as u64 {
        return Err(CliError::new(format!(
            "`{}` is {} bytes long; that is not a specification",
            path.display(),
            meta.len()
        ))
        .field("--file"));
    }
    let bytes =
        std::fs::read(path).map_err(|error| CliError::io("read", path, &error).field("--file"))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        CliError::new(format!("`{}` is not text in UTF-8", path.display())).field("--file")
    })?;
    Ok(Document::parse(&path.display().to_string(), &text)?)
}

impl From<YamlError> for CliError {
    fn from(error: YamlError) -> Self {
        let mut told = Self::new(&error.message);
        told.location = error
            .origin
            .as_ref()
            .filter(|origin| *origin != COMMAND_LINE)
            .map(|origin| match error.mark {
                Some(mark) => format!("{origin}:{}:{}", mark.line, mark.column).into(),
                None => origin.as_str().into(),
            });
        told.field = error.field.map(Into::into);
        told.hint = error.hint.map(Into::into);
        told
    }
}

/// Whether a path in a document is one on this machine, rather than an address or the name of an asset.
pub(crate) fn is_local(path: &str) -> bool {
    Reference::parse(path).is_ok_and(|reference| reference.is_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: String,
        version: Option<String>,
    }

    fn draft(text: &str, set: &[&str]) -> CliResult<Draft> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thing.yml");
        std::fs::write(&path, text).unwrap();
        let set = set.iter().map(|text| (*text).to_owned()).collect();
        let draft = Draft::read(
            &File {
                file: Some(path),
                set,
            },
            &[("name", Some("flag"))],
        );
        draft.map_err(|mut error| {
            error.location = error
                .location
                .map(|place| place.rsplit('/').next().unwrap_or_default().into());
            error
        })
    }

    #[test]
    fn options_go_over_the_file_and_set_goes_over_options() {
        let read = |set: &[&str]| {
            draft("name: file\nversion: 1.10\n", set)
                .unwrap()
                .document
                .read::<Thing>()
                .unwrap()
        };
        assert_eq!(
            (read(&[]).name.as_str(), read(&[]).version.as_deref()),
            ("flag", Some("1.10"))
        );
        assert_eq!(read(&["name=set"]).name, "set");
    }

    #[test]
    fn mistakes_name_line_and_field() {
        let mut error = draft("name: x\nversoin: 2\n", &[])
            .unwrap()
            .document
            .read::<Thing>()
            .map_err(CliError::from)
            .unwrap_err();
        error.location = error
            .location
            .map(|place| place.rsplit('/').next().unwrap().into());
        insta::assert_snapshot!(error.render(), @r"
        error: thing.yml:2:1: unknown field
          field: versoin

        hint: did you mean `version`?
        ");
        let error = draft("name: [x\n", &[]).unwrap_err();
        assert!(error.location.unwrap().starts_with("thing.yml:"));
        assert_eq!(
            draft("name: x\n", &["nonsense"]).unwrap_err().exit,
            crate::error::Exit::Usage
        );
    }

    #[test]
    fn the_servers_complaint_finds_its_line() {
        let draft = draft("name: x\nversion: 2\n", &[]).unwrap();
        let error = draft.blame(CliError::new("too old").field("version"));
        assert!(error.location.unwrap().ends_with("thing.yml:2:10"));
    }
}
