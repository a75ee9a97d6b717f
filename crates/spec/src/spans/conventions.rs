//! What other libraries call things, in MLflow's words: types, inputs and outputs, tokens, models. A span that says it in
//! MLflow's own words is left alone.
//!
//! Conventions known: OpenInference, OpenTelemetry's GenAI, Traceloop, Google's ADK and Gemini CLI, Claude Code, Spring AI, Vercel
//! AI, VoltAgent, LiveKit, Laminar, Langfuse. Where several would answer, the order of the tables decides.

use serde_json::{Map, Value, json};

use super::attributes::{self, Attributes};
use super::{events, messages};
use crate::otlp::Event;

/// Words of a library and MLflow's type for each.
type Types = &'static [(&'static str, &'static str)];

/// The attributes that tell a type, in the order in which they are asked.
const TYPES: &[(&str, Types)] = &[
    (
        "openinference.span.kind",
        &[
            ("TOOL", "TOOL"),
            ("CHAIN", "CHAIN"),
            ("LLM", "LLM"),
            ("RETRIEVER", "RETRIEVER"),
            ("EMBEDDING", "EMBEDDING"),
            ("AGENT", "AGENT"),
            ("RERANKER", "RERANKER"),
            ("UNKNOWN", "UNKNOWN"),
            ("GUARDRAIL", "GUARDRAIL"),
            ("EVALUATOR", "EVALUATOR"),
        ],
    ),
    ("gen_ai.operation.name", GEN_AI),
    (
        "traceloop.span.kind",
        &[
            ("workflow", "WORKFLOW"),
            ("task", "TASK"),
            ("agent", "AGENT"),
            ("tool", "TOOL"),
            ("unknown", "UNKNOWN"),
        ],
    ),
    (
        "ai.operationId",
        &[
            ("ai.generateText", "LLM"),
            ("ai.generateText.doGenerate", "LLM"),
            ("ai.toolCall", "TOOL"),
            ("ai.streamText", "LLM"),
            ("ai.streamText.doStream", "LLM"),
            ("ai.generateObject", "LLM"),
            ("ai.generateObject.doGenerate", "LLM"),
            ("ai.streamObject", "LLM"),
            ("ai.streamObject.doStream", "LLM"),
            ("ai.embed", "EMBEDDING"),
            ("ai.embed.doEmbed", "EMBEDDING"),
            ("ai.embedMany", "EMBEDDING"),
        ],
    ),
    ("span.type", VOLT_AGENT),
    ("entity.type", VOLT_AGENT),
];

const GEN_AI: Types = &[
    ("chat", "CHAT_MODEL"),
    ("create_agent", "AGENT"),
    ("embeddings", "EMBEDDING"),
    ("execute_tool", "TOOL"),
    ("generate_content", "LLM"),
    ("invoke_agent", "AGENT"),
    ("text_completion", "LLM"),
    ("response", "LLM"),
];

const VOLT_AGENT: Types = &[
    ("agent", "AGENT"),
    ("llm", "LLM"),
    ("tool", "TOOL"),
    ("memory", "MEMORY"),
];

/// Asked after LiveKit's, which are told by other signs.
const LATER_TYPES: &[(&str, Types)] = &[
    (
        "lmnr.span.type",
        &[
            ("LLM", "LLM"),
            ("TOOL", "TOOL"),
            ("DEFAULT", "CHAIN"),
            ("PIPELINE", "CHAIN"),
            ("EXECUTOR", "AGENT"),
            ("EVALUATOR", "EVALUATOR"),
            ("HUMAN_EVALUATOR", "EVALUATOR"),
            ("EVALUATION", "EVALUATOR"),
            ("CACHED", "LLM"),
        ],
    ),
    (
        "langfuse.observation.type",
        &[
            ("generation", "LLM"),
            ("embedding", "EMBEDDING"),
            ("tool", "TOOL"),
            ("retriever", "RETRIEVER"),
            ("agent", "AGENT"),
            ("chain", "CHAIN"),
            ("evaluator", "EVALUATOR"),
            ("guardrail", "GUARDRAIL"),
            ("span", "UNKNOWN"),
        ],
    ),
];

const GEMINI_CLI: Types = &[
    ("llm_call", "LLM"),
    ("tool_call", "TOOL"),
    ("agent_call", "AGENT"),
];

const CLAUDE_CODE: Types = &[
    ("claude_code.interaction", "AGENT"),
    ("claude_code.llm_request", "LLM"),
    ("claude_code.tool", "TOOL"),
];

