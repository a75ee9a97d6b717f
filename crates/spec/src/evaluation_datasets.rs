//! Evaluation data sets: inputs with what is expected of them, collected over time and used to judge an application.
//!
//! A record is known by its inputs: the same inputs sent again change the record that is there (`EvaluationRecord::merge`).
//! The data set keeps the names and types of the fields it has seen, and a digest that changes with its content.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::experiments::ExperimentId;
use crate::invalid::Invalid;
use crate::limits;
use crate::python_json;
use crate::runs::KeyValue;

/// The tag that says who made or changed something.
pub const TAG_USER: &str = "mlflow.user";
/// Longest name of a data set, and longest key of its tags.
pub const NAME: usize = 255;
/// Longest value of a tag.
pub const TAG_VALUE: usize = 5_000;
/// Most tags in one request.
pub const TAGS: usize = 100;
/// Most experiments in one request.
pub const EXPERIMENTS: usize = 1_000;
/// Most records in one request.
pub const RECORDS: usize = 50_000;
/// Most different fields in the schema of one data set.
pub const FIELDS: usize = 10_000;

/// An evaluation data set, without its records.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationDataset {
    /// `d-` and 32 hexadecimal digits.
    pub dataset_id: String,
    /// Its name; need not be unique.
    pub name: String,
    /// Its tags, by key.
    pub tags: Vec<KeyValue>,
    /// The fields seen so far and their types, as JSON.
    pub schema: Option<String>,
    /// How many records it has.
    pub records: i64,
    /// Changes with its records.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who made it, as the client says.
    pub created_by: Option<String>,
    /// Who last sent records, as the client says.
    pub last_updated_by: Option<String>,
}

impl EvaluationDataset {
    /// What clients call the profile: the number of records, as JSON; none without records.
    pub fn profile(&self) -> Option<String> {
        (self.records > 0).then(|| format!("{{\"num_records\": {}}}", self.records))
    }
}

/// The digest of a data set that changed at this moment.
pub fn digest(name: &str, changed: Timestamp) -> String {
    let text = format!("{name}:{}", changed.as_millis());
    hex::encode(&Sha256::digest(text)[..4])
}

/// The name of a data set.
pub fn name(name: &str) -> Result<(), Invalid> {
    if name.trim().is_empty() {
        return Err(Invalid::missing("name"));
    }
    limits::length("name", NAME, name)
}

/// Tags as a client sends them: a text that holds a JSON object. A null sets nothing.
pub fn tags(text: &str) -> Result<Vec<KeyValue>, Invalid> {
    let Value::Object(fields) = parsed("tags", text)? else {
        return Err(Invalid::new(
            "Invalid value for parameter 'tags' supplied: it must be a text that holds a JSON object",
        ));
    };
    if fields.len() > TAGS {
        return Err(Invalid(format!(
            "'tags' has {} entries; the limit is {TAGS} in one request",
            fields.len()
        )));
    }
    let given = fields.into_iter().filter(|(_, value)| !value.is_null());
    let tags = given.map(|(key, value)| KeyValue::new(key, python_text(&value)));
    tags.map(checked_tag).collect()
}

fn checked_tag(tag: KeyValue) -> Result<KeyValue, Invalid> {
    if tag.key.is_empty() {
        return Err(Invalid::missing("tags.key"));
    }
    limits::length("tags.key", NAME, &tag.key)?;
    limits::length("tags.value", TAG_VALUE, &tag.value)?;
    Ok(tag)
}

/// What Python's `str` makes of a value.
fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => python_json::text(other),
    }
}

/// Experiment ids as a client sends them.
pub fn experiments(ids: &[String]) -> Result<Vec<ExperimentId>, Invalid> {
    if ids.len() > EXPERIMENTS {
        return Err(Invalid(format!(
            "'experiment_ids' has {} entries; the limit is {EXPERIMENTS}",
            ids.len()
        )));
    }
    let mut parsed: Vec<ExperimentId> = Vec::with_capacity(ids.len());
    for id in ids {
        let id = ExperimentId::parse(id)?;
        if !parsed.contains(&id) {
            parsed.push(id);
        }
    }
    Ok(parsed)
}

