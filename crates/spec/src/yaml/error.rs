//! What can be wrong with a document: one error type with a place in it.

use std::fmt;

use super::node::Mark;

/// A mistake in a document, with as much of its place as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// The file or the words that name the source.
    pub origin: Option<String>,
    /// Line and column, counted from one.
    pub mark: Option<Mark>,
    /// The dotted path of the field.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl YamlError {
    /// An error with no place yet.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            origin: None,
            mark: None,
            field: None,
            message: message.into(),
            hint: None,
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the field.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        self.field = (!field.is_empty()).then(|| field.to_owned());
        self
    }

    pub(super) fn in_origin(mut self, origin: &str) -> Self {
        self.origin.get_or_insert_with(|| origin.to_owned());
        self
    }

    /// Places the error, unless something nearer to the mistake has done so.
    pub(super) fn at(mut self, mark: Option<Mark>) -> Self {
        self.mark = self.mark.or(mark);
        self
    }

    /// Puts one more step before the field's path, on the way out of the tree.
    pub(super) fn under(mut self, step: &str) -> Self {
        self.field = Some(match self.field.take() {
            None => step.to_owned(),
            Some(rest) if rest.starts_with('[') => format!("{step}{rest}"),
            Some(rest) => format!("{step}.{rest}"),
        });
        self
    }

    /// The message, without the place: `field: message; hint`.
    pub fn summary(&self) -> String {
        let field = self
            .field
            .as_ref()
            .map(|field| format!("{field}: "))
            .unwrap_or_default();
        let hint = self
            .hint
            .as_ref()
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        format!("{field}{}{hint}", self.message)
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}:")?;
            if let Some(mark) = self.mark {
                write!(f, "{}:{}:", mark.line, mark.column)?;
            }
            write!(f, " ")?;
        }
        write!(f, "{}", self.summary())
    }
}

impl std::error::Error for YamlError {}

impl serde::de::Error for YamlError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let error = Self::new("unknown field").with_field(field);
        match (super::nearest(field, expected.iter().copied()), expected) {
            (Some(near), _) => error.with_hint(format!("did you mean `{near}`?")),
            (None, []) => error.with_hint("no fields are known here"),
            (None, known) => error.with_hint(format!("known fields are {}", listed(known))),
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let error = Self::new(format!("`{variant}` is not one of {}", listed(expected)));
        match super::nearest(variant, expected.iter().copied()) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("this field is required and is missing").with_field(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("this field stands here twice").with_field(field)
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!(
            "expected {}, found {}",
            wanted(expected),
            in_words(&found)
        ))
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!(
            "expected {}, found {}",
            wanted(expected),
            in_words(&found)
        ))
    }
}

fn listed(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The wish of a visitor, in the words of a YAML file instead of Rust's.
fn wanted(expected: &dyn serde::de::Expected) -> String {
    let words = expected.to_string();
    match words.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 up".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" => "text".to_owned(),
        "a map" => "a mapping".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        _ => words,
    }
}

fn in_words(found: &serde::de::Unexpected<'_>) -> String {
    use serde::de::Unexpected as U;
    match found {
        U::Unit | U::Option => "nothing".to_owned(),
        U::Map | U::StructVariant => "a mapping".to_owned(),
        U::Seq | U::TupleVariant => "a list".to_owned(),
        U::Str(text) if text.chars().count() > 60 => "a long text".to_owned(),
        U::Str(text) => format!("the text `{text}`"),
        U::Bool(value) => format!("`{value}`"),
        U::Signed(value) => format!("the number {value}"),
        U::Unsigned(value) => format!("the number {value}"),
        U::Float(value) => format!("the number {value}"),
        other => other.to_string(),
    }
}
