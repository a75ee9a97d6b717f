//! A span's attributes: to each name the text of a JSON value, which is how MLflow keeps them.

use serde_json::{Map, Value};

use crate::otlp::Attribute;

/// The attribute that names the trace.
pub const TRACE_ID: &str = "mlflow.traceRequestId";
/// The attribute that tells the type.
pub const TYPE: &str = "mlflow.spanType";
/// The attribute that holds the inputs.
pub const INPUTS: &str = "mlflow.spanInputs";
/// The attribute that holds the outputs.
pub const OUTPUTS: &str = "mlflow.spanOutputs";
/// The attribute that counts the tokens.
pub const USAGE: &str = "mlflow.chat.tokenUsage";
/// The attribute that tells the cost.
pub const COST: &str = "mlflow.llm.cost";
/// The attribute that names the model.
pub const MODEL: &str = "mlflow.llm.model";
/// The attribute that names the model's provider.
pub const PROVIDER: &str = "mlflow.llm.provider";
/// The attribute that lists the tools a model may call.
pub const TOOLS: &str = "mlflow.chat.tools";
/// The attribute that says how messages are written.
pub const FORMAT: &str = "mlflow.message.format";
/// The attribute that names the session.
pub const SESSION: &str = "session.id";
/// Another name of the session.
pub const CONVERSATION: &str = "gen_ai.conversation.id";
/// The attribute that names the user.
pub const USER: &str = "user.id";
/// Begins the attributes of a root that are tags of its trace.
pub const TAG_PREFIX: &str = "mlflow.traceTag.";

/// Attributes of one span. Every value in the map is a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// As they were sent; of several with one name the last counts.
    pub fn of(sent: &[Attribute]) -> Self {
        let mut attributes = Self(Map::with_capacity(sent.len() + 1));
        for attribute in sent {
            attributes.put(&attribute.key, attribute.value.dumped());
        }
        attributes
    }

    /// The text kept under a name.
    pub fn raw(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }

    /// Whether there is such a name.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// All names with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.0.iter();
        texts.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// The value under a name; a text that is no JSON is itself.
    pub fn value(&self, key: &str) -> Option<Value> {
        Some(parsed(self.raw(key)?))
    }

    /// The value under a name, if it is a text or was meant as one.
    pub fn decoded(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value under a name as a text, whatever it is: `5` is `"5"`.
    pub fn as_text(&self, key: &str) -> Option<String> {
        let raw = self.raw(key)?;
        Some(self.decoded(key).unwrap_or_else(|| raw.to_owned()))
    }

    /// The value under a name, if it is an object.
    pub fn object(&self, key: &str) -> Option<Map<String, Value>> {
        match self.value(key)? {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The text under a name, unless its value is null, empty, zero or false.
    pub fn filled(&self, key: &str) -> Option<&str> {
        let raw = self.raw(key).filter(|raw| !raw.is_empty())?;
        let empty = serde_json::from_str(raw).is_ok_and(|value| is_empty(&value));
        (!empty).then_some(raw)
    }

    /// Keeps a text that is JSON already.
    pub fn put(&mut self, key: &str, raw: impl Into<String>) {
        self.0.insert(key.to_owned(), Value::String(raw.into()));
    }

    /// Keeps a value.
    pub fn put_value(&mut self, key: &str, value: &Value) {
        self.put(key, crate::python_json::unescaped(value));
    }

    /// Keeps a text as a value.
    pub fn put_text(&mut self, key: &str, text: &str) {
        self.put_value(key, &Value::from(text));
    }

    /// A text whose content is itself the JSON of a text, a list or an object was written twice on its way: once is enough.
    pub fn unwrap_doubles(&mut self) {
        for value in self.0.values_mut() {
            let Some(inner) = value.as_str().and_then(twice) else {
                continue;
            };
            *value = Value::String(inner);
        }
    }

    /// The map itself, to be written.
    pub(super) const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Whether a value is null, false, zero or empty, as programs ask that only want to know whether something is there.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

/// The value of a JSON text; a text that is none is itself.
pub(super) fn parsed(raw: &str) -> Value {
    serde_json::from_str(raw).unwrap_or_else(|_| Value::from(raw))
}

fn twice(raw: &str) -> Option<String> {
    if !raw.starts_with('"') {
        return None;
    }
    let inner: String = serde_json::from_str(raw).ok()?;
    let begins = inner.trim_start().starts_with(['"', '[', '{']);
    let json = begins && serde_json::from_str::<serde::de::IgnoredAny>(&inner).is_ok();
    json.then_some(inner)
}
