//! A kept span as the protocol shows it: protobuf's JSON of an OpenTelemetry span.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// The span that a kept text holds. A text that holds none (nobody but this program writes them) is an empty span.
pub fn shown(content: &str) -> Value {
    let Ok(Value::Object(kept)) = serde_json::from_str(content) else {
        return json!({});
    };
    let mut span = Object::new();
    for id in ["trace_id", "span_id", "parent_span_id"] {
        put(&mut span, id, kept.get(id));
    }
    put(
        &mut span,
        "name",
        kept.get("name").filter(|name| *name != ""),
    );
    put(
        &mut span,
        "start_time_unix_nano",
        kept.get("start_time_unix_nano"),
    );
    put(
        &mut span,
        "end_time_unix_nano",
        kept.get("end_time_unix_nano"),
    );
    let attributes = kept.get("attributes").and_then(Value::as_object);
    let attributes = attributes.into_iter().flatten();
    put_list(
        &mut span,
        "attributes",
        attributes.map(|(key, raw)| kept_attribute(key, raw)),
    );
    put_list(&mut span, "events", list(&kept, "events").map(event));
    put_list(&mut span, "links", list(&kept, "links").filter_map(link));
    span.insert("status".to_owned(), status(kept.get("status")));
    Value::Object(span)
}

fn event(kept: &Value) -> Value {
    let mut event = Object::new();
    put(&mut event, "time_unix_nano", kept.get("time_unix_nano"));
    put(&mut event, "name", kept.get("name"));
    put_attributes(&mut event, kept);
    Value::Object(event)
}

fn link(kept: &Value) -> Option<Value> {
    let trace = kept.get("trace_id")?.as_str()?;
    let trace = hex::decode(trace.strip_prefix("tr-").unwrap_or(trace)).ok()?;
    let span = hex::decode(kept.get("span_id")?.as_str()?).ok()?;
    let mut link = Object::new();
    link.insert("trace_id".to_owned(), STANDARD.encode(trace).into());
    link.insert("span_id".to_owned(), STANDARD.encode(span).into());
    put_attributes(&mut link, kept);
    Some(Value::Object(link))
}

fn status(kept: Option<&Value>) -> Value {
    let mut status = Object::new();
    let field = |name: &str| kept.and_then(|kept| kept.get(name)).and_then(Value::as_str);
    if let Some(message) = field("message").filter(|message| !message.is_empty()) {
        status.insert("message".to_owned(), message.into());
    }
    if let Some(code) = field("code").filter(|code| *code != "STATUS_CODE_UNSET") {
        status.insert("code".to_owned(), code.into());
    }
    Value::Object(status)
}

/// A kept attribute: its text is JSON (or a word for a number that is none), or else is the value itself.
fn kept_attribute(key: &str, raw: &Value) -> Value {
    match raw.as_str() {
        Some("") => attribute(key, &Value::Null),
        Some(word @ ("NaN" | "Infinity" | "-Infinity")) => {
            json!({ "key": key, "value": { "double_value": word } })
        }
        Some(raw) => attribute(key, &super::attributes::parsed(raw)),
        None => attribute(key, raw),
    }
}

fn attribute(key: &str, value: &Value) -> Value {
    let mut pair = Object::new();
    pair.insert("key".to_owned(), key.into());
    if !value.is_null() {
        pair.insert("value".to_owned(), any_value(value));
    }
    Value::Object(pair)
}

fn any_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({ "bool_value": value }),
        Value::Number(number) if number.is_i64() => json!({ "int_value": number }),
        // more than the protocol's whole numbers hold
        Value::Number(number) if number.is_u64() => json!({ "string_value": number.to_string() }),
        Value::Number(number) => json!({ "double_value": number }),
        Value::String(text) => json!({ "string_value": text }),
        Value::Array(values) if values.is_empty() => json!({ "array_value": {} }),
        Value::Array(values) => {
            let values: Vec<Value> = values.iter().map(any_value).collect();
            json!({ "array_value": { "values": values } })
        }
        Value::Object(fields) if fields.is_empty() => json!({ "kvlist_value": {} }),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| attribute(key, value));
            json!({ "kvlist_value": { "values": fields.collect::<Vec<_>>() } })
        }
    }
}

fn list<'k>(kept: &'k Object, name: &str) -> impl Iterator<Item = &'k Value> {
    kept.get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn put(object: &mut Object, name: &str, value: Option<&Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        object.insert(name.to_owned(), value.clone());
    }
}

fn put_attributes(object: &mut Object, kept: &Value) {
    let attributes = kept.get("attributes").and_then(Value::as_object);
    let attributes = attributes.into_iter().flatten();
    put_list(
        object,
        "attributes",
        attributes.map(|(key, value)| attribute(key, value)),
    );
}

fn put_list(object: &mut Object, name: &str, values: impl Iterator<Item = Value>) {
    let values: Vec<Value> = values.collect();
    if !values.is_empty() {
        object.insert(name.to_owned(), values.into());
    }
}
