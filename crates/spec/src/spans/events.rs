//! Inputs and outputs that stand in events of a span.

use serde_json::{Value, json};

use super::attributes::{Attributes, is_empty, parsed};
use super::conventions::claude_code;
use crate::otlp::Event;
use crate::python_json;

/// The inputs, as JSON text.
pub(super) fn inputs(_: &Attributes, events: &[Event]) -> Option<String> {
    spring(events, "gen_ai.content.prompt", "gen_ai.prompt").or_else(|| {
        messages(events, |event| {
            let role = match event.name.as_str() {
                "gen_ai.system.message" => "system",
                "gen_ai.user.message" => "user",
                "gen_ai.assistant.message" => "assistant",
                _ => return None,
            };
            Some(Value::from(role))
        })
    })
}

/// The outputs, as JSON text.
pub(super) fn outputs(span: &Attributes, events: &[Event]) -> Option<String> {
    spring(events, "gen_ai.content.completion", "gen_ai.completion")
        .or_else(|| {
            messages(events, |event| {
                let choice = event.name == "gen_ai.choice";
                choice.then(|| value(event, "role").map_or("assistant".into(), decoded))
            })
        })
        .or_else(|| claude(span, events))
}

/// Spring AI keeps the whole text in one event.
fn spring(events: &[Event], name: &str, key: &str) -> Option<String> {
    let mut named = events.iter().filter(|event| event.name == name);
    let found = named.find_map(|event| value(event, key))?;
    Some(match found {
        Value::String(text) => text,
        other => python_json::unescaped(&other),
    })
}

/// One event for each message.
fn messages(events: &[Event], role: impl Fn(&Event) -> Option<Value>) -> Option<String> {
    let messages: Vec<Value> = events
        .iter()
        .filter_map(|event| {
            let (role, content) = (role(event)?, value(event, "content")?);
            Some(json!({ "role": role, "content": decoded(content) }))
        })
        .collect();
    (!messages.is_empty()).then(|| python_json::text(&messages.into()))
}

fn claude(span: &Attributes, events: &[Event]) -> Option<String> {
    if claude_code(span)? != "claude_code.tool" {
        return None;
    }
    let mut told = events.iter().filter(|event| event.name == "tool.output");
    let found = told.find_map(|event| {
        let values = ["output", "content", "diff"]
            .into_iter()
            .filter_map(|key| value(event, key));
        values.map(decoded).find(|value| *value != "<REDACTED>")
    })?;
    Some(python_json::unescaped(&found))
}

/// The value of an event's attribute, unless it is empty.
fn value(event: &Event, key: &str) -> Option<Value> {
    let attribute = event.attributes.iter().find(|pair| pair.key == key)?;
    let value = attribute.value.to_json();
    (!is_empty(&value)).then_some(value)
}

fn decoded(value: Value) -> Value {
    match value {
        Value::String(text) => parsed(&text),
        other => other,
    }
}