pub(crate) fn parsed(parameter: &str, text: &str) -> Result<Value, Invalid> {
    serde_json::from_str(text).map_err(|cause| {
        Invalid(format!(
            "Invalid value for parameter '{parameter}' supplied: it is not valid JSON ({cause}); NaN and Infinity are no JSON values"
        ))
    })
}

/// The schema after some records came: fields that are new are added with the type of their first value.
pub fn schema<'r>(
    present: Option<&str>,
    records: impl Iterator<Item = &'r crate::evaluation_records::SentRecord>,
) -> Result<Option<String>, Invalid> {
    let mut schema = present
        .and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok())
        .unwrap_or_default();
    let known = present.is_some();
    let mut any = false;
    for record in records {
        any = true;
        add_fields(&mut schema, "inputs", Some(&record.inputs));
        match &record.outputs {
            None | Some(Value::Null) => {}
            Some(Value::Object(fields)) => add_fields(&mut schema, "outputs", Some(fields)),
            Some(other) => {
                let empty = |seen: &Value| seen.as_object().is_some_and(Map::is_empty);
                if schema.get("outputs").is_none_or(empty) {
                    schema.insert("outputs".to_owned(), kind_of(other).into());
                }
            }
        }
        add_fields(&mut schema, "expectations", record.expectations.as_ref());
    }
    if !any && !known {
        return Ok(None);
    }
    let fields: usize = schema
        .values()
        .filter_map(Value::as_object)
        .map(Map::len)
        .sum();
    if fields > FIELDS {
        return Err(Invalid(format!(
            "the data set would have {fields} different fields; the limit is {FIELDS}: put free keys below one field"
        )));
    }
    let part = |name: &str| schema.get(name).cloned().unwrap_or_else(|| json!({}));
    let whole = json!({
        "inputs": part("inputs"), "outputs": part("outputs"), "expectations": part("expectations"), "version": "1.0",
    });
    Ok(Some(python_json::text(&whole)))
}

fn add_fields(schema: &mut Map<String, Value>, part: &str, fields: Option<&Map<String, Value>>) {
    let seen = schema.entry(part).or_insert_with(|| json!({}));
    let (Some(seen), Some(fields)) = (seen.as_object_mut(), fields) else {
        return;
    };
    for (name, value) in fields {
        if !seen.contains_key(name) {
            seen.insert(name.clone(), kind_of(value).into());
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation_records::sent;

    #[test]
    fn tags_are_texts() {
        let tags = tags(r#"{"a": "x", "b": 2, "c": null, "d": true}"#).unwrap();
        let pairs: Vec<(&str, &str)> = tags
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()))
            .collect();
        assert_eq!(pairs, [("a", "x"), ("b", "2"), ("d", "True")]);
        for bad in ["[]", "nonsense", r#"{"": "x"}"#, r#"{"a": NaN}"#] {
            assert!(super::tags(bad).is_err(), "{bad}");
        }
        assert!(name(" ").is_err() && name(&"n".repeat(256)).is_err());
    }

    #[test]
    fn the_schema_grows_and_keeps_the_first_type() {
        let first = sent(r#"[{"inputs": {"q": "x", "t": 0.7}, "outputs": "text"}]"#).unwrap();
        let text = schema(None, first.iter()).unwrap().unwrap();
        assert_eq!(
            text,
            r#"{"inputs": {"q": "string", "t": "float"}, "outputs": "string", "expectations": {}, "version": "1.0"}"#
        );
        let more = sent(r#"[{"inputs": {"q": 1, "n": 1, "f": true, "l": [], "z": null}, "outputs": {"a": 1}, "expectations": {"o": {}}}]"#)
            .unwrap();
        let text = schema(Some(&text), more.iter()).unwrap().unwrap();
        assert_eq!(
            text,
            r#"{"inputs": {"q": "string", "t": "float", "n": "integer", "f": "boolean", "l": "array", "z": "null"}, "outputs": "string", "expectations": {"o": "object"}, "version": "1.0"}"#
        );
        assert_eq!(schema(None, [].iter()).unwrap(), None);
    }

    #[test]
    fn the_digest_changes_with_the_moment() {
        let at = |millis| digest("name", Timestamp::from_millis(millis));
        assert_eq!(at(1).len(), 8);
        assert_ne!(at(1), at(2));
    }
}
