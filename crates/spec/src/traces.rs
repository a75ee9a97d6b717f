//! Traces: what an application did for one request, without the spans it is made of.
//!
//! Clients see tags and metadata; some of those are kept apart because searches and charts ask for them: the name is a
//! tag to clients, the session, the tokens and the cost are metadata.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::assessments::Assessment;
use crate::experiments::ExperimentId;
use crate::invalid::Invalid;
use crate::runs::KeyValue;
use crate::{limits, python_json};

/// The tag that holds a trace's name.
pub const TAG_NAME: &str = "mlflow.traceName";
/// The tag that says where the trace's files are.
pub const TAG_ARTIFACTS: &str = "mlflow.artifactLocation";
/// The tag that says where the spans are.
pub const TAG_SPANS_LOCATION: &str = "mlflow.trace.spansLocation";
/// The value of that tag when the spans are in the database.
pub const SPANS_IN_STORE: &str = "TRACKING_STORE";
/// The tag that names linked prompts; not stored, a filter on it looks at the links.
pub const TAG_PROMPTS: &str = "mlflow.linkedPrompts";
/// The metadata that names the run in which the trace was made.
pub const META_SOURCE_RUN: &str = "mlflow.sourceRun";
/// The metadata that names the session.
pub const META_SESSION: &str = "mlflow.trace.session";
/// The metadata that names the user.
pub const META_USER: &str = "mlflow.trace.user";
/// The metadata that counts tokens, as JSON.
pub const META_TOKENS: &str = "mlflow.trace.tokenUsage";
/// The metadata that tells the cost, as JSON.
pub const META_COST: &str = "mlflow.trace.cost";
/// The metadata that says that the client gave the trace's own values, which spans that come later do not change.
pub const META_FINALIZED: &str = "mlflow.trace.infoFinalized";

/// Longest id of a trace.
pub const ID: usize = 250;
/// Longest preview of a request or a response; longer ones are cut.
pub const PREVIEW: usize = 1_000;
/// Longest name, and longest value of a tag that is shown.
pub const TAG_VALUE_SHOWN: usize = 4_096;
/// Longest session, and longest key and value of metadata that are shown.
pub const META_SHOWN: usize = 250;
/// Most tags, and most metadata, in one request.
pub const PAIRS: usize = 1_000;

/// How a trace ended, if it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceState {
    /// Nobody said.
    #[default]
    Unspecified,
    /// Well.
    Ok,
    /// In error.
    Error,
    /// Not yet.
    InProgress,
}

impl TraceState {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "STATE_UNSPECIFIED",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::InProgress => "IN_PROGRESS",
        }
    }

    /// Reads the word, in the present protocol's form or the former's, or the protocol's number for it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "STATE_UNSPECIFIED" | "TRACE_STATUS_UNSPECIFIED" | "0" => Some(Self::Unspecified),
            "OK" | "1" => Some(Self::Ok),
            "ERROR" | "2" => Some(Self::Error),
            "IN_PROGRESS" | "3" => Some(Self::InProgress),
            _ => None,
        }
    }

    /// Whether the trace's end is still to come or unknown.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Unspecified | Self::InProgress)
    }
}

/// The counts of tokens, in the order of [`TokenUsage::KEYS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage(pub [Option<i64>; 6]);

impl TokenUsage {
    /// Their names, which are also the columns'.
    pub const KEYS: [&'static str; 6] = [
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation_input_tokens_above_1hr",
    ];

    /// From a JSON object: whole numbers are taken, anything else is no count.
    pub fn from_object(object: &Map<String, Value>) -> Self {
        Self(Self::KEYS.map(|key| object.get(key).and_then(whole)))
    }

