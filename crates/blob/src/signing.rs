//! Our own signed URLs: permission for one method on one path until a moment, without any other credential.
//!
//! `api` signs links for log files, downloads, MLflow multipart parts and the Azure Blob dialect, and verifies them in a
//! middleware. The signature covers method, path, expiry and the limit on the body, so nothing can be added or changed.
//! Paths are compared in one canonical percent-encoding, because clients re-encode them in their own ways.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use lazuli_spec::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What stays as it is in a canonical path: RFC 3986's unreserved characters.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Said first in what is signed, so that no other use of the key can give the same bytes.
const CONTEXT: &str = "lazuli-signed-url-1";

/// What a signed URL permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path, percent-encoded or not.
    pub path: String,
    /// From when on it is void; rounded down to a second.
    pub expires: Timestamp,
    /// How large a body may be sent.
    pub max_bytes: Option<u64>,
}

/// Why a signed URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("the link is not signed")]
    Missing,
    /// It cannot be read.
    #[error("the link's signature is malformed")]
    Malformed,
    /// It is not ours, or is for something else.
    #[error("the link's signature is not valid for this request")]
    Invalid,
    /// It was ours.
    #[error("the link has expired; ask for a new one")]
    Expired,
}

/// Signs and verifies, with one key.
#[derive(Clone)]
pub struct Signer {
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// A signer with this key of 256 bits.
    pub fn new(key: &[u8; 32]) -> Self {
        let key: &hmac::digest::Key<Hmac<Sha256>> = &block(key);
        Self {
            mac: Hmac::<Sha256>::new(key),
        }
    }

    /// The path with the query that permits it: `/path?lz-expires=…&lz-max=…&lz-signature=…`.
    pub fn sign(&self, grant: &Grant) -> String {
        let path = canonical_path(&grant.path);
        let expires = grant.expires.as_seconds();
        let signature = self.signature(&grant.method, &path, expires, grant.max_bytes);
        let max = grant
            .max_bytes
            .map_or_else(String::new, |max| format!("&lz-max={max}"));
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("{path}?lz-expires={expires}{max}&lz-signature={signature}")
    }

    /// Checks a request's method, path and query at this moment. Parameters of other kinds may stand beside ours.
    pub fn verify(
        &self,
        method: &str,
        path: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<Grant, SignatureError> {
        let asked = Asked::read(query)?;
        let canonical = canonical_path(path);
        let ours = self.signature(method, &canonical, asked.expires, asked.max_bytes);
        if !bool::from(ours.as_slice().ct_eq(&asked.signature)) {
            return Err(SignatureError::Invalid);
        }
        let expires = Timestamp(asked.expires.saturating_mul(1_000_000));
        if now >= expires {
            return Err(SignatureError::Expired);
        }
        Ok(Grant {
            method: method.to_owned(),
            path: path.to_owned(),
            expires,
            max_bytes: asked.max_bytes,
        })
    }

    fn signature(
        &self,
        method: &str,
        path: &str,
        expires: i64,
        max_bytes: Option<u64>,
    ) -> [u8; 32] {
        let max = max_bytes.map_or_else(|| "-".to_owned(), |max| max.to_string());
        // no field can hold a line feed: a method is a token, a canonical path has none, the rest are numbers
        let text = format!("{CONTEXT}\n{method}\n{path}\n{expires}\n{max}");
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn block(key: &[u8; 32]) -> hmac::digest::Key<Hmac<Sha256>> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}

/// The parameters of ours in a query, each at most once.
struct Asked {
    expires: i64,
    max_bytes: Option<u64>,
    signature: Vec<u8>,
}

impl Asked {
    fn read(query: &str) -> Result<Self, SignatureError> {
        let signature = single(query, "lz-signature")?.ok_or(SignatureError::Missing)?;
        let expires = single(query, "lz-expires")?.ok_or(SignatureError::Malformed)?;
        let max = single(query, "lz-max")?;
        let malformed = |_| SignatureError::Malformed;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| SignatureError::Malformed)?;
        Ok(Self {
            expires: expires.parse().map_err(malformed)?,
            max_bytes: max.map(str::parse).transpose().map_err(malformed)?,
            signature,
        })
    }
}

fn single<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, SignatureError> {
    let mut values = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then_some(value)
    });
    match (values.next(), values.next()) {
        (found, None) => Ok(found),
        _ => Err(SignatureError::Malformed),
    }
}

