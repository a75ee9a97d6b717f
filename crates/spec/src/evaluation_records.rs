//! Records of evaluation data sets: what clients send, what is kept, and how the two are brought together.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::evaluation_datasets::{RECORDS, TAG_USER, parsed};
use crate::invalid::Invalid;

/// Most records on one page.
pub const PAGE: u32 = 50_000;

/// A JSON object.
pub type Object = Map<String, Value>;

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    /// Not said.
    Unspecified,
    /// A trace.
    Trace,
    /// A person.
    Human,
    /// A document.
    Document,
    /// A program.
    Code,
}

impl SourceType {
    const ALL: [Self; 5] = [
        Self::Unspecified,
        Self::Trace,
        Self::Human,
        Self::Document,
        Self::Code,
    ];

    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::Trace => "TRACE",
            Self::Human => "HUMAN",
            Self::Document => "DOCUMENT",
            Self::Code => "CODE",
        }
    }

    /// Reads the word, in upper or lower case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// A record's source.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its type.
    pub kind: SourceType,
    /// More about it.
    pub data: Object,
}

impl Source {
    /// The id of the trace, or of whatever else it comes from.
    pub fn id(&self) -> Option<&str> {
        let key = match self.kind {
            SourceType::Trace => "trace_id",
            _ => "source_id",
        };
        self.data.get(key).and_then(Value::as_str)
    }

    /// As it is stored and shown.
    pub fn to_json(&self) -> Value {
        json!({ "source_type": self.kind.as_str(), "source_data": self.data })
    }

    /// Reads what [`to_json`](Self::to_json) or a client wrote.
    pub fn from_json(value: &Value) -> Result<Self, Invalid> {
        let Value::Object(fields) = value else {
            return Err(Invalid::new(
                "the `source` of a record must be an object with `source_type` and `source_data`",
            ));
        };
        if let Some(other) = fields
            .keys()
            .find(|key| !matches!(key.as_str(), "source_type" | "source_data"))
        {
            return Err(Invalid(format!(
                "the `source` of a record has an unknown field `{other}`; it takes `source_type` and `source_data`"
            )));
        }
        let word = fields.get("source_type").and_then(Value::as_str);
        let kind = word.and_then(SourceType::parse).ok_or_else(|| {
            let valid: Vec<String> = SourceType::ALL
                .iter()
                .map(|kind| format!("'{}'", kind.as_str()))
                .collect();
            Invalid(format!(
                "Invalid dataset record source type: {}. Valid source types: [{}]",
                word.unwrap_or("None"),
                valid.join(", ")
            ))
        })?;
        let data = object("source.source_data", fields.get("source_data"))?.unwrap_or_default();
        Ok(Self { kind, data })
    }
}

/// A record as a client sends it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentRecord {
    /// What the application is given.
    pub inputs: Object,
    /// What it answered, where that was sent; an explicit null takes it away.
    pub outputs: Option<Value>,
    /// What it should answer.
    pub expectations: Option<Object>,
    /// Tags.
    pub tags: Option<Object>,
    /// Where it comes from.
    pub source: Option<Source>,
}

impl SentRecord {
    /// Who sends it, as the client says.
    pub fn user(&self) -> Option<&str> {
        self.tags.as_ref()?.get(TAG_USER)?.as_str()
    }

    /// Equal for equal inputs, whatever the order of their keys.
    pub fn input_hash(&self) -> String {
        let inputs = Value::Object(sorted_fields(&self.inputs));
        hex::encode(Sha256::digest(inputs.to_string()))
    }
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationRecord {
    /// `dr-` and 32 hexadecimal digits.
    pub record_id: String,
    /// The hash of the inputs.
    pub input_hash: String,
    /// What the application is given.
    pub inputs: Object,
    /// What it answered.
    pub outputs: Option<Value>,
    /// What it should answer.
    pub expectations: Option<Object>,
    /// Tags.
    pub tags: Object,
    /// Where it comes from: what was said first stays.
    pub source: Option<Source>,
    /// When it was first sent.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who sent it first, as the client says.
    pub created_by: Option<String>,
    /// Who changed it last, as the client says.
    pub last_updated_by: Option<String>,
}

impl EvaluationRecord {
    /// The first record with these inputs.
    pub fn new(record_id: String, input_hash: String, sent: SentRecord, now: Timestamp) -> Self {
        let user = sent.user().map(str::to_owned);
        Self {
            record_id,
            input_hash,
            outputs: sent.outputs.map_or_else(
                || Some(json!({})),
                |value| Some(value).filter(|v| !v.is_null()),
            ),
            inputs: sent.inputs,
            expectations: sent.expectations,
            tags: sent.tags.unwrap_or_default(),
            source: sent.source,
            created_at: now,
            updated_at: now,
            created_by: user.clone(),
            last_updated_by: user,
        }
    }

