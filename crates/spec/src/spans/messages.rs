//! Inputs and outputs that stand in attributes of other names.

use serde_json::{Map, Value, json};

use super::attributes::{Attributes, parsed};
use super::conventions::{claude_code, is_gemini_cli};

/// What a library writes when its user did not agree to have contents recorded.
const REDACTED: &str = "<REDACTED>";

/// The inputs, as JSON text.
pub(super) fn inputs(span: &mut Attributes) -> Option<String> {
    first(span, &["input.value"])
        .or_else(|| gemini_inputs(span))
        .or_else(|| claude_inputs(span))
        .or_else(|| {
            first(
                span,
                &["gen_ai.input.messages", "gen_ai.tool.call.arguments"],
            )
        })
        .or_else(|| first(span, &["traceloop.entity.input"]))
        .or_else(|| numbered(span, "gen_ai.prompt.", "content"))
        .or_else(|| numbered(span, "gen_ai.completion.", "arguments"))
        .or_else(|| {
            first(
                span,
                &[
                    "gcp.vertex.agent.llm_request",
                    "gcp.vertex.agent.tool_call_args",
                ],
            )
        })
        .or_else(|| vercel_inputs(span))
        .or_else(|| {
            first(
                span,
                &[
                    "agent.messages",
                    "llm.messages",
                    "input",
                    "lk.user_input",
                    "lk.user_transcript",
                    "lk.chat_ctx",
                    "lk.input_text",
                    "lmnr.span.input",
                    "langfuse.observation.input",
                ],
            )
        })
}

/// The outputs, as JSON text.
pub(super) fn outputs(span: &Attributes) -> Option<String> {
    first(span, &["output.value"])
        .or_else(|| gemini_outputs(span))
        .or_else(|| claude_outputs(span))
        .or_else(|| first(span, &["gen_ai.output.messages", "gen_ai.tool.call.result"]))
        .or_else(|| first(span, &["traceloop.entity.output"]))
        .or_else(|| numbered(span, "gen_ai.completion.", "content"))
        .or_else(|| {
            first(
                span,
                &[
                    "gcp.vertex.agent.llm_response",
                    "gcp.vertex.agent.tool_response",
                ],
            )
        })
        .or_else(|| vercel_outputs(span))
        .or_else(|| {
            first(
                span,
                &[
                    "output",
                    "lk.response.text",
                    "lk.response.function_calls",
                    "lmnr.span.output",
                    "langfuse.observation.output",
                ],
            )
        })
}

/// How the messages are written, where a page would have to know it.
pub(super) fn format(span: &Attributes) -> Option<&'static str> {
    let any = |sign: fn(&str) -> bool| span.iter().any(|(key, _)| sign(key));
    if is_gemini_cli(span) {
        Some("gemini")
    } else if any(|key| matches!(key, "voltagent.operation_id" | "voltagent.conversation_id")) {
        Some("voltagent")
    } else if any(|key| key.starts_with("lk.")) {
        Some("livekit")
    } else if span.has("lmnr.span.type") {
        Some("openai")
    } else {
        None
    }
}

fn first(span: &Attributes, keys: &[&str]) -> Option<String> {
    let found = keys.iter().find_map(|key| span.filled(key));
    found.map(str::to_owned)
}

/// `<prefix><number>.content`, or `<prefix><number>.tool_calls.<number>.arguments`.
fn numbered(span: &Attributes, prefix: &str, last: &str) -> Option<String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = |key: &str| {
        let Some(rest) = key.strip_prefix(prefix) else {
            return false;
        };
        let parts: Vec<&str> = rest.split('.').collect();
        match parts.as_slice() {
            [number, name] => digits(number) && *name == last && last == "content",
            [number, "tool_calls", call, name] => digits(number) && digits(call) && *name == last,
            _ => false,
        }
    };
    let mut keys = span.iter().map(|(key, _)| key).filter(|key| fits(key));
    keys.find_map(|key| span.filled(key)).map(str::to_owned)
}