/// Each segment decoded and encoded again in the one canonical way.
fn canonical_path(path: &str) -> String {
    let encode = |segment: &str| {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        percent_encode(&bytes, KEPT).to_string()
    };
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lazuli_spec::{Clock, ManualClock};
    use proptest::prelude::*;

    use super::*;

    fn grant(path: &str) -> Grant {
        Grant {
            method: "GET".into(),
            path: path.into(),
            expires: Timestamp(1_000_000_000),
            max_bytes: None,
        }
    }

    fn split(url: &str) -> (&str, &str) {
        url.split_once('?').unwrap()
    }

    #[test]
    fn a_link_is_pinned_and_opens_until_it_expires() {
        let (signer, clock) = (Signer::new(&[7; 32]), ManualClock::at(Timestamp(0)));
        let url = signer.sign(&grant("/a b/ü"));
        insta::assert_snapshot!(url, @"/a%20b/%C3%BC?lz-expires=1000&lz-signature=Qj8wqrND--qLDkAM_IRj700xoWTGGGJd67YCDwOPiqo");
        let (path, query) = split(&url);
        assert_eq!(
            signer
                .verify("GET", path, query, clock.now())
                .unwrap()
                .max_bytes,
            None
        );
        clock.advance(Duration::from_micros(999_999_999));
        assert!(signer.verify("GET", path, query, clock.now()).is_ok());
        clock.advance(Duration::from_micros(1));
        assert_eq!(
            signer.verify("GET", path, query, clock.now()),
            Err(SignatureError::Expired)
        );
    }

    #[test]
    fn nothing_about_it_can_be_changed() {
        let signer = Signer::new(&[7; 32]);
        let url = signer.sign(&Grant {
            max_bytes: Some(10),
            ..grant("/a/b")
        });
        let (path, query) = split(&url);
        let check = |method, path, query: &str| signer.verify(method, path, query, Timestamp(0));
        assert_eq!(check("GET", path, query).unwrap().max_bytes, Some(10));
        let invalid = Err(SignatureError::Invalid);
        assert_eq!(check("PUT", path, query), invalid);
        assert_eq!(check("GET", "/a/c", query), invalid);
        assert_eq!(check("GET", "/a%2Fb", query), invalid);
        assert_eq!(check("GET", path, &query.replace("1000", "2000")), invalid);
        assert_eq!(
            check("GET", path, &query.replace("lz-max=10", "lz-max=11")),
            invalid
        );
        assert_eq!(
            check("GET", path, &query.replace("&lz-max=10", "")),
            invalid
        );
        assert_eq!(
            Signer::new(&[8; 32]).verify("GET", path, query, Timestamp(0)),
            invalid
        );
        assert_eq!(check("GET", path, ""), Err(SignatureError::Missing));
        assert_eq!(
            check("GET", path, "lz-signature=%%%"),
            Err(SignatureError::Malformed)
        );
        let twice = format!("{query}&lz-expires=5000");
        assert_eq!(check("GET", path, &twice), Err(SignatureError::Malformed));
        assert!(check("GET", path, &format!("{query}&comp=block")).is_ok());
        assert_eq!(format!("{signer:?}"), "Signer");
    }

    const WITH_SLASH: &AsciiSet = &KEPT.remove(b'/');

    proptest! {
        #[test]
        fn re_encoding_by_a_client_changes_nothing(path in "(/[a-zA-Z0-9 #%é&=+~_.-]{1,8}){1,4}") {
            let signer = Signer::new(&[1; 32]);
            let encoded = percent_encode(path.as_bytes(), WITH_SLASH).to_string();
            let url = signer.sign(&grant(&encoded));
            let (canonical, query) = split(&url);
            for form in [encoded.as_str(), canonical, &encoded.replace("%7E", "~").replace("%2D", "-")] {
                prop_assert!(signer.verify("GET", form, query, Timestamp(0)).is_ok());
            }
        }

        #[test]
        fn no_query_makes_it_panic_or_pass(path in ".{0,20}", query in ".{0,80}") {
            prop_assert!(Signer::new(&[1; 32]).verify("GET", &path, &query, Timestamp(0)).is_err());
        }
    }
}