    /// From the text of a JSON object; whatever else the text is, it counts nothing.
    pub fn from_json(text: &str) -> Self {
        object(text).map_or_else(Self::default, |object| Self::from_object(&object))
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// As clients read it, if anything is counted.
    pub fn to_json(&self) -> Option<String> {
        let known = Self::KEYS.iter().zip(self.0);
        text(known.filter_map(|(key, count)| Some((*key, json!(count?)))))
    }

    /// The counts of `other` where it has some, these elsewhere.
    #[must_use]
    pub fn overlaid(self, other: Self) -> Self {
        let mut counts = self.0;
        for (count, new) in counts.iter_mut().zip(other.0) {
            *count = new.or(*count);
        }
        Self(counts)
    }
}

/// What a trace cost, in the order of [`Cost::KEYS`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost(pub [Option<f64>; 3]);

impl Cost {
    /// The names of the parts, which are also the columns'.
    pub const KEYS: [&'static str; 3] = ["input_cost", "output_cost", "total_cost"];

    /// From a JSON object: finite numbers are taken, anything else is no cost.
    pub fn from_object(object: &Map<String, Value>) -> Self {
        Self(Self::KEYS.map(|key| object.get(key).and_then(finite)))
    }

    /// From the text of a JSON object; whatever else the text is, it tells no cost.
    pub fn from_json(text: &str) -> Self {
        object(text).map_or_else(Self::default, |object| Self::from_object(&object))
    }

    /// Whether no cost is known.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// As clients read it, if any cost is known.
    pub fn to_json(&self) -> Option<String> {
        let known = Self::KEYS.iter().zip(self.0);
        text(known.filter_map(|(key, cost)| Some((*key, json!(cost?)))))
    }

    /// The costs of `other` where it has some, these elsewhere.
    #[must_use]
    pub fn overlaid(self, other: Self) -> Self {
        let mut costs = self.0;
        for (cost, new) in costs.iter_mut().zip(other.0) {
            *cost = new.or(*cost);
        }
        Self(costs)
    }
}

fn object(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn text<'k>(known: impl Iterator<Item = (&'k str, Value)>) -> Option<String> {
    let object: Map<String, Value> = known.map(|(key, value)| (key.to_owned(), value)).collect();
    (!object.is_empty()).then(|| python_json::text(&Value::Object(object)))
}

/// A whole number, as a number or as text.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A finite number, as a number or as text.
fn finite(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// A trace without its spans and assessments.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceInfo {
    /// Its id, unique within the workspace.
    pub trace_id: String,
    /// The experiment it belongs to.
    pub experiment_id: ExperimentId,
    /// When the request came, milliseconds since 1970.
    pub request_time_ms: i64,
    /// How long it took, once it is known.
    pub execution_duration_ms: Option<i64>,
    /// How it ended.
    pub state: TraceState,
    /// The application's own id of the request.
    pub client_request_id: Option<String>,
    /// The beginning of what was asked.
    pub request_preview: Option<String>,
    /// The beginning of what was answered.
    pub response_preview: Option<String>,
    /// Its name: the tag [`TAG_NAME`].
    pub name: Option<String>,
    /// Its session: the metadata [`META_SESSION`].
    pub session_id: Option<String>,
    /// Its tokens: the metadata [`META_TOKENS`].
    pub tokens: TokenUsage,
    /// Its cost: the metadata [`META_COST`].
    pub cost: Cost,
    /// The other tags, by key.
    pub tags: Vec<KeyValue>,
    /// The other metadata, by key.
    pub metadata: Vec<KeyValue>,
    /// What was said about it, oldest first.
    pub assessments: Vec<Assessment>,
}

impl TraceInfo {
    /// A trace that has only begun.
    pub fn new(
        trace_id: impl Into<String>,
        experiment_id: ExperimentId,
        request_time_ms: i64,
    ) -> Self {
        Self {
            trace_id: trace_id.into(),
            experiment_id,
            request_time_ms,
            execution_duration_ms: None,
            state: TraceState::InProgress,
            client_request_id: None,
            request_preview: None,
            response_preview: None,
            name: None,
            session_id: None,
            tokens: TokenUsage::default(),
            cost: Cost::default(),
            tags: Vec::new(),
            metadata: Vec::new(),
            assessments: Vec::new(),
        }
    }

    /// All tags as clients see them, cut to what is shown.
    pub fn shown_tags(&self) -> BTreeMap<String, String> {
        let name = self.name.iter().map(|name| (TAG_NAME, name.as_str()));
        let others = self
            .tags
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()));
        let cut = |(key, value): (&str, &str)| {
            let key = limits::cut(key.to_owned(), limits::KEY);
            (key, limits::cut(value.to_owned(), TAG_VALUE_SHOWN))
        };
        others.chain(name).map(cut).collect()
    }

    /// All metadata as clients see them, cut to what is shown.
    pub fn shown_metadata(&self) -> BTreeMap<String, String> {
        let others = self
            .metadata
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()));
        let session = self
            .session_id
            .clone()
            .map(|id| (META_SESSION.to_owned(), id));
        let tokens = self
            .tokens
            .to_json()
            .map(|text| (META_TOKENS.to_owned(), text));
        let cost = self.cost.to_json().map(|text| (META_COST.to_owned(), text));
        let apart = [session, tokens, cost].into_iter().flatten();
        let cut = |(key, value)| (limits::cut(key, META_SHOWN), limits::cut(value, META_SHOWN));
        others.chain(apart).map(cut).collect()
    }

    /// The value of one of [`tags`](Self::tags).
    pub fn tag(&self, key: &str) -> Option<&str> {
        let found = self.tags.iter().find(|tag| tag.key == key);
        found.map(|tag| tag.value.as_str())
    }

    /// The value of one of [`metadata`](Self::metadata).
    pub fn meta(&self, key: &str) -> Option<&str> {
        let found = self.metadata.iter().find(|pair| pair.key == key);
        found.map(|pair| pair.value.as_str())
    }

    /// Takes tags in, later ones over earlier ones; that of the name becomes the name.
    pub fn put_tags(&mut self, tags: impl IntoIterator<Item = KeyValue>) {
        for tag in tags {
            if tag.key == TAG_NAME {
                self.name = Some(tag.value);
            } else {
                put(&mut self.tags, tag);
            }
        }
    }

    /// Takes metadata in, later ones over earlier ones; session, tokens and cost go to their own places.
    pub fn put_metadata(&mut self, metadata: impl IntoIterator<Item = KeyValue>) {
        for pair in metadata {
            match pair.key.as_str() {
                META_SESSION => self.session_id = Some(pair.value),
                META_TOKENS => {
                    self.tokens = self.tokens.overlaid(TokenUsage::from_json(&pair.value));
                }
                META_COST => self.cost = self.cost.overlaid(Cost::from_json(&pair.value)),
                _ => put(&mut self.metadata, pair),
            }
        }
    }
}

