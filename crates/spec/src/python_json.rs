//! JSON as Python's `json.dumps` writes it: what MLflow's server puts into tags, its clients compare as text.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The value as text: a space after each comma and colon, and escapes for all that is not ASCII.
pub fn text(value: &serde_json::Value) -> String {
    let mut bytes = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, Python));
    // a value writes itself into memory without fail; were it to, its plain text still says the same
    match (written, String::from_utf8(bytes)) {
        (Ok(()), Ok(text)) => text,
        _ => value.to_string(),
    }
}

/// The same with characters that are not ASCII as they are (`ensure_ascii=False`): what is searched for as people type it.
pub fn unescaped(value: &serde_json::Value) -> String {
    let mut bytes = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, Unescaped));
    match (written, String::from_utf8(bytes)) {
        (Ok(()), Ok(text)) => text,
        _ => value.to_string(),
    }
}

struct Unescaped;

impl Formatter for Unescaped {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        Python.begin_array_value(out, first)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        Python.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        Python.begin_object_value(out)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        Python.write_f64(out, value)
    }
}

struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    /// As Python's `repr`: `1e-05` and `1e+16`, but `0.0001` and `100000.0`.
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        let shortest = format!("{value:e}");
        let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
        match exponent.parse::<i32>().unwrap_or(0) {
            -4..16 => write!(out, "{value:?}"),
            exponent if exponent < 0 => write!(out, "{digits}e-{:02}", -exponent),
            exponent => write!(out, "{digits}e+{exponent:02}"),
        }
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if c.is_ascii() {
                write!(out, "{c}")?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_pythons() {
        let floats =
            serde_json::json!([0.1, 1e-4, 1e-5, 1.5e-7, 5.0, 1e15, 1e16, -2.5e300, 1234.75]);
        let expected =
            "[0.1, 0.0001, 1e-05, 1.5e-07, 5.0, 1000000000000000.0, 1e+16, -2.5e+300, 1234.75]";
        assert_eq!(text(&floats), expected);
        assert_eq!(unescaped(&floats), expected);
    }

    #[test]
    fn the_text_is_pythons() {
        let value = serde_json::json!([{"name": "a \"b\"", "version": 1}, {"é": "模🙂", "list": [1.5, null, true], "none": {}}]);
        assert_eq!(
            text(&value),
            r#"[{"name": "a \"b\"", "version": 1}, {"\u00e9": "\u6a21\ud83d\ude42", "list": [1.5, null, true], "none": {}}]"#
        );
    }
}
