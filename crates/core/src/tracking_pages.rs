//! Page tokens of tracking's searches: sort keys of the store, written as JSON.

use lazuli_spec::invalid::Invalid;
use lazuli_spec::page_tokens;
use lazuli_store::Value;
use serde_json::{Value as Json, json};

use crate::Result;

/// A token for the place after these sort values.
pub(crate) fn write_place(query: &[String], place: &[Value]) -> String {
    let parts: Vec<&str> = query.iter().map(String::as_str).collect();
    let key: Vec<Json> = place.iter().map(to_json).collect();
    page_tokens::encode(&parts, &key)
}

/// The sort values of a token that belongs to the query.
pub(crate) fn read_place(query: &[String], token: &str) -> Result<Vec<Value>> {
    let parts: Vec<&str> = query.iter().map(String::as_str).collect();
    let key = page_tokens::decode(&parts, token)?;
    key.iter().map(from_json).collect()
}

/// A float travels by its bits: what comes back must be the same to the last one.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Integer(number) => json!(number),
        Value::Real(number) => json!({ "f": number.to_bits() }),
        Value::Text(text) => json!(text),
        Value::Null(_) | Value::Blob(_) => Json::Null,
    }
}

fn from_json(value: &Json) -> Result<Value> {
    if let Some(text) = value.as_str() {
        return Ok(Value::Text(text.to_owned()));
    }
    if let Some(number) = value.as_i64() {
        return Ok(Value::Integer(number));
    }
    let bits = value.get("f").and_then(Json::as_u64);
    let bits =
        bits.ok_or_else(|| Invalid::new("Invalid page token: it holds no place in the list"))?;
    Ok(Value::Real(f64::from_bits(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_to_the_last_bit() {
        let query = ["runs".to_owned()];
        let place = [
            Value::Integer(i64::MIN),
            Value::Real(0.1 + 0.2),
            Value::Real(f64::MAX),
            Value::Text("ü".into()),
        ];
        let token = write_place(&query, &place);
        assert_eq!(read_place(&query, &token).unwrap(), place);
        assert!(read_place(&["experiments".to_owned()], &token).is_err());
    }
}
