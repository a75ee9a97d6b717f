//! Spans: the steps of a trace, as OpenTelemetry sends them and MLflow's client reads them back.
//!
//! [`Received`] is a span that has just come, with the conventions of other libraries translated; [`Span`] is the row that is
//! kept of it, whose `content` is the text that clients of MLflow know. [`summary`] says what the spans of a batch tell about
//! their traces.

pub mod attributes;
mod content;
mod conventions;
mod events;
mod messages;
mod preview;
mod shown;
pub mod summary;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::otlp::{Export, OtlpError, OtlpSpan, ResourceSpans, StatusCode};
use crate::runs::KeyValue;
use crate::traces::{Cost, TokenUsage};

use attributes::Attributes;
pub use shown::shown;
pub use totals::{Node, total_cost, total_tokens};

/// Longest name of a model and of its provider in the columns that are grouped by.
pub const MODEL: usize = 500;

/// A span as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The span above; none for a root.
    pub parent_span_id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its type: `LLM`, `TOOL`, …
    pub span_type: Option<String>,
    /// How it ended.
    pub status: StatusCode,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: i64,
    /// When it ended; none while it runs.
    pub end_ns: Option<i64>,
    /// The whole span, as MLflow's clients write it into JSON.
    pub content: String,
    /// The tokens it used, if it says so.
    pub tokens: Option<TokenUsage>,
    /// What it cost, if it says so.
    pub cost: Option<Cost>,
    /// The model it called.
    pub model_name: Option<String>,
    /// Whose model that is.
    pub model_provider: Option<String>,
}

/// A span that has come, and what its trace is to know of it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The trace: `tr-` and 32 hexadecimal digits.
    pub trace_id: String,
    /// What is kept.
    pub span: Span,
    /// Its attributes, translated.
    pub attributes: Attributes,
    /// What describes its sender, as tags of the trace.
    pub resource: Arc<Vec<KeyValue>>,
}

/// Applications that name themselves; their name is written on the root span. Others may put anything there.
const KNOWN_SERVICES: [&str; 5] = [
    "claude-code",
    "codex_cli_rs",
    "codex_vscode",
    "gemini-cli",
    "qwen-code",
];

/// The spans of a request.
pub fn received(export: Export) -> Result<Vec<Received>, OtlpError> {
    let mut spans = Vec::new();
    for resource in export.resources {
        let tags = Arc::new(resource_tags(&resource));
        let service = service(&resource);
        for span in resource.spans {
            spans.push(one(&span, service.as_deref(), &tags)?);
        }
    }
    Ok(spans)
}

/// The spans by their trace, the traces in order of their ids.
pub fn by_trace(spans: Vec<Received>) -> BTreeMap<String, Vec<Received>> {
    let mut traces: BTreeMap<String, Vec<Received>> = BTreeMap::new();
    for span in spans {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    traces
}

fn one(
    sent: &OtlpSpan,
    service: Option<&str>,
    tags: &Arc<Vec<KeyValue>>,
) -> Result<Received, OtlpError> {
    let unfit = || OtlpError::Span("Cannot convert OpenTelemetry span to MLflow span".to_owned());
    let trace = id::<16>(&sent.trace_id).ok_or_else(unfit)?;
    let span = id::<8>(&sent.span_id).ok_or_else(unfit)?;
    let parent = match sent.parent_span_id.as_slice() {
        [] => None,
        bytes => Some(id::<8>(bytes).ok_or_else(unfit)?).filter(|id| *id != [0; 8]),
    };
    let start_ns = i64::try_from(sent.start_ns).map_err(|_| unfit())?;
    let end_ns = i64::try_from(sent.end_ns).map_err(|_| unfit())?;
    let trace_id = format!("tr-{}", hex::encode(trace));
    let mut attributes = Attributes::of(&sent.attributes);
    if let (None, Some(service)) = (parent, service) {
        attributes.put_text("service.name", service);
    }
    attributes.put_text(attributes::TRACE_ID, &trace_id);
    attributes.unwrap_doubles();
    conventions::translate(&mut attributes, &sent.events);
    let content = content::written(sent, &trace, span, parent, &attributes);
    let object = |key| attributes.object(key);
    let stored = Span {
        span_id: hex::encode(span),
        parent_span_id: parent.map(hex::encode),
        name: storable(&sent.name),
        span_type: attributes
            .decoded(attributes::TYPE)
            .as_deref()
            .map(storable),
        status: sent.status.code,
        start_ns,
        end_ns: Some(end_ns).filter(|end| *end != 0),
        tokens: object(attributes::USAGE).map(|usage| TokenUsage::from_object(&usage)),
        cost: object(attributes::COST).map(|cost| Cost::from_object(&cost)),
        model_name: model(&attributes, attributes::MODEL),
        model_provider: model(&attributes, attributes::PROVIDER),
        content,
    };
    Ok(Received {
        trace_id,
        span: stored,
        attributes,
        resource: Arc::clone(tags),
    })
}

/// An id of `N` bytes; shorter ones are filled up from the left, as the number that they are.
fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    let missing = N.checked_sub(bytes.len())?;
    out[missing..].copy_from_slice(bytes);
    (!bytes.is_empty()).then_some(out)
}

fn model(attributes: &Attributes, key: &str) -> Option<String> {
    let name = attributes.decoded(key)?;
    Some(crate::limits::cut(storable(&name), MODEL))
}

/// A text that every database can hold.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Most tags of a trace that come from what describes its sender, and their bytes: every trace of a request gets them, so that
/// a small request could come to very much.
const RESOURCE_TAGS: usize = 64;
const RESOURCE_BYTES: usize = 16 << 10;

/// What describes the sender, without what its own SDK says and without names that are MLflow's.
fn resource_tags(resource: &ResourceSpans) -> Vec<KeyValue> {
    let foreign = |key: &str| !key.starts_with("telemetry.sdk.") && !key.starts_with("mlflow.");
    let described = resource
        .attributes
        .iter()
        .filter(|attribute| foreign(&attribute.key));
    described
        .map(|attribute| {
            let value = match attribute.value.to_json() {
                serde_json::Value::String(text) => text,
                other => crate::python_json::text(&other),
            };
            KeyValue::new(&attribute.key, value)
        })
        .scan(RESOURCE_BYTES, |left, tag| {
            let fits = left.checked_sub(tag.key.len() + tag.value.len());
            *left = fits.unwrap_or(*left);
            Some(fits.map(|_| tag))
        })
        .flatten()
        .take(RESOURCE_TAGS)
        .collect()
}

fn service(resource: &ResourceSpans) -> Option<String> {
    let mut attributes = resource.attributes.iter();
    let named = attributes.find(|attribute| attribute.key == "service.name")?;
    let name = named.value.to_json();
    let name = name.as_str()?;
    KNOWN_SERVICES.contains(&name).then(|| name.to_owned())
}
