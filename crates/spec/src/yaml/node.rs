//! The tree: values that know where they stand in the text.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::YamlError;

/// A place in the text: line and column, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

/// A value and its place; a node made by an override has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub mark: Option<Mark>,
    /// A plain scalar exactly as written: `1.10` asked for as text is `1.10`, not `1.1`.
    pub written: Option<String>,
    range: Option<Range<usize>>,
    /// The value.
    pub value: Value,
}

/// A value of the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number above the range of `i64`.
    Unsigned(u64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Fields in the order written.
    Mapping(Vec<Entry>),
}

/// One field of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// Where the name begins.
    pub mark: Option<Mark>,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// A node that stands nowhere in the text.
    pub fn new(value: Value) -> Self {
        Self {
            mark: None,
            written: None,
            range: None,
            value,
        }
    }

    /// The scalar as text, numbers and booleans as they were written.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => self.written.as_deref(),
        }
    }

    /// The value of a field, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.node),
            _ => None,
        }
    }

    /// Cuts the scalars' own spelling out of the text, now that it is at hand.
    fn place(&mut self, text: &str) {
        match &mut self.value {
            Value::Sequence(items) => items.iter_mut().for_each(|item| item.place(text)),
            Value::Mapping(entries) => entries.iter_mut().for_each(|entry| entry.node.place(text)),
            Value::Null | Value::Text(_) => {}
            _ => {
                self.written = self
                    .range
                    .clone()
                    .and_then(|range| text.get(range))
                    .map(|written| written.trim_end().to_owned());
            }
        }
    }
}

/// How deep mappings and lists may stand in each other. Every level is a few calls on the stack, and a stack that ends
/// takes the whole process with it: an unoptimised build has used up a server thread's 2 MiB at some 45 levels.
const MAX_DEPTH: usize = 20;

/// Parses one document into a tree.
pub(super) fn parse(text: &str) -> Result<Node, YamlError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: 200_000, max_documents: 1 },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    let spanned: Spanned<Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax_error(&error))?;
    let mut root = Node::from(spanned);
    root.place(text);
    Ok(root)
}

fn syntax_error(error: &serde_saphyr::Error) -> YamlError {
    let mark = error.location().and_then(mark_of);
    let words = error.without_snippet().to_string();
    // the place is told once, by `YamlError`; the library's advice on its own options helps nobody
    let message = words.split(" at line ").next().unwrap_or(&words);
    let message = message.split(", set ").next().unwrap_or(message);
    let message = message.trim_end_matches([' ', ',', ':']);
    YamlError::new(format!("not valid YAML: {message}")).at(mark)
}

fn mark_of(location: Location) -> Option<Mark> {
    (location.line() > 0).then(|| Mark {
        line: location.line(),
        column: location.column(),
    })
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        let span = spanned.defined.span();
        let start = span
            .byte_offset()
            .and_then(|start| usize::try_from(start).ok());
        let length = span
            .byte_len()
            .and_then(|length| usize::try_from(length).ok());
        let range = start
            .zip(length)
            .and_then(|(start, length)| Some(start..start.checked_add(length)?));
        Self {
            mark: mark_of(spanned.referenced),
            written: None,
            range,
            value: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Unsigned(value), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Value>>()? {
            items.push(Node::from(item));
        }
        Ok(Value::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let mark = mark_of(key.referenced);
            let node = Node::from(access.next_value::<Spanned<Value>>()?);
            entries.push(Entry {
                key: key.value,
                mark,
                node,
            });
        }
        Ok(Value::Mapping(entries))
    }
}
