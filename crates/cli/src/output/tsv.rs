//! `-o tsv`: what a shell reads. One line per item of a list, values without quotes, tabs between the values of an
//! object or a nested list, no header; `true` and `false` in lower case, nothing for null.

use serde_json::Value;

/// Renders a value.
pub(super) fn render(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(|item| row(item) + "\n").collect(),
        other => row(other) + "\n",
    }
}

fn row(value: &Value) -> String {
    match value {
        Value::Array(cells) => cells.iter().map(cell).collect::<Vec<_>>().join("\t"),
        Value::Object(map) => map.values().map(cell).collect::<Vec<_>>().join("\t"),
        scalar => cell(scalar),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace(['\t', '\n'], " "),
        Value::Array(items) => items.len().to_string(),
        Value::Object(_) => value.to_string(),
        other => other.to_string(),
    }
}