/// Where counts of tokens stand: input, output, total, read from a cache, written to a cache (two names).
struct Tokens {
    input: &'static [&'static str],
    output: &'static [&'static str],
    total: &'static [&'static str],
    cache_read: &'static [&'static str],
    cache_write: &'static [&'static str],
    /// The input does not count what went through the cache.
    cache_apart: bool,
}

const OPEN_INFERENCE_TOKENS: Tokens = Tokens {
    input: &["llm.token_count.prompt"],
    output: &["llm.token_count.completion"],
    total: &["llm.token_count.total"],
    cache_read: &["llm.token_count.prompt_details.cache_read"],
    cache_write: &["llm.token_count.prompt_details.cache_write"],
    cache_apart: false,
};

const GEN_AI_TOKENS: Tokens = Tokens {
    input: &["gen_ai.usage.input_tokens"],
    output: &["gen_ai.usage.output_tokens"],
    total: &[],
    cache_read: &["gen_ai.usage.cache_read.input_tokens"],
    cache_write: &[
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
    ],
    cache_apart: false,
};

const CLAUDE_CODE_TOKENS: Tokens = Tokens {
    input: &["input_tokens"],
    output: &["output_tokens"],
    total: &[],
    cache_read: &["cache_read_tokens"],
    cache_write: &["cache_creation_tokens"],
    cache_apart: true,
};

const TRACELOOP_TOKENS: Tokens = Tokens {
    input: &["gen_ai.usage.prompt_tokens"],
    output: &["gen_ai.usage.completion_tokens"],
    total: &["llm.usage.total_tokens"],
    cache_read: &[],
    cache_write: &[],
    cache_apart: false,
};

const VOLT_AGENT_TOKENS: Tokens = Tokens {
    input: &["usage.prompt_tokens", "llm.usage.prompt_tokens"],
    output: &["usage.completion_tokens", "llm.usage.completion_tokens"],
    total: &["usage.total_tokens", "llm.usage.total_tokens"],
    cache_read: &[],
    cache_write: &[],
    cache_apart: false,
};

const MODEL_NAMES: &[&str] = &[
    "llm.response.model_name",
    "llm.model_name",
    "llm.request.model_name",
    "embedding.model_name",
    "gen_ai.response.model",
    "gen_ai.request.model",
];

const PROVIDERS: &[&str] = &["llm.provider", "gen_ai.provider.name", "gen_ai.system"];

/// Adds what the span says in other words.
pub(super) fn translate(span: &mut Attributes, happened: &[Event]) {
    if let Some(found) = span_type(span)
        && matches!(
            span.decoded(attributes::TYPE).as_deref(),
            None | Some("UNKNOWN")
        )
    {
        span.put_text(attributes::TYPE, found);
    }
    if !span.has(attributes::INPUTS)
        && let Some(raw) = messages::inputs(span).or_else(|| events::inputs(span, happened))
    {
        span.put(attributes::INPUTS, raw);
    }
    if !span.has(attributes::OUTPUTS)
        && let Some(raw) = messages::outputs(span).or_else(|| events::outputs(span, happened))
    {
        span.put(attributes::OUTPUTS, raw);
    }
    if !span.has(attributes::USAGE)
        && let Some(usage) = usage(span)
    {
        span.put_value(attributes::USAGE, &usage);
    }
    if !span.has(attributes::FORMAT)
        && let Some(format) = messages::format(span)
    {
        span.put_text(attributes::FORMAT, format);
    }
    if !span.has(attributes::TOOLS)
        && let Some(tools) = span.filled("gen_ai.tool.definitions").map(str::to_owned)
    {
        span.put(attributes::TOOLS, tools);
    }
    if !span.has(attributes::MODEL)
        && let Some(name) = model_name(span)
    {
        span.put_value(attributes::MODEL, &name);
    }
    if !span.has(attributes::PROVIDER)
        && let Some(name) = first(span, PROVIDERS)
    {
        span.put_value(attributes::PROVIDER, &name);
    }
}

fn span_type(span: &Attributes) -> Option<&'static str> {
    let by_table = |tables: &[(&str, Types)]| {
        tables
            .iter()
            .find_map(|(key, types)| told(span, key, types))
    };
    let open_inference = TYPES
        .first()
        .and_then(|(key, types)| told(span, key, types));
    open_inference
        .or_else(|| {
            let gemini = is_gemini_cli(span);
            gemini.then(|| told(span, "gen_ai.operation.name", GEMINI_CLI))?
        })
        .or_else(|| word(CLAUDE_CODE, &claude_code(span)?))
        .or_else(|| by_table(TYPES))
        .or_else(|| live_kit(span))
        .or_else(|| by_table(LATER_TYPES))
}

