//! Secrets of others that must be given out again (a webhook's signing secret) are sealed before they are stored: whoever reads
//! the database, or a dump of it, reads none of them. The key lies in the server's home, not in the database.

use std::fmt;

use lazuli_spec::IdSource;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{Error, Result};

/// Seals and opens, with one key.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; 32],
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// A sealer with this key of 256 bits.
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The sealed secret. It opens only for the same `purpose`, so that it cannot be moved to another row.
    pub fn seal(&self, ids: &dyn IdSource, purpose: &str, secret: &str) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        ids.fill(&mut nonce);
        let mut text = secret.as_bytes().to_vec();
        self.key()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut text,
            )
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// The secret, if it was sealed with this key for this purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let key = self.key().ok()?;
        let opened = key.open_in_place(nonce, Aad::from(purpose), &mut text);
        String::from_utf8(opened.ok()?.to_vec()).ok()
    }

    fn key(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.key);
        key.map(LessSafeKey::new)
            .map_err(|_| Error::internal("the key for secrets is not usable"))
    }
}

#[cfg(test)]
mod tests {
    use lazuli_spec::SeededIds;

    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_purpose_only() {
        let (sealer, ids) = (Sealer::new([7; 32]), SeededIds::new(1));
        let sealed = sealer.seal(&ids, "webhooks/1", "geheim").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"geheim"));
        assert_eq!(
            sealer.open("webhooks/1", &sealed).as_deref(),
            Some("geheim")
        );
        assert_eq!(sealer.open("webhooks/2", &sealed), None);
        assert_eq!(Sealer::new([8; 32]).open("webhooks/1", &sealed), None);
        let mut changed = sealed.clone();
        changed[NONCE_LEN] ^= 1;
        assert_eq!(sealer.open("webhooks/1", &changed), None);
        assert_eq!(sealer.open("webhooks/1", &sealed[..5]), None);
        assert_ne!(sealer.seal(&ids, "webhooks/1", "geheim").unwrap(), sealed);
    }
}
