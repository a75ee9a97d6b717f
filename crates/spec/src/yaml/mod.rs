//! One loader for every YAML (or JSON) document a person writes: jobs, data, models, environments, computes, endpoints, deployments.
//!
//! A document is parsed once into a tree whose every node knows its line and column; overrides (`--set a.b=c`) are applied on
//! that tree; only then is it read into a type. So a mistake found while typing (an unknown field, a wrong type, a value a rule
//! refuses) still names the file, the line, the column and the field, and the nearest known field is suggested.
//!
//! ```
//! use lazuli_spec::yaml::Document;
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Data { name: String, path: String }
//!
//! let mut document = Document::parse("data.yml", "name: iris\npth: ./iris.csv\n").unwrap();
//! let error = document.read::<Data>().err().unwrap();
//! assert_eq!(error.to_string(), "data.yml:2:1: pth: unknown field; did you mean `path`?");
//!
//! document.remove("pth");
//! document.set("path=./iris.csv").unwrap();
//! assert_eq!(document.read::<Data>().unwrap().path, "./iris.csv");
//! ```
//!
//! Rules that need more than a type say so with [`Document::fault`], which places them in the same way.

mod error;
mod node;
mod overrides;
#[cfg(test)]
mod tests;
mod typed;

use serde::de::DeserializeOwned;

pub use self::error::YamlError;
pub use self::node::{Entry, Mark, Node, Value};

/// The largest document read; a specification is written by hand and is never near it.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A parsed document: where it came from and its tree.
#[derive(Debug, Clone)]
pub struct Document {
    origin: String,
    root: Node,
}

impl Document {
    /// Parses `text`; `origin` (a file name, or words such as `request body`) opens every message. JSON is read as well.
    pub fn parse(origin: &str, text: &str) -> Result<Self, YamlError> {
        if text.len() > MAX_BYTES {
            let message = format!(
                "the document has {} bytes; the limit is {MAX_BYTES}",
                text.len()
            );
            return Err(YamlError::new(message).in_origin(origin));
        }
        let root = node::parse(text).map_err(|error| error.in_origin(origin))?;
        Ok(Self {
            origin: origin.to_owned(),
            root,
        })
    }

    /// A document with no fields yet, to be filled by [`Document::set`] and [`Document::put`].
    pub fn empty(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            root: Node::new(Value::Mapping(Vec::new())),
        }
    }

    /// Where the document came from, as given to [`Document::parse`].
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The node at a dotted path such as `inputs.data.path` or `items[2].name`.
    pub fn at(&self, path: &str) -> Option<&Node> {
        overrides::find(&self.root, path)
    }

    /// The text of the scalar at a dotted path, as written (`1.10` stays `1.10`).
    pub fn text(&self, path: &str) -> Option<&str> {
        self.at(path).and_then(Node::as_text)
    }

    /// Applies one `--set` assignment, `a.b=c`: the value is read as YAML (`5` is a number, `{a: 1}` a mapping), missing mappings
    /// on the way are made, `a.b=null` removes the field.
    pub fn set(&mut self, assignment: &str) -> Result<(), YamlError> {
        overrides::set(&mut self.root, assignment)
    }

    /// Puts plain text at a dotted path (for flags such as `--name`), making missing mappings on the way.
    pub fn put(&mut self, path: &str, text: &str) -> Result<(), YamlError> {
        overrides::put(
            &mut self.root,
            path,
            Node::new(Value::Text(text.to_owned())),
        )
    }

    /// Removes the field at a dotted path; says whether it was there.
    pub fn remove(&mut self, path: &str) -> bool {
        overrides::remove(&mut self.root, path)
    }

    /// Reads the tree into a type. The type should `deny_unknown_fields`; a top-level `$schema` is always ignored.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, YamlError> {
        typed::read(&self.root).map_err(|error| error.in_origin(&self.origin))
    }

    /// An error about the field at `path`, placed at its line (or at its nearest present parent's).
    pub fn fault(&self, path: &str, message: impl Into<String>) -> YamlError {
        let mut error = YamlError::new(message)
            .in_origin(&self.origin)
            .with_field(path);
        error.mark = overrides::nearest_mark(&self.root, path);
        error
    }
}

/// The candidate nearest to `word` by edit distance, when near enough to be a slip of the fingers.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1) + 1;
    let scored = candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate));
    scored
        .filter(|(score, _)| *score <= limit)
        .min_by_key(|(score, _)| *score)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, ignoring case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.to_lowercase().chars().take(128).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}