fn told(span: &Attributes, key: &str, types: Types) -> Option<&'static str> {
    word(types, &span.decoded(key)?)
}

fn word(types: Types, text: &str) -> Option<&'static str> {
    let found = types.iter().find(|(theirs, _)| *theirs == text);
    found.map(|(_, ours)| *ours)
}

/// Whether the span is of Gemini CLI, which uses GenAI's names for words of its own.
pub(super) fn is_gemini_cli(span: &Attributes) -> bool {
    span.decoded("gen_ai.agent.name").as_deref() == Some("gemini-cli")
}

/// The kind of a span of Claude Code; some versions leave the prefix out.
pub(super) fn claude_code(span: &Attributes) -> Option<String> {
    let kind = span.decoded("span.type")?;
    let long = if kind.starts_with("claude_code.") {
        kind
    } else {
        format!("claude_code.{kind}")
    };
    word(CLAUDE_CODE, &long).map(|_| long)
}

fn live_kit(span: &Attributes) -> Option<&'static str> {
    if span.has("gen_ai.request.model") {
        return Some("LLM");
    }
    if let Some(operation) = span.as_text("gen_ai.operation.name")
        && let Some(found) = word(GEN_AI, &operation.to_lowercase())
    {
        return Some(found);
    }
    span.iter().find_map(|(key, _)| match key {
        "lk.retry_count" => Some("LLM"),
        key if key.starts_with("lk.function_tool") => Some("TOOL"),
        "lk.agent_name" | "lk.instructions" | "lk.generation_id" => Some("AGENT"),
        key if key.starts_with("lk.tts") || key == "lk.input_text" => Some("UNKNOWN"),
        "lk.user_transcript" | "lk.transcript_confidence" | "lk.transcription_delay" => {
            Some("UNKNOWN")
        }
        _ => None,
    })
}

fn usage(span: &Attributes) -> Option<Value> {
    let claude = claude_code(span).is_some_and(|kind| kind == "claude_code.llm_request");
    [
        Some(&OPEN_INFERENCE_TOKENS),
        Some(&GEN_AI_TOKENS),
        claude.then_some(&CLAUDE_CODE_TOKENS),
        Some(&TRACELOOP_TOKENS),
        Some(&VOLT_AGENT_TOKENS),
    ]
    .into_iter()
    .flatten()
    .find_map(|tokens| counted(span, tokens))
}

fn counted(span: &Attributes, tokens: &Tokens) -> Option<Value> {
    let count = |keys: &[&str]| keys.iter().find_map(|key| number(span, key));
    let (cache_read, cache_write) = (count(tokens.cache_read), count(tokens.cache_write));
    let cached = if tokens.cache_apart {
        cache_read
            .unwrap_or(0)
            .saturating_add(cache_write.unwrap_or(0))
    } else {
        0
    };
    let input = count(tokens.input).map(|input| input.saturating_add(cached));
    let output = count(tokens.output);
    let total = count(tokens.total).or_else(|| Some(input?.saturating_add(output?)));
    if (input, output, total) == (None, None, None) {
        return None;
    }
    let known = [
        ("input_tokens", input),
        ("output_tokens", output),
        ("total_tokens", total),
        ("cache_read_input_tokens", cache_read),
        ("cache_creation_input_tokens", cache_write),
    ];
    let usage: Map<String, Value> = known
        .into_iter()
        .filter_map(|(key, count)| Some((key.to_owned(), json!(count?))))
        .collect();
    Some(Value::Object(usage))
}

/// A whole number, or a text that is one.
fn number(span: &Attributes, key: &str) -> Option<i64> {
    match span.value(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn model_name(span: &Attributes) -> Option<Value> {
    let asked = |key| {
        span.object(key)
            .and_then(|object| object.get("model").cloned())
    };
    let named = |value: &Value| value.as_str().is_some_and(|name| !name.is_empty());
    first(span, MODEL_NAMES)
        .or_else(|| asked(attributes::INPUTS).filter(named))
        .or_else(|| asked(attributes::OUTPUTS).filter(named))
}

fn first(span: &Attributes, keys: &[&str]) -> Option<Value> {
    let found = keys.iter().find_map(|key| span.filled(key))?;
    Some(attributes::parsed(found))
}
