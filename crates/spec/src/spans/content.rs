//! The text that is kept of a span: the JSON that MLflow's clients make of one, spaces and all, because filters look for
//! pieces of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::attributes::Attributes;
use crate::otlp::{AnyValue, Attribute, Event, Link, OtlpSpan};
use crate::python_json;

pub(super) fn written(
    sent: &OtlpSpan,
    trace: &[u8; 16],
    span: [u8; 8],
    parent: Option<[u8; 8]>,
    attributes: &Attributes,
) -> String {
    let content = json!({
        "trace_id": STANDARD.encode(trace),
        "span_id": STANDARD.encode(span),
        "parent_span_id": parent.map(|id| STANDARD.encode(id)),
        "name": sent.name,
        "start_time_unix_nano": sent.start_ns,
        "end_time_unix_nano": if sent.end_ns == 0 { Value::Null } else { sent.end_ns.into() },
        "events": sent.events.iter().map(event).collect::<Value>(),
        "status": { "code": sent.status.code.long(), "message": sent.status.message },
        "attributes": attributes.as_map(),
        "links": sent.links.iter().filter_map(link).collect::<Value>(),
    });
    python_json::unescaped(&content)
}

fn event(event: &Event) -> Value {
    json!({
        "name": event.name,
        "time_unix_nano": event.time_ns,
        "attributes": object(&event.attributes),
    })
}

/// A link whose ids are wider than ids are is left out: nothing can be at its other end.
fn link(link: &Link) -> Option<Value> {
    let trace = super::id::<16>(&link.trace_id)?;
    let span = super::id::<8>(&link.span_id)?;
    let mut attributes = object(&link.attributes);
    for attribute in &link.attributes {
        // of links, and of nothing else, bytes are kept as such
        if let AnyValue::Bytes(bytes) = &attribute.value {
            attributes.insert(attribute.key.clone(), STANDARD.encode(bytes).into());
        }
    }
    let attributes = match attributes {
        none if none.is_empty() => Value::Null,
        some => Value::Object(some),
    };
    Some(json!({
        "trace_id": format!("tr-{}", hex::encode(trace)),
        "span_id": hex::encode(span),
        "attributes": attributes,
    }))
}

fn object(attributes: &[Attribute]) -> Map<String, Value> {
    let mut fields = Map::with_capacity(attributes.len());
    for attribute in attributes {
        let value = AnyValue::to_json(&attribute.value);
        fields.insert(attribute.key.clone(), value);
    }
    fields
}
