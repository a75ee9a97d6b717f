//! Bearer tokens: `lzt_<id>_<secret>`. Only a hash of the secret is kept.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::random::IdSource;

/// What marks a Lazuli token, so that leak scanners can find it.
pub const PREFIX: &str = "lzt_";

/// A token as it is kept and listed: never its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Public part: names the token in lists and in the audit.
    pub id: String,
    /// Whose token it is.
    pub principal_id: String,
    /// What it is for, in its owner's words.
    pub name: String,
    /// Action patterns it is limited to; `*` for all that its owner may do.
    pub scopes: Vec<String>,
    /// The job it belongs to, if it was made for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Whether a token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It does.
    Active,
    /// It was taken back.
    Revoked,
    /// Its time is over.
    Expired,
}

impl TokenState {
    /// Reads the word for a state.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "revoked" => Some(Self::Revoked),
            "expired" => Some(Self::Expired),
            _ => None,
        }
    }
}

/// The text a caller presents. It is shown once and has no `Debug`.
pub struct TokenText {
    id: String,
    secret: String,
}

impl TokenText {
    /// A fresh one.
    pub fn generate(ids: &dyn IdSource) -> Self {
        let id = ids.uuid_hex()[..12].to_owned();
        let secret = ids.secret_hex();
        Self { id, secret }
    }

    /// Takes apart what a caller presented; `None` if it cannot be a token of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
        let well_formed = id.len() == 12 && secret.len() == 64 && is_hex(id) && is_hex(secret);
        well_formed.then(|| Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
        })
    }

    /// The public part.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is kept in place of the secret. The secret has 256 random bits, so a plain hash cannot be reversed by guessing.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.secret.as_bytes()).to_vec()
    }

    /// The whole text, to hand to its owner once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededIds;

    #[test]
    fn what_is_made_can_be_read_back() {
        let made = TokenText::generate(&SeededIds::new(1));
        let read = TokenText::parse(&made.reveal()).unwrap();
        assert_eq!(read.id(), made.id());
        assert_eq!(read.hash(), made.hash());
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        for text in ["", "lzt_", "lzt_a_b", "Bearer x", "lzt_000000000000_zz"] {
            assert!(TokenText::parse(text).is_none(), "{text}");
        }
    }
}
