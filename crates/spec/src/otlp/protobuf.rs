//! The messages of `opentelemetry/proto/collector/trace/v1`, read field by field. A field with another wire type than it should
//! have, or with a number that is not known here, is passed over, as the format demands.

use super::wire::{Broken, Field, Reader};
use super::{
    AnyValue, Attribute, Budget, Event, Export, Link, OtlpError, OtlpSpan, ResourceSpans, Status,
    StatusCode,
};

impl From<Broken> for OtlpError {
    fn from(_: Broken) -> Self {
        Self::malformed()
    }
}

pub(super) fn export(bytes: &[u8]) -> Result<Export, OtlpError> {
    let mut budget = Budget::default();
    let mut export = Export::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        if let (1, Field::Bytes(bytes)) = field {
            budget.value()?;
            export.resources.push(resource(bytes, &mut budget)?);
        }
    }
    Ok(export)
}

fn resource(bytes: &[u8], budget: &mut Budget) -> Result<ResourceSpans, OtlpError> {
    let mut found = ResourceSpans::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        match field {
            (1, Field::Bytes(bytes)) => {
                let mut inner = Reader::new(bytes);
                while let Some(field) = inner.next()? {
                    if let (1, Field::Bytes(bytes)) = field {
                        found.attributes.push(attribute(bytes, 0, budget)?);
                    }
                }
            }
            (2, Field::Bytes(bytes)) => scope(bytes, &mut found.spans, budget)?,
            _ => {}
        }
    }
    Ok(found)
}

fn scope(bytes: &[u8], spans: &mut Vec<OtlpSpan>, budget: &mut Budget) -> Result<(), OtlpError> {
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        if let (2, Field::Bytes(bytes)) = field {
            budget.span()?;
            spans.push(span(bytes, budget)?);
        }
    }
    Ok(())
}

fn span(bytes: &[u8], budget: &mut Budget) -> Result<OtlpSpan, OtlpError> {
    let mut span = OtlpSpan::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        match field {
            (1, Field::Bytes(bytes)) => span.trace_id = bytes.to_vec(),
            (2, Field::Bytes(bytes)) => span.span_id = bytes.to_vec(),
            (4, Field::Bytes(bytes)) => span.parent_span_id = bytes.to_vec(),
            (5, Field::Bytes(bytes)) => span.name = text(bytes)?,
            (7, Field::Fixed64(time)) => span.start_ns = time,
            (8, Field::Fixed64(time)) => span.end_ns = time,
            (9, Field::Bytes(bytes)) => span.attributes.push(attribute(bytes, 0, budget)?),
            (11, Field::Bytes(bytes)) => span.events.push(event(bytes, budget)?),
            (13, Field::Bytes(bytes)) => span.links.push(link(bytes, budget)?),
            (15, Field::Bytes(bytes)) => span.status = status(bytes)?,
            _ => {}
        }
    }
    Ok(span)
}

fn event(bytes: &[u8], budget: &mut Budget) -> Result<Event, OtlpError> {
    budget.value()?;
    let mut event = Event::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        match field {
            (1, Field::Fixed64(time)) => event.time_ns = time,
            (2, Field::Bytes(bytes)) => event.name = text(bytes)?,
            (3, Field::Bytes(bytes)) => event.attributes.push(attribute(bytes, 0, budget)?),
            _ => {}
        }
    }
    Ok(event)
}

fn link(bytes: &[u8], budget: &mut Budget) -> Result<Link, OtlpError> {
    budget.value()?;
    let mut link = Link::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        match field {
            (1, Field::Bytes(bytes)) => link.trace_id = bytes.to_vec(),
            (2, Field::Bytes(bytes)) => link.span_id = bytes.to_vec(),
            (4, Field::Bytes(bytes)) => link.attributes.push(attribute(bytes, 0, budget)?),
            _ => {}
        }
    }
    Ok(link)
}

fn status(bytes: &[u8]) -> Result<Status, OtlpError> {
    let mut status = Status::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        match field {
            (2, Field::Bytes(bytes)) => status.message = text(bytes)?,
            (3, Field::Varint(code)) => status.code = StatusCode::from_number(code as i64),
            _ => {}
        }
    }
    Ok(status)
}

fn attribute(bytes: &[u8], depth: usize, budget: &mut Budget) -> Result<Attribute, OtlpError> {
    budget.value()?;
    let mut attribute = Attribute::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        match field {
            (1, Field::Bytes(bytes)) => attribute.key = text(bytes)?,
            (2, Field::Bytes(bytes)) => attribute.value = value(bytes, depth, budget)?,
            _ => {}
        }
    }
    Ok(attribute)
}

fn value(bytes: &[u8], depth: usize, budget: &mut Budget) -> Result<AnyValue, OtlpError> {
    let depth = Budget::deeper(depth)?;
    let mut found = AnyValue::Null;
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        found = match field {
            (1, Field::Bytes(bytes)) => AnyValue::Text(text(bytes)?),
            (2, Field::Varint(number)) => AnyValue::Bool(number != 0),
            (3, Field::Varint(number)) => AnyValue::Int(number as i64),
            (4, Field::Fixed64(bits)) => AnyValue::Double(f64::from_bits(bits)),
            (5, Field::Bytes(bytes)) => AnyValue::List(list(bytes, depth, budget)?),
            (6, Field::Bytes(bytes)) => AnyValue::Map(map(bytes, depth, budget)?),
            (7, Field::Bytes(bytes)) => AnyValue::Bytes(bytes.to_vec()),
            _ => continue,
        };
    }
    Ok(found)
}

fn list(bytes: &[u8], depth: usize, budget: &mut Budget) -> Result<Vec<AnyValue>, OtlpError> {
    let mut values = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        if let (1, Field::Bytes(bytes)) = field {
            budget.value()?;
            values.push(value(bytes, depth, budget)?);
        }
    }
    Ok(values)
}

fn map(bytes: &[u8], depth: usize, budget: &mut Budget) -> Result<Vec<Attribute>, OtlpError> {
    let mut values = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        if let (1, Field::Bytes(bytes)) = field {
            values.push(attribute(bytes, depth, budget)?);
        }
    }
    Ok(values)
}

fn text(bytes: &[u8]) -> Result<String, OtlpError> {
    let text = std::str::from_utf8(bytes).map_err(|_| OtlpError::malformed())?;
    Ok(text.to_owned())
}