    /// The same inputs came again: outputs replace those that are there, expectations and tags are added to them.
    pub fn merge(&mut self, sent: SentRecord, now: Timestamp) {
        let user = sent.user().map(str::to_owned);
        if let Some(outputs) = sent.outputs {
            self.outputs = Some(outputs).filter(|value| !value.is_null());
        }
        if let Some(expectations) = sent.expectations.filter(|fields| !fields.is_empty()) {
            self.expectations
                .get_or_insert_default()
                .extend(expectations);
        }
        self.tags.extend(sent.tags.unwrap_or_default());
        self.updated_at = now;
        if user.is_some() {
            self.last_updated_by = user;
        }
    }
}

/// Records as a client sends them: a text that holds a JSON list.
pub fn sent(text: &str) -> Result<Vec<SentRecord>, Invalid> {
    let Value::Array(records) = parsed("records", text)? else {
        return Err(Invalid::new(
            "Invalid value for parameter 'records' supplied: it must be a text that holds a JSON list",
        ));
    };
    if records.len() > RECORDS {
        return Err(Invalid(format!(
            "'records' has {} entries; the limit is {RECORDS} in one request",
            records.len()
        )));
    }
    let numbered = records.into_iter().enumerate();
    numbered
        .map(|(index, record)| {
            one(record).map_err(|error| Invalid(format!("records[{index}]: {error}")))
        })
        .collect()
}

fn one(record: Value) -> Result<SentRecord, Invalid> {
    let Value::Object(mut fields) = record else {
        return Err(Invalid::new("Each record must be a dictionary"));
    };
    let inputs = fields.remove("inputs");
    if inputs == Some(Value::Null) {
        return Err(Invalid::new("inputs must be provided"));
    }
    let source = fields
        .get("source")
        .filter(|value| !value.is_null() && value.as_object().is_none_or(|o| !o.is_empty()));
    Ok(SentRecord {
        source: source.map(Source::from_json).transpose()?,
        inputs: object("inputs", inputs.as_ref())?.unwrap_or_default(),
        expectations: object("expectations", fields.get("expectations"))?,
        tags: object("tags", fields.get("tags"))?,
        outputs: fields.remove("outputs"),
    })
}

fn object(field: &str, value: Option<&Value>) -> Result<Option<Object>, Invalid> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields.clone())),
        Some(_) => Err(Invalid(format!("`{field}` must be an object"))),
    }
}

fn sorted_fields(fields: &Object) -> Object {
    let mut pairs: Vec<(&String, &Value)> = fields.iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs
        .into_iter()
        .map(|(key, value)| (key.clone(), sorted(value)))
        .collect()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(sorted_fields(fields)),
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn equal_inputs_have_one_hash() {
        let records = sent(
            r#"[{"inputs": {"a": 1, "b": {"x": 1, "y": [2]}}}, {"inputs": {"b": {"y": [2], "x": 1}, "a": 1}}, {"inputs": {"a": 1.0}}, {}]"#,
        )
        .unwrap();
        let hashes: Vec<String> = records.iter().map(SentRecord::input_hash).collect();
        assert_eq!(hashes[0], hashes[1]);
        assert_ne!(hashes[1], hashes[2]);
        assert!(records[3].inputs.is_empty());
    }

    #[test]
    fn a_record_sent_again_is_merged() {
        let mut records = sent(
            r#"[{"inputs": {}, "outputs": "one", "expectations": {"a": 1}, "tags": {"mlflow.user": "ann", "t": "1"},
                 "source": {"source_type": "trace", "source_data": {"trace_id": "tr-1"}}},
                {"inputs": {}, "expectations": {"b": 2}, "tags": {"t": "2"}, "source": {"source_type": "HUMAN"}},
                {"inputs": {}, "outputs": null, "expectations": {}, "tags": {"mlflow.user": "bob"}}]"#,
        )
        .unwrap()
        .into_iter();
        let mut next = || records.next().unwrap();
        let mut record = EvaluationRecord::new("dr-1".into(), "h".into(), next(), at(1));
        record.merge(next(), at(2));
        assert_eq!(record.outputs, Some(json!("one")));
        assert_eq!(record.last_updated_by.as_deref(), Some("ann"));
        record.merge(next(), at(3));
        assert_eq!(record.outputs, None);
        assert_eq!(
            Value::from(record.expectations.unwrap()),
            json!({"a": 1, "b": 2})
        );
        assert_eq!(
            Value::from(record.tags),
            json!({"mlflow.user": "bob", "t": "2"})
        );
        assert_eq!(record.source.as_ref().and_then(Source::id), Some("tr-1"));
        assert_eq!(record.created_by.as_deref(), Some("ann"));
        assert_eq!(record.last_updated_by.as_deref(), Some("bob"));
        assert_eq!((record.created_at, record.updated_at), (at(1), at(3)));
    }

    #[test]
    fn what_was_not_answered_is_an_empty_answer() {
        let record = sent(r#"[{"inputs": {"q": 1}}]"#).unwrap().remove(0);
        let record = EvaluationRecord::new(String::new(), String::new(), record, at(1));
        assert_eq!(record.outputs, Some(json!({})));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bad in [
            "{}",
            "[1]",
            r#"[{"inputs": null}]"#,
            r#"[{"inputs": []}]"#,
            r#"[{"inputs": {}, "expectations": "x"}]"#,
            r#"[{"inputs": {}, "tags": []}]"#,
            r#"[{"inputs": {}, "source": {"source_type": "WIND"}}]"#,
            r#"[{"inputs": {}, "source": {"source_type": "HUMAN", "more": 1}}]"#,
            r#"[{"inputs": {"a": NaN}}]"#,
        ] {
            assert!(sent(bad).is_err(), "{bad}");
        }
        let message = sent(r#"[{"inputs": {}}, {"inputs": {}, "source": "x"}]"#)
            .unwrap_err()
            .0;
        assert!(message.starts_with("records[1]: the `source`"), "{message}");
    }
}
