//! A value that breaks a rule of the tracking protocol, in the protocol's own words.
//!
//! Clients match on these messages, so they are made here, once, beside the rule; the layers above only pass
//! them on (as `ErrorCode::InvalidArgument`).

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// `Invalid value "x" for parameter 'run_id' supplied`, followed by the reason where there is one.
    pub fn value(parameter: &str, value: &str, reason: &str) -> Self {
        let quoted = serde_json::Value::from(value);
        if reason.is_empty() {
            Self(format!(
                "Invalid value {quoted} for parameter '{parameter}' supplied."
            ))
        } else {
            Self(format!(
                "Invalid value {quoted} for parameter '{parameter}' supplied: {reason}"
            ))
        }
    }

    /// A parameter that must be there is not.
    pub fn missing(parameter: &str) -> Self {
        Self(format!(
            "Missing value for required parameter '{parameter}'."
        ))
    }

    /// A text is longer than its column allows.
    pub fn too_long(what: &str, limit: usize) -> Self {
        Self(format!(
            "'{what}' exceeds the maximum length of {limit} characters"
        ))
    }
}
