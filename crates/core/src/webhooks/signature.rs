//! Requests to receivers, signed so that they can tell who sent them and when.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lazuli_spec::Timestamp;
use lazuli_spec::webhooks::{
    DELIVERY_ID_HEADER, SIGNATURE_HEADER, SIGNATURE_VERSION, TIMESTAMP_HEADER, signed_text,
};
use lazuli_store::webhooks::DeliveryKey;
use sha2::{Digest as _, Sha256};

use super::Post;

/// One attempt at a delivery. The moment is signed too, so a receiver can refuse what somebody recorded and sends again.
pub(super) fn post(
    url: &str,
    secret: Option<&str>,
    delivery_id: &str,
    body: String,
    now: Timestamp,
) -> Post {
    let timestamp = now.as_seconds().to_string();
    let signature = secret.and_then(|secret| sign(secret, delivery_id, &timestamp, &body));
    let mut headers = vec![
        (DELIVERY_ID_HEADER, delivery_id.to_owned()),
        (TIMESTAMP_HEADER, timestamp),
    ];
    headers.extend(signature.map(|signature| (SIGNATURE_HEADER, signature)));
    Post {
        url: url.to_owned(),
        headers,
        body,
    }
}

fn sign(secret: &str, delivery_id: &str, timestamp: &str, body: &str) -> Option<String> {
    // HMAC takes keys of every length
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(signed_text(delivery_id, timestamp, body).as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Some(format!("{SIGNATURE_VERSION},{signature}"))
}

/// A delivery's id: the same in every attempt, so that a receiver can tell what it has already.
pub(super) fn delivery_id(key: &DeliveryKey, created_at: Timestamp) -> String {
    let mut hasher = Sha256::new();
    hasher.update(key.webhook_id.as_bytes());
    for number in [key.sequence, key.place, created_at.0] {
        hasher.update(number.to_le_bytes());
    }
    let mut id = [0_u8; 16];
    id.copy_from_slice(&hasher.finalize()[..16]);
    // the form of a UUID whose bits are its maker's own business (version 8)
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let digits = u128::from_be_bytes(id);
    let part = |from: u32, bits: u32| digits >> from & ((1 << bits) - 1);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 32),
        part(80, 16),
        part(64, 16),
        part(48, 16),
        part(0, 48)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_receivers_compute() {
        let now = Timestamp(1_700_000_000_000_000);
        let post = post(
            "https://x",
            Some("test-secret-key"),
            "id-1",
            "{}".to_owned(),
            now,
        );
        let named = |name| {
            let found = post.headers.iter().find(|(header, _)| *header == name);
            found.map(|(_, value)| value.as_str())
        };
        // computed with Python's hmac over `id-1.1700000000.{}`
        assert_eq!(
            named(SIGNATURE_HEADER),
            Some("v1,5LMXlFmHRZCHCv2EedDUQi4nJXzDiBYjAflSw1HCdJU=")
        );
        assert_eq!(named(TIMESTAMP_HEADER), Some("1700000000"));
    }

    #[test]
    fn an_id_belongs_to_one_delivery() {
        let key = |sequence| DeliveryKey {
            webhook_id: "w".to_owned(),
            sequence,
            place: 0,
        };
        let one = delivery_id(&key(1), Timestamp(5));
        assert_eq!(one, delivery_id(&key(1), Timestamp(5)));
        assert_ne!(one, delivery_id(&key(2), Timestamp(5)));
        assert_eq!((one.len(), &one[14..15]), (36, "8"));
    }
}
