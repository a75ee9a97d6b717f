//! Logged models: what `log_model` makes in a run, before anyone registers it.

use crate::clock::Timestamp;
use crate::experiments::{ExperimentId, Lifecycle};
use crate::invalid::Invalid;
use crate::metrics::Metric;
use crate::runs::KeyValue;

/// How far the upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedModelStatus {
    /// Not said.
    Unspecified,
    /// Files are still coming.
    Pending,
    /// Complete.
    Ready,
    /// The upload failed.
    UploadFailed,
}

impl LoggedModelStatus {
    const ALL: [Self; 4] = [
        Self::Unspecified,
        Self::Pending,
        Self::Ready,
        Self::UploadFailed,
    ];

    /// The protocol's number.
    pub const fn number(self) -> i64 {
        match self {
            Self::Unspecified => 0,
            Self::Pending => 1,
            Self::Ready => 2,
            Self::UploadFailed => 3,
        }
    }

    /// The protocol's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "LOGGED_MODEL_STATUS_UNSPECIFIED",
            Self::Pending => "LOGGED_MODEL_PENDING",
            Self::Ready => "LOGGED_MODEL_READY",
            Self::UploadFailed => "LOGGED_MODEL_UPLOAD_FAILED",
        }
    }

    /// The word used in filters.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::UploadFailed => "FAILED",
        }
    }

    /// Reads the number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.number() == number)
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text || status.short() == text)
    }
}

/// A logged model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedModel {
    /// `m-` and 32 hexadecimal digits.
    pub model_id: String,
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Its name; need not be unique.
    pub name: String,
    /// Where its files are.
    pub artifact_location: String,
    /// How far the upload is.
    pub status: LoggedModelStatus,
    /// The kind of model, as the client says.
    pub model_type: Option<String>,
    /// The run that made it.
    pub source_run_id: Option<String>,
    /// Whether it was deleted.
    pub lifecycle_stage: Lifecycle,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its tags, by key.
    pub tags: Vec<KeyValue>,
    /// Its parameters, by key.
    pub params: Vec<KeyValue>,
    /// The metrics logged about it.
    pub metrics: Vec<LoggedModelMetric>,
}

/// A metric about a logged model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedModelMetric {
    /// The run that logged it.
    pub run_id: String,
    /// The metric.
    pub metric: Metric,
}

/// The name of a logged model.
pub fn name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() || name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Err(Invalid(format!(
            "Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )));
    }
    crate::limits::length("name", 500, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_numbers_and_words() {
        for status in LoggedModelStatus::ALL {
            assert_eq!(
                LoggedModelStatus::from_number(status.number()),
                Some(status)
            );
            assert_eq!(LoggedModelStatus::parse(status.as_str()), Some(status));
        }
        assert!(name("a.b").is_err() && name("").is_err());
        assert_eq!(name("model v1"), Ok(()));
    }
}
