//! What the spans of a batch tell about one trace.

use std::collections::HashMap;

use super::attributes::{CONVERSATION, INPUTS, OUTPUTS, SESSION, TAG_PREFIX, USER};
use super::preview::preview;
use super::{Received, storable};
use crate::invalid::Invalid;
use crate::otlp::StatusCode;
use crate::runs::KeyValue;
use crate::traces::{META_SHOWN, PAIRS, TAG_NAME, TraceState, clean_tag};

/// What a trace learns from some of its spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// When the first began, in milliseconds since 1970.
    pub start_ms: i64,
    /// When the last ended, if one has.
    pub end_ms: Option<i64>,
    /// How the root ended, if it is among them.
    pub state: Option<TraceState>,
    /// The beginning of the root's inputs.
    pub request_preview: Option<String>,
    /// The beginning of the root's outputs.
    pub response_preview: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// Tags: what describes the sender, and over these what the root carries. The name is one of them.
    pub tags: Vec<KeyValue>,
    /// Whether any of them says what tokens it used.
    pub says_tokens: bool,
    /// Whether any of them says what it cost.
    pub says_cost: bool,
}

/// What these spans, all of one trace, tell about it.
pub fn summary(spans: &[Received]) -> Result<Summary, Invalid> {
    let start = spans.iter().map(|span| span.span.start_ns).min();
    let end = spans.iter().filter_map(|span| span.span.end_ns).max();
    let root = spans.iter().find(|span| span.span.parent_span_id.is_none());
    let preview_of = |key, role| {
        let raw = root?.attributes.raw(key).filter(|raw| !raw.is_empty())?;
        Some(preview(raw, role))
    };
    let session_id = said(spans, &[SESSION, CONVERSATION]);
    if let Some(session_id) = &session_id {
        crate::limits::length("Session ID", META_SHOWN, session_id)?;
    }
    Ok(Summary {
        start_ms: start.unwrap_or_default() / 1_000_000,
        end_ms: end.map(|end| end / 1_000_000),
        state: root.map(|root| match root.span.status {
            StatusCode::Error => TraceState::Error,
            StatusCode::Ok | StatusCode::Unset => TraceState::Ok,
        }),
        request_preview: preview_of(INPUTS, "user"),
        response_preview: preview_of(OUTPUTS, "assistant"),
        session_id,
        user: said(spans, &[USER]),
        tags: tags(spans, root),
        says_tokens: spans.iter().any(|span| span.span.tokens.is_some()),
        says_cost: spans.iter().any(|span| span.span.cost.is_some()),
    })
}

/// The first text that a span says under one of the names.
fn said(spans: &[Received], keys: &[&str]) -> Option<String> {
    let mut said = spans.iter().filter_map(|span| {
        let named = |key: &&&str| span.attributes.raw(key).is_some_and(|raw| !raw.is_empty());
        let key = keys.iter().find(named)?;
        span.attributes.as_text(key)
    });
    let first = said.next().filter(|text| !text.is_empty());
    first.map(|text| storable(&text))
}

/// Tags that cannot be kept are left out: they came as attributes, and their spans are good.
fn tags(spans: &[Received], root: Option<&Received>) -> Vec<KeyValue> {
    let described = spans
        .iter()
        .map(|span| &span.resource)
        .find(|tags| !tags.is_empty());
    let mut tags = Tags::default();
    for tag in described.into_iter().flat_map(|tags| tags.iter().cloned()) {
        tags.put(tag);
    }
    for (key, _) in root.into_iter().flat_map(|root| root.attributes.iter()) {
        let value = root.and_then(|root| root.attributes.as_text(key));
        if let (Some(name), Some(value)) = (key.strip_prefix(TAG_PREFIX), value) {
            tags.put(KeyValue::new(name, value));
        }
    }
    tags.all
}

/// Tags in the order in which they came, with their places: a sender may send very many.
#[derive(Default)]
struct Tags {
    all: Vec<KeyValue>,
    places: HashMap<String, usize>,
}

impl Tags {
    fn put(&mut self, tag: KeyValue) {
        if tag.key.contains('\0') || tag.value.contains('\0') {
            return;
        }
        let Ok(tag) = clean_tag(tag) else { return };
        if let Some(place) = self.places.get(&tag.key) {
            self.all[*place].value = tag.value;
        } else if self.all.len() < PAIRS {
            self.places.insert(tag.key.clone(), self.all.len());
            self.all.push(tag);
        }
    }
}

impl Summary {
    /// The name among the tags, and the other tags.
    pub fn split_tags(self) -> (Option<String>, Vec<KeyValue>) {
        let (names, others): (Vec<KeyValue>, Vec<KeyValue>) =
            self.tags.into_iter().partition(|tag| tag.key == TAG_NAME);
        (names.into_iter().next().map(|tag| tag.value), others)
    }
}
