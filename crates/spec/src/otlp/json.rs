//! The same messages in protobuf's JSON mapping, with OTLP's exception: ids are hexadecimal, not base64. Names may be in camel
//! case or as in the `.proto` files, whole numbers may be texts, and what is not known is passed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{
    AnyValue, Attribute, Budget, Event, Export, Link, MOST_JSON_BYTES, OtlpError, OtlpSpan,
    ResourceSpans, Status, StatusCode,
};

type Object = Map<String, Value>;

pub(super) fn export(bytes: &[u8]) -> Result<Export, OtlpError> {
    if bytes.len() > MOST_JSON_BYTES {
        let message = format!("The request is larger than {MOST_JSON_BYTES} bytes.");
        return Err(OtlpError::TooLarge(message));
    }
    let parsed: Value = serde_json::from_slice(bytes).map_err(|_| OtlpError::malformed())?;
    let mut budget = Budget::default();
    let resources = each(object(&parsed)?, "resourceSpans", |value| {
        budget.value()?;
        resource(object(value)?, &mut budget)
    })?;
    Ok(Export { resources })
}

fn resource(fields: &Object, budget: &mut Budget) -> Result<ResourceSpans, OtlpError> {
    let mut found = ResourceSpans::default();
    if let Some(resource) = get(fields, "resource") {
        found.attributes = attributes(object(resource)?, 0, budget)?;
    }
    for scope in elements(fields, "scopeSpans")? {
        for value in elements(object(scope)?, "spans")? {
            budget.span()?;
            found.spans.push(span(object(value)?, budget)?);
        }
    }
    Ok(found)
}

fn span(fields: &Object, budget: &mut Budget) -> Result<OtlpSpan, OtlpError> {
    Ok(OtlpSpan {
        trace_id: id(fields, "traceId")?,
        span_id: id(fields, "spanId")?,
        parent_span_id: id(fields, "parentSpanId")?,
        name: text(fields, "name")?,
        start_ns: time(fields, "startTimeUnixNano")?,
        end_ns: time(fields, "endTimeUnixNano")?,
        attributes: attributes(fields, 0, budget)?,
        events: each(fields, "events", |value| event(object(value)?, budget))?,
        links: each(fields, "links", |value| link(object(value)?, budget))?,
        status: get(fields, "status").map_or(Ok(Status::default()), status)?,
    })
}

fn event(fields: &Object, budget: &mut Budget) -> Result<Event, OtlpError> {
    budget.value()?;
    Ok(Event {
        time_ns: time(fields, "timeUnixNano")?,
        name: text(fields, "name")?,
        attributes: attributes(fields, 0, budget)?,
    })
}

fn link(fields: &Object, budget: &mut Budget) -> Result<Link, OtlpError> {
    budget.value()?;
    Ok(Link {
        trace_id: id(fields, "traceId")?,
        span_id: id(fields, "spanId")?,
        attributes: attributes(fields, 0, budget)?,
    })
}

fn status(value: &Value) -> Result<Status, OtlpError> {
    let fields = object(value)?;
    let code = match get(fields, "code") {
        None => StatusCode::Unset,
        Some(Value::String(name)) => [StatusCode::Unset, StatusCode::Ok, StatusCode::Error]
            .into_iter()
            .find(|code| code.long() == name)
            .ok_or_else(OtlpError::malformed)?,
        Some(number) => StatusCode::from_number(whole(number)?),
    };
    Ok(Status {
        code,
        message: text(fields, "message")?,
    })
}

fn attributes(
    fields: &Object,
    depth: usize,
    budget: &mut Budget,
) -> Result<Vec<Attribute>, OtlpError> {
    each(fields, "attributes", |value| {
        attribute(value, depth, budget)
    })
}

fn attribute(value: &Value, depth: usize, budget: &mut Budget) -> Result<Attribute, OtlpError> {
    budget.value()?;
    let fields = object(value)?;
    Ok(Attribute {
        key: text(fields, "key")?,
        value: match get(fields, "value") {
            Some(value) => any_value(object(value)?, depth, budget)?,
            None => AnyValue::Null,
        },
    })
}

fn any_value(fields: &Object, depth: usize, budget: &mut Budget) -> Result<AnyValue, OtlpError> {
    let depth = Budget::deeper(depth)?;
    if get(fields, "stringValue").is_some() {
        return Ok(AnyValue::Text(text(fields, "stringValue")?));
    }
    if let Some(value) = get(fields, "boolValue") {
        return value
            .as_bool()
            .map(AnyValue::Bool)
            .ok_or_else(OtlpError::malformed);
    }
    if let Some(value) = get(fields, "intValue") {
        return Ok(AnyValue::Int(whole(value)?));
    }
    if let Some(value) = get(fields, "doubleValue") {
        return Ok(AnyValue::Double(double(value)?));
    }
    if let Some(list) = get(fields, "arrayValue") {
        let values = each(object(list)?, "values", |value| {
            budget.value()?;
            any_value(object(value)?, depth, budget)
        })?;
        return Ok(AnyValue::List(values));
    }
    if let Some(list) = get(fields, "kvlistValue") {
        let values = each(object(list)?, "values", |value| {
            attribute(value, depth, budget)
        })?;
        return Ok(AnyValue::Map(values));
    }
    if get(fields, "bytesValue").is_some() {
        let encoded = text(fields, "bytesValue")?;
        let bytes = STANDARD.decode(encoded);
        return Ok(AnyValue::Bytes(bytes.map_err(|_| OtlpError::malformed())?));
    }
    Ok(AnyValue::Null)
}

/// A field by its name in camel case, or as the `.proto` file spells it; null counts as absent.
fn get<'v>(fields: &'v Object, name: &str) -> Option<&'v Value> {
    let found = fields.get(name).or_else(|| fields.get(&snake_case(name)));
    found.filter(|value| !value.is_null())
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn object(value: &Value) -> Result<&Object, OtlpError> {
    value.as_object().ok_or_else(OtlpError::malformed)
}

fn elements<'v>(fields: &'v Object, name: &str) -> Result<&'v [Value], OtlpError> {
    match get(fields, name) {
        None => Ok(&[]),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(OtlpError::malformed()),
    }
}

fn each<T>(
    fields: &Object,
    name: &str,
    read: impl FnMut(&Value) -> Result<T, OtlpError>,
) -> Result<Vec<T>, OtlpError> {
    elements(fields, name)?.iter().map(read).collect()
}

fn text(fields: &Object, name: &str) -> Result<String, OtlpError> {
    match get(fields, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(OtlpError::malformed()),
    }
}

fn id(fields: &Object, name: &str) -> Result<Vec<u8>, OtlpError> {
    hex::decode(text(fields, name)?).map_err(|_| OtlpError::malformed())
}

fn time(fields: &Object, name: &str) -> Result<u64, OtlpError> {
    let Some(value) = get(fields, name) else {
        return Ok(0);
    };
    let number = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    number.ok_or_else(OtlpError::malformed)
}

fn whole(value: &Value) -> Result<i64, OtlpError> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        _ => None,
    };
    number.ok_or_else(OtlpError::malformed)
}

fn double(value: &Value) -> Result<f64, OtlpError> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    };
    number.ok_or_else(OtlpError::malformed)
}
