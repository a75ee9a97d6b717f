//! Webhooks: addresses that are told what happens in a workspace's registry. Events, payloads and messages are the ones that
//! MLflow's clients and receivers know.

mod addresses;
mod events;

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::invalid::Invalid;
use crate::{limits, python_json};

pub use addresses::is_public;
pub use events::WebhookEvent;

/// Longest address.
pub const URL: usize = 500;
/// Longest description.
pub const DESCRIPTION: usize = 1_000;
/// Longest secret.
pub const SECRET: usize = 1_000;
/// Most webhooks of one workspace: each change of the registry is told to all of them.
pub const PER_WORKSPACE: u32 = 200;

/// Carries the signature.
pub const SIGNATURE_HEADER: &str = "X-MLflow-Signature";
/// Carries the delivery's id, the same in each attempt.
pub const DELIVERY_ID_HEADER: &str = "X-MLflow-Delivery-Id";
/// Carries the moment of the attempt, in seconds.
pub const TIMESTAMP_HEADER: &str = "X-MLflow-Timestamp";
/// Stands before the signature.
pub const SIGNATURE_VERSION: &str = "v1";

/// Whether deliveries are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookStatus {
    /// They are.
    #[default]
    Active,
    /// They are not.
    Disabled,
}

impl WebhookStatus {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Disabled => "DISABLED",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ACTIVE" => Some(Self::Active),
            "DISABLED" => Some(Self::Disabled),
            _ => None,
        }
    }
}

/// A webhook. Its secret is no part of what is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Its name, which others may have too.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Where deliveries go.
    pub url: String,
    /// What it is told of, by the events' texts.
    pub events: Vec<WebhookEvent>,
    /// Whether it is told.
    pub status: WebhookStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The name of a webhook.
pub fn name(name: &str) -> Result<(), Invalid> {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = name.len() <= 63
        && ends(name.chars().next())
        && ends(name.chars().last())
        && name.chars().all(inside);
    if good {
        return Ok(());
    }
    Err(Invalid(format!(
        "Webhook name '{name}' is invalid. It must start and end with a letter or digit, be less than 63 characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
    )))
}

/// The description of a webhook.
pub fn description(text: &str) -> Result<(), Invalid> {
    limits::length("description", DESCRIPTION, text)
}

/// The secret of a webhook. What it is does not show in the refusal.
pub fn secret(text: &str) -> Result<(), Invalid> {
    limits::length("secret", SECRET, text)
}

/// Which events, in one order and each once; at least one.
pub fn subscribed(mut events: Vec<WebhookEvent>) -> Result<Vec<WebhookEvent>, Invalid> {
    if events.is_empty() {
        return Err(Invalid::new(
            "Webhook events must be a non-empty list of WebhookEvent objects: [].",
        ));
    }
    events.sort_unstable_by_key(|event| event.as_str());
    events.dedup();
    Ok(events)
}

/// The body of a delivery.
pub fn body(event: WebhookEvent, at: Timestamp, workspace: &str, data: &Value) -> String {
    // as Python's `isoformat` writes the zone
    let moment = at.to_string().replace('Z', "+00:00");
    python_json::text(&json!({
        "entity": event.entity(),
        "action": event.action(),
        "timestamp": moment,
        "data": data,
        "workspace": workspace,
    }))
}

/// What a signature is made over.
pub fn signed_text(delivery_id: &str, timestamp: &str, body: &str) -> String {
    format!("{delivery_id}.{timestamp}.{body}")
}

/// Whether an answer may be another one later.
pub const fn is_retried(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

/// The longest pause that a receiver may ask for.
const LONGEST_WISH: Duration = Duration::from_hours(6);
/// The longest pause of our own choice.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long to wait after so many failed attempts in a row (at least one): 1 s, 2 s, 4 s and so on, and up to a second more.
pub fn pause(failures: u32, jitter: Duration) -> Duration {
    let seconds = 1_u64 << failures.saturating_sub(1).min(16);
    Duration::from_secs(seconds).min(LONGEST_PAUSE) + jitter.min(Duration::from_secs(1))
}

/// What a `Retry-After` header asks for: seconds, or a date.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        Timestamp(date.timestamp().as_microsecond()).since(now)
    };
    Some(asked.min(LONGEST_WISH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_protocol() {
        for good in ["a", "test_webhook", "A.b-c_9", &"x".repeat(63)] {
            assert_eq!(name(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "é", "a/b", &"x".repeat(64)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn events_are_ordered_and_not_empty() {
        let events = vec![
            WebhookEvent::ModelVersionCreated,
            WebhookEvent::RegisteredModelCreated,
            WebhookEvent::ModelVersionCreated,
        ];
        assert_eq!(
            subscribed(events).unwrap(),
            [
                WebhookEvent::ModelVersionCreated,
                WebhookEvent::RegisteredModelCreated
            ]
        );
        assert!(subscribed(Vec::new()).is_err());
    }

    #[test]
    fn the_body_is_what_receivers_know() {
        let at = Timestamp::parse("2026-01-31T12:00:00.5Z").unwrap();
        let body = body(
            WebhookEvent::PromptAliasDeleted,
            at,
            "default",
            &json!({"name": "p", "alias": "é"}),
        );
        assert_eq!(
            body,
            r#"{"entity": "prompt_alias", "action": "deleted", "timestamp": "2026-01-31T12:00:00.5+00:00", "data": {"name": "p", "alias": "\u00e9"}, "workspace": "default"}"#
        );
    }

    #[test]
    fn pauses_double_and_wishes_are_heard() {
        let none = Duration::ZERO;
        let seconds: Vec<u64> = (1..=8).map(|n| pause(n, none).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(u32::MAX, Duration::from_secs(9)).as_secs(), 61);
        let now = Timestamp::parse("2015-10-21T07:27:00Z").unwrap();
        let heard = |text| retry_after(text, now).map(|span| span.as_secs());
        assert_eq!(heard("7"), Some(7));
        assert_eq!(heard("Wed, 21 Oct 2015 07:28:00 GMT"), Some(60));
        assert_eq!(heard("Wed, 21 Oct 2015 07:20:00 GMT"), Some(0));
        assert_eq!(heard("99999999999"), Some(6 * 3600));
        assert_eq!(heard("soon"), None);
    }
}