fn put(pairs: &mut Vec<KeyValue>, new: KeyValue) {
    match pairs.iter_mut().find(|pair| pair.key == new.key) {
        Some(pair) => pair.value = new.value,
        None => pairs.push(new),
    }
}

/// A trace's id: it also names a folder of files, so it holds letters, digits and a few harmless signs.
pub fn validate_id(trace_id: &str) -> Result<(), Invalid> {
    let begins_well = trace_id.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let goes_on_well = trace_id
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '='));
    if begins_well && goes_on_well && trace_id.chars().count() <= ID {
        return Ok(());
    }
    Err(Invalid::value("trace_id", trace_id, ""))
}

/// Checks a tag's key and cuts its value to what is kept.
pub fn clean_tag(tag: KeyValue) -> Result<KeyValue, Invalid> {
    let tag = crate::runs::clean_tag(tag, "")?;
    check_apart(TAG_NAME, "Trace name", TAG_VALUE_SHOWN, &tag)?;
    Ok(tag)
}

/// Checks a pair of metadata and cuts its value to what is kept.
pub fn clean_metadata(pair: KeyValue) -> Result<KeyValue, Invalid> {
    limits::length("key", limits::KEY, &pair.key)?;
    check_apart(META_SESSION, "Session ID", META_SHOWN, &pair)?;
    let value = limits::cut(pair.value, limits::TAG_VALUE);
    Ok(KeyValue {
        key: pair.key,
        value,
    })
}

fn check_apart(key: &str, what: &str, limit: usize, pair: &KeyValue) -> Result<(), Invalid> {
    if pair.key == key {
        limits::length(what, limit, &pair.value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_apart_is_shown_where_clients_look_for_it() {
        let mut info = TraceInfo::new("tr-1", ExperimentId(3), 5);
        info.put_tags([
            KeyValue::new(TAG_NAME, "answer"),
            KeyValue::new("a", "x"),
            KeyValue::new("a", "y"),
        ]);
        info.put_metadata([
            KeyValue::new(META_SESSION, "s-1"),
            KeyValue::new(
                META_TOKENS,
                r#"{"input_tokens": 3, "output_tokens": "4", "other": 1, "total_tokens": 1.5}"#,
            ),
            KeyValue::new(META_COST, r#"{"total_cost": 0.5, "input_cost": "x"}"#),
            KeyValue::new("k", "v"),
        ]);
        let pairs = |map: BTreeMap<String, String>| map.into_iter().collect::<Vec<_>>();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            pairs(info.shown_tags()),
            [pair("a", "y"), pair(TAG_NAME, "answer")]
        );
        assert_eq!(
            pairs(info.shown_metadata()),
            [
                pair("k", "v"),
                pair(META_COST, r#"{"total_cost": 0.5}"#),
                pair(META_SESSION, "s-1"),
                pair(META_TOKENS, r#"{"input_tokens": 3, "output_tokens": 4}"#),
            ]
        );
    }

    #[test]
    fn no_json_counts_nothing() {
        for text in ["", "[]", "{", "null", "{\"input_tokens\": true}"] {
            assert!(TokenUsage::from_json(text).is_empty(), "{text}");
        }
        assert!(Cost::from_json("{\"total_cost\": 1e999}").is_empty());
    }

    #[test]
    fn ids_are_harmless_names() {
        for good in ["tr-0f", "request_1", "abc.d:e", "é1"] {
            assert_eq!(validate_id(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "a\n", "a%2e"] {
            assert!(validate_id(bad).is_err(), "{bad:?}");
        }
        assert!(validate_id(&"a".repeat(251)).is_err());
    }

    #[test]
    fn long_values_are_cut_when_shown() {
        let mut info = TraceInfo::new("tr-1", ExperimentId(0), 0);
        info.put_metadata([KeyValue::new("k", "v".repeat(300))]);
        info.put_tags([KeyValue::new("k", "v".repeat(5_000))]);
        assert_eq!(info.shown_metadata()["k"].len(), META_SHOWN);
        assert_eq!(info.shown_tags()["k"].len(), TAG_VALUE_SHOWN);
    }
}
