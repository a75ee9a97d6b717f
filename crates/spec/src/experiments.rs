//! Experiments: named groups of runs. Every workspace has the experiment `0`, called `Default`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::invalid::Invalid;
use crate::limits;
use crate::runs::KeyValue;

/// An experiment's number within its workspace; a decimal string in every protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExperimentId(pub i64);

impl ExperimentId {
    /// The experiment that every workspace starts with.
    pub const DEFAULT: Self = Self(0);

    /// Reads the text form; an empty text means the default experiment, as clients expect.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Ok(Self::DEFAULT);
        }
        text.trim().parse().map(Self).map_err(|_| {
            Invalid(format!(
                "Invalid experiment ID '{text}'. Experiment ID must be a valid integer."
            ))
        })
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for ExperimentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExperimentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Whether a thing is in use or put away. Deleting is soft; restoring brings it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// In use.
    Active,
    /// Put away; its name stays taken.
    Deleted,
}

impl Lifecycle {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }

    /// Reads the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "deleted" => Some(Self::Deleted),
            _ => None,
        }
    }
}

/// Which lifecycle stages a search looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Only what is in use.
    #[default]
    Active,
    /// Only what was deleted.
    Deleted,
    /// Both.
    All,
}

impl View {
    /// The protocol's word or number.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ACTIVE_ONLY" | "1" => Some(Self::Active),
            "DELETED_ONLY" | "2" => Some(Self::Deleted),
            "ALL" | "3" => Some(Self::All),
            _ => None,
        }
    }

    /// Whether this stage is looked at.
    pub fn shows(self, stage: Lifecycle) -> bool {
        match self {
            Self::Active => stage == Lifecycle::Active,
            Self::Deleted => stage == Lifecycle::Deleted,
            Self::All => true,
        }
    }
}

/// An experiment as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Experiment {
    /// Its number in the workspace.
    pub experiment_id: ExperimentId,
    /// Its name, unique in the workspace even when deleted.
    pub name: String,
    /// Where its runs put their artifacts.
    pub artifact_location: String,
    /// In use or deleted.
    pub lifecycle_stage: Lifecycle,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last renamed, deleted or restored.
    pub updated_at: Timestamp,
    /// Its tags, by key.
    pub tags: Vec<KeyValue>,
}

/// An experiment's name: present and not too long. Any characters are allowed.
pub fn validate_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() {
        return Err(Invalid("Invalid experiment name: ''".into()));
    }
    limits::length("name", limits::EXPERIMENT_NAME, name)
}

/// A tag of an experiment.
pub fn validate_tag(tag: &KeyValue) -> Result<(), Invalid> {
    limits::key("key", "key", &tag.key)?;
    limits::length("value", limits::EXPERIMENT_TAG_VALUE, &tag.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_integers_in_text() {
        assert_eq!(ExperimentId::parse("12"), Ok(ExperimentId(12)));
        assert_eq!(ExperimentId::parse(""), Ok(ExperimentId::DEFAULT));
        let message = ExperimentId::parse("abc").unwrap_err().0;
        assert_eq!(
            message,
            "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."
        );
    }

    #[test]
    fn names_must_be_there_and_short_enough() {
        assert_eq!(validate_name("Größe / all?"), Ok(()));
        assert_eq!(
            validate_name("").unwrap_err().0,
            "Invalid experiment name: ''"
        );
        assert_eq!(
            validate_name(&"x".repeat(501)).unwrap_err().0,
            "'name' exceeds the maximum length of 500 characters"
        );
    }
}
