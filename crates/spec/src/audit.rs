//! Audit records: who did what, on what, with which outcome; chained so that none can be changed unseen.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Allowed,
    /// The caller may not do it.
    Denied,
    /// The credentials were not valid.
    Unauthenticated,
}

impl Outcome {
    /// The text stored and hashed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// Reads the stored text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allowed, Self::Denied, Self::Unauthenticated]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

/// One record of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its place, counted from 1 without gaps.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Who: a principal id, empty when nobody could be named.
    pub principal_id: String,
    /// The principal's name at that time.
    pub principal_name: String,
    /// What: an action string.
    pub action: String,
    /// On what, for example `data/iris:1`.
    pub target: String,
    /// In which workspace, empty for the server itself.
    pub workspace: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The request it belongs to.
    pub request_id: String,
    /// Where the request came from.
    pub address: String,
    /// The hash of the record before it.
    pub previous_hash: String,
    /// The hash of this record.
    pub hash: String,
}

/// The hash before the first record.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl AuditRecord {
    /// The hash this record ought to have: over every field with its length, so that nothing can slide between fields.
    pub fn expected_hash(&self) -> String {
        let sequence = self.sequence.to_string();
        let at = self.at.0.to_string();
        let fields = [
            self.previous_hash.as_str(),
            &sequence,
            &at,
            &self.principal_id,
            &self.principal_name,
            &self.action,
            &self.target,
            &self.workspace,
            self.outcome.as_str(),
            &self.request_id,
            &self.address,
        ];
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update((field.len() as u64).to_le_bytes());
            hasher.update(field.as_bytes());
        }
        hex::encode(hasher.finalize())
    }
}

/// What is wrong with a trail, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The place in the trail.
    pub sequence: i64,
    /// What was found there.
    pub problem: String,
}

/// Walks a trail record by record and finds the first break.
#[derive(Debug)]
pub struct Verifier {
    next: i64,
    previous: String,
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            next: 1,
            previous: GENESIS.to_owned(),
        }
    }
}

impl Verifier {
    /// Takes the next record; an error names the place where the trail breaks.
    pub fn check(&mut self, record: &AuditRecord) -> Result<(), Break> {
        let broken = |problem: String| {
            Err(Break {
                sequence: self.next,
                problem,
            })
        };
        if record.sequence != self.next {
            return broken(format!(
                "record {} is missing: {} follows",
                self.next, record.sequence
            ));
        }
        if record.previous_hash != self.previous {
            return broken("the record does not follow from the one before it: it was put here, or the one before was changed".into());
        }
        if record.hash != record.expected_hash() {
            return broken("the record's content was changed".into());
        }
        self.next += 1;
        self.previous.clone_from(&record.hash);
        Ok(())
    }

    /// Compares the end with what the head says was written last: records cut from the tail show here.
    pub fn finish(&self, head_sequence: i64, head_hash: &str) -> Result<(), Break> {
        if head_sequence != self.next - 1 || head_hash != self.previous {
            return Err(Break {
                sequence: self.next,
                problem: format!(
                    "the trail ends at record {}, its head names {head_sequence}",
                    self.next - 1
                ),
            });
        }
        Ok(())
    }

    /// How many records were found sound.
    pub const fn checked(&self) -> i64 {
        self.next - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(length: i64) -> Vec<AuditRecord> {
        let mut previous = GENESIS.to_owned();
        (1..=length)
            .map(|sequence| {
                let mut record = AuditRecord {
                    sequence,
                    at: Timestamp(sequence),
                    principal_id: "p".into(),
                    principal_name: "admin".into(),
                    action: "data/write".into(),
                    target: format!("data/iris:{sequence}"),
                    workspace: "default".into(),
                    outcome: Outcome::Allowed,
                    request_id: "r".into(),
                    address: "127.0.0.1".into(),
                    previous_hash: previous.clone(),
                    hash: String::new(),
                };
                record.hash = record.expected_hash();
                previous.clone_from(&record.hash);
                record
            })
            .collect()
    }

    fn verify(records: &[AuditRecord], head: &AuditRecord) -> Result<i64, Break> {
        let mut verifier = Verifier::default();
        for record in records {
            verifier.check(record)?;
        }
        verifier.finish(head.sequence, &head.hash)?;
        Ok(verifier.checked())
    }

    #[test]
    fn a_sound_trail_passes() {
        let records = trail(5);
        assert_eq!(verify(&records, &records[4]), Ok(5));
    }

    #[test]
    fn a_change_a_gap_a_swap_and_a_cut_tail_are_each_found() {
        let sound = trail(5);
        let head = &sound[4];

        let mut changed = sound.clone();
        changed[2].target = "data/other:1".into();
        assert_eq!(verify(&changed, head).unwrap_err().sequence, 3);

        let mut gap = sound.clone();
        gap.remove(1);
        assert_eq!(verify(&gap, head).unwrap_err().sequence, 2);

        let mut swapped = sound.clone();
        swapped.swap(1, 2);
        assert_eq!(verify(&swapped, head).unwrap_err().sequence, 2);

        let cut = &sound[..4];
        assert_eq!(verify(cut, head).unwrap_err().sequence, 5);
    }

    #[test]
    fn a_record_rehashed_in_place_breaks_the_next() {
        let mut records = trail(3);
        let head = records[2].clone();
        records[0].target = "data/other:1".into();
        records[0].hash = records[0].expected_hash();
        assert_eq!(verify(&records, &head).unwrap_err().sequence, 2);
    }
}
