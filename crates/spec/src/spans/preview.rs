//! The beginning of what was asked and answered, for lists of traces: of a conversation, the last message of the role that matters.

use serde_json::Value;

use super::storable;
use crate::limits;
use crate::traces::PREVIEW;

/// The preview of the JSON text of a root's inputs (`role` is `user`) or outputs (`assistant`).
pub(super) fn preview(raw: &str, role: &str) -> String {
    let content = serde_json::from_str(raw).ok().and_then(|value| {
        let messages = messages(&value)?;
        let message = messages
            .iter()
            .rev()
            .find(|message| message.get("role").and_then(Value::as_str) == Some(role));
        text(message.or(messages.last())?)
    });
    let content = content.filter(|text| !text.is_empty());
    shortened(&content.unwrap_or_else(|| raw.to_owned()))
}

fn shortened(text: &str) -> String {
    let text = storable(text);
    if text.chars().nth(PREVIEW).is_none() {
        return text;
    }
    format!("{}...", limits::cut(text, PREVIEW - 3))
}

/// The messages of a request or an answer, in the shapes that are common for chats.
fn messages(value: &Value) -> Option<Vec<&Value>> {
    const MOST: usize = 8;
    let mut value = value;
    for _ in 0..MOST {
        let object = value.as_object()?;
        let list = |key: &str| {
            object
                .get(key)
                .and_then(Value::as_array)
                .filter(|list| !list.is_empty())
        };
        if let Some(found) = list("messages") {
            return Some(found.iter().filter(|item| is_message(item)).collect());
        }
        let choice = list("choices").and_then(|choices| choices.first()?.get("message"));
        if let Some(message) = choice.filter(|message| is_message(message)) {
            return Some(vec![message]);
        }
        if let Some(found) = list("input").or_else(|| list("output")) {
            return Some(found.iter().filter(|item| is_message(item)).collect());
        }
        value = object.get("request")?;
    }
    None
}

fn is_message(item: &Value) -> bool {
    item.get("role").is_some() && item.get("content").is_some()
}

fn text(message: &Value) -> Option<String> {
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().find_map(|part| match part {
            Value::String(text) => Some(text.clone()),
            part => {
                let kind = part.get("type")?.as_str()?;
                let said = matches!(kind, "text" | "output_text");
                said.then(|| part.get("text")?.as_str().map(str::to_owned))?
            }
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_conversations_the_last_message_is_shown() {
        let asked = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "b"}]}, {"role": "assistant", "content": "c"}]}"#;
        assert_eq!(preview(asked, "user"), "b");
        let answered = r#"{"choices": [{"message": {"role": "assistant", "content": "hi"}}]}"#;
        assert_eq!(preview(answered, "assistant"), "hi");
        let wrapped = r#"{"request": {"input": [{"role": "user", "content": "deep"}]}}"#;
        assert_eq!(preview(wrapped, "user"), "deep");
    }

    #[test]
    fn anything_else_is_shown_as_it_is_and_cut() {
        assert_eq!(preview(r#""hello""#, "user"), r#""hello""#);
        assert_eq!(
            preview(r#"{"messages": [5]}"#, "user"),
            r#"{"messages": [5]}"#
        );
        let long = preview(&"é".repeat(2_000), "user");
        assert!(long.chars().count() == PREVIEW && long.ends_with("é..."));
    }
}