fn gemini_inputs(span: &Attributes) -> Option<String> {
    if !is_gemini_cli(span) {
        return None;
    }
    let raw = first(
        span,
        &["gen_ai.input.messages", "gen_ai.tool.call.arguments"],
    )?;
    let system = span.raw("gen_ai.operation.name") == Some("system_prompt")
        || span.decoded("gen_ai.operation.name").as_deref() == Some("system_prompt");
    match parsed(&raw) {
        Value::Array(mut contents) => {
            for content in contents.iter_mut().filter(|_| system) {
                if content.get("role").and_then(Value::as_str) == Some("user") {
                    content["role"] = "system".into();
                }
            }
            Some(written(&json!({ "contents": contents })))
        }
        text @ Value::String(_) => Some(written(&json!({ "contents": text }))),
        _ => Some(raw),
    }
}

/// The pieces of an answer that was streamed, as one answer.
fn gemini_outputs(span: &Attributes) -> Option<String> {
    if !is_gemini_cli(span) {
        return None;
    }
    let raw = first(span, &["gen_ai.output.messages", "gen_ai.tool.call.result"])?;
    let Value::Array(contents) = parsed(&raw) else {
        return Some(raw);
    };
    let parts: Vec<Value> = contents
        .iter()
        .filter_map(|content| content.get("parts")?.as_array())
        .flatten()
        .cloned()
        .collect();
    if parts.is_empty() {
        return Some(raw);
    }
    let content = json!({ "role": "model", "parts": parts });
    Some(written(&json!({ "candidates": [{ "content": content }] })))
}

fn claude_inputs(span: &Attributes) -> Option<String> {
    match claude_code(span)?.as_str() {
        "claude_code.interaction" => {
            readable(span, "user_prompt").or_else(|| readable(span, "new_context"))
        }
        "claude_code.llm_request" => readable(span, "new_context"),
        _ => readable(span, "tool_input").or_else(|| {
            let keys = ["full_command", "file_path", "skill_name", "subagent_type"];
            let details = keys
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), parsed(&readable(span, key)?))));
            let details: Map<String, Value> = details.collect();
            (!details.is_empty()).then(|| written(&Value::Object(details)))
        }),
    }
}

fn claude_outputs(span: &Attributes) -> Option<String> {
    match claude_code(span)?.as_str() {
        "claude_code.llm_request" => readable(span, "response.model_output"),
        "claude_code.tool" => readable(span, "new_context"),
        _ => None,
    }
}

fn readable(span: &Attributes, key: &str) -> Option<String> {
    let raw = span.filled(key)?;
    (parsed(raw) != REDACTED).then(|| raw.to_owned())
}

fn vercel_inputs(span: &mut Attributes) -> Option<String> {
    if !vercel_chat(span) {
        return first(
            span,
            &["ai.prompt", "ai.toolCall.args", "ai.value", "ai.values"],
        );
    }
    let mut inputs = below(span, "ai.prompt.");
    if let Some(Value::Array(tools)) = inputs.get_mut("tools") {
        for tool in tools {
            *tool = unfolded(tool.take());
        }
    }
    span.put_text(super::attributes::FORMAT, "vercel_ai");
    (!inputs.is_empty()).then(|| written(&Value::Object(inputs)))
}

fn vercel_outputs(span: &Attributes) -> Option<String> {
    if !vercel_chat(span) {
        return first(
            span,
            &[
                "ai.response.text",
                "ai.toolCall.result",
                "ai.response.object",
                "ai.embedding",
                "ai.embeddings",
            ],
        );
    }
    let outputs = below(span, "ai.response.");
    (!outputs.is_empty()).then(|| written(&Value::Object(outputs)))
}

fn vercel_chat(span: &Attributes) -> bool {
    let kind = span.decoded("ai.operationId");
    matches!(
        kind.as_deref(),
        Some("ai.generateText.doGenerate" | "ai.streamText.doStream")
    )
}

fn below(span: &Attributes, prefix: &str) -> Map<String, Value> {
    span.iter()
        .filter_map(|(key, raw)| Some((key.strip_prefix(prefix)?.to_owned(), unfolded(raw.into()))))
        .collect()
}

/// A text that is JSON, up to three times over, as what it stands for.
fn unfolded(mut value: Value) -> Value {
    for _ in 0..3 {
        let Value::String(text) = &value else { break };
        match serde_json::from_str(text) {
            Ok(inner) => value = inner,
            Err(_) => break,
        }
    }
    value
}

fn written(value: &Value) -> String {
    crate::python_json::text(value)
}
