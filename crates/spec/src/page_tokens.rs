//! Page tokens that hold the place in the list, and belong to one query.
//!
//! A token is base64 of JSON: a fingerprint of the query and the sort key of the last item shown. Reading on
//! starts after that key, so page 1,000 costs what page 1 costs. A token from another query is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::invalid::Invalid;

/// Writes a token for the query with these parts, after the item with this sort key.
pub fn encode(query: &[&str], key: &[Value]) -> String {
    let text = json!({ "q": fingerprint(query), "k": key }).to_string();
    URL_SAFE_NO_PAD.encode(text)
}

/// Reads a token back; fails unless it is whole and belongs to this query.
pub fn decode(query: &[&str], token: &str) -> Result<Vec<Value>, Invalid> {
    let bytes = URL_SAFE_NO_PAD
        .decode(token.trim_end_matches('='))
        .map_err(|_| Invalid::new("Invalid page token, could not base64-decode"))?;
    let parsed: Value = serde_json::from_slice(&bytes).map_err(|_| {
        Invalid::new("Invalid page token: use the next_page_token of the previous page as it came")
    })?;
    if parsed.get("q").and_then(Value::as_str) != Some(fingerprint(query).as_str()) {
        return Err(Invalid::new(
            "Invalid page token: it belongs to another query. Keep the filter, order and other parameters while paging, or start again without a token",
        ));
    }
    match parsed.get("k") {
        Some(Value::Array(key)) => Ok(key.clone()),
        _ => Err(Invalid::new(
            "Invalid page token: it holds no place in the list",
        )),
    }
}

/// A short hash of a query's parts.
pub fn fingerprint(query: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in query {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hex::encode(&hasher.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_come_back_and_belong_to_their_query() {
        let key = [json!(3), json!(0.1), json!("run")];
        let token = encode(&["runs", "a > 1"], &key);
        assert_eq!(decode(&["runs", "a > 1"], &token).unwrap(), key);
        assert!(
            decode(&["runs", "a > 2"], &token)
                .unwrap_err()
                .0
                .contains("another query")
        );
        assert!(decode(&["runsa", " > 1"], &token).is_err());
    }

    proptest! {
        #[test]
        fn no_token_panics(token in ".*") {
            prop_assert!(decode(&["runs"], &token).is_err());
        }
    }
}
