//! Values of attributes, and their JSON.

use serde_json::{Map, Value};

use super::Attribute;
use crate::python_json;

/// A value of an attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AnyValue {
    /// No value.
    #[default]
    Null,
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several.
    List(Vec<AnyValue>),
    /// Several with names.
    Map(Vec<Attribute>),
}

impl AnyValue {
    /// As JSON. What JSON has no form for becomes the text that MLflow's own server keeps: bytes as Python shows them, and
    /// numbers that are none by their names.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::from(text.as_str()),
            Self::Bool(value) => Value::from(*value),
            Self::Int(number) => Value::from(*number),
            Self::Double(number) => serde_json::Number::from_f64(*number)
                .map_or_else(|| Value::from(special(*number)), Value::Number),
            Self::Bytes(bytes) => Value::from(python_bytes(bytes)),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(values) => Value::Object(
                values
                    .iter()
                    .map(|pair| (pair.key.clone(), pair.value.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The text of the JSON, as Python writes it.
    pub fn dumped(&self) -> String {
        match self {
            // the three words that Python's JSON has and nobody else's
            Self::Double(number) if !number.is_finite() => special(*number).to_owned(),
            other => python_json::unescaped(&other.to_json()),
        }
    }
}

fn special(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Bytes as Python's `repr` shows them.
fn python_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        b'"'
    } else {
        b'\''
    };
    let mut out = format!("b{}", char::from(quote));
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            byte if *byte == quote => {
                out.push('\\');
                out.push(char::from(quote));
            }
            0x20..=0x7e => out.push(char::from(*byte)),
            byte => {
                out.push_str("\\x");
                out.push_str(&hex::encode([*byte]));
            }
        }
    }
    out.push(char::from(quote));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_text_that_clients_read_back() {
        let attribute = |key: &str, value| Attribute {
            key: key.to_owned(),
            value,
        };
        let map = AnyValue::Map(vec![
            attribute("é", AnyValue::List(vec![AnyValue::Int(-1), AnyValue::Null])),
            attribute("b", AnyValue::Bool(true)),
            attribute("é", AnyValue::Double(0.5)),
        ]);
        assert_eq!(map.dumped(), r#"{"é": 0.5, "b": true}"#);
        assert_eq!(AnyValue::Text("a\"\n".into()).dumped(), r#""a\"\n""#);
        assert_eq!(AnyValue::Double(f64::NEG_INFINITY).dumped(), "-Infinity");
        assert_eq!(
            AnyValue::List(vec![AnyValue::Double(f64::NAN)]).dumped(),
            r#"["NaN"]"#
        );
    }

    #[test]
    fn bytes_look_as_in_python() {
        assert_eq!(python_bytes(b"ab\xff'"), "b\"ab\\xff'\"");
        assert_eq!(python_bytes(b"'\"\\\n"), "b'\\'\"\\\\\\n'");
    }
}
