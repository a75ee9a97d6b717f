//! One object for people: a line for each field, nested objects indented below their name.

use std::fmt::Write as _;

use serde_json::Value;

use super::table::{plain, short_time};

/// Renders an object; empty fields are left out, they tell a person nothing.
pub(super) fn render(value: &Value) -> String {
    let mut text = String::new();
    fields(&mut text, value, 0);
    text
}

fn fields(text: &mut String, value: &Value, depth: usize) {
    let Some(object) = value.as_object() else {
        return;
    };
    let shown = || object.iter().filter(|(_, item)| !is_empty(item));
    let width = shown()
        .filter(|(_, item)| !is_nested(item))
        .map(|(key, _)| key.chars().count())
        .max()
        .unwrap_or(0);
    for (key, item) in shown() {
        let indent = depth * 2;
        match item {
            nested @ Value::Object(_) if is_nested(nested) => {
                let _ = writeln!(text, "{:indent$}{key}:", "");
                fields(text, nested, depth + 1);
            }
            Value::Array(items) if is_nested(item) => {
                let _ = writeln!(text, "{:indent$}{key}:", "");
                for item in items {
                    let _ = writeln!(text, "{:indent$}  - {}", "", plain(item));
                }
            }
            Value::String(lines) if lines.trim_end().contains('\n') => {
                let _ = writeln!(text, "{:indent$}{key}:", "");
                for line in lines.trim_end().lines() {
                    let _ = writeln!(text, "{:indent$}  {line}", "");
                }
            }
            Value::String(moment) if key.ends_with("_at") || key.ends_with("_time") => {
                let _ = writeln!(text, "{:indent$}{key:<width$}  {}", "", short_time(moment));
            }
            flat => {
                let _ = writeln!(text, "{:indent$}{key:<width$}  {}", "", plain(flat));
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Nested enough to need lines of its own.
fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        _ => false,
    }
}
