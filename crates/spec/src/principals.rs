//! Who acts: people, services, and jobs acting for the one who submitted them.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What kind of actor a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A program owned by a person.
    Service,
    /// A running job.
    Job,
    /// Lazuli itself: the scheduler, recovery, housekeeping.
    System,
}

impl PrincipalKind {
    /// The text stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Job => "job",
            Self::System => "system",
        }
    }

    /// Reads the stored text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::Service, Self::Job, Self::System]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// An actor. Its id is never used again, not even after it is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The stable id.
    pub id: String,
    /// What kind of actor.
    pub kind: PrincipalKind,
    /// The unique name used to log in and shown in the audit.
    pub name: String,
    /// The name shown to people.
    pub display_name: String,
    /// Whether every credential of it is refused.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it: a principal id.
    pub created_by: String,
}
