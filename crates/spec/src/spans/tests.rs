//! Spans as they come and as they are read back.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::otlp::{AnyValue, Attribute};

fn text(key: &str, value: &str) -> Attribute {
    Attribute {
        key: key.to_owned(),
        value: AnyValue::Text(value.to_owned()),
    }
}

fn int(key: &str, value: i64) -> Attribute {
    Attribute {
        key: key.to_owned(),
        value: AnyValue::Int(value),
    }
}

fn span(id: u8, parent: Option<u8>, attributes: Vec<Attribute>) -> OtlpSpan {
    OtlpSpan {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        parent_span_id: parent.map_or_else(Vec::new, |id| vec![id; 8]),
        name: format!("span {id}"),
        start_ns: 2_000_000 * u64::from(id),
        end_ns: 9_000_000,
        attributes,
        ..OtlpSpan::default()
    }
}

fn receive(resource: Vec<Attribute>, spans: Vec<OtlpSpan>) -> Vec<Received> {
    let resources = vec![ResourceSpans {
        attributes: resource,
        spans,
    }];
    received(Export { resources }).unwrap()
}

fn alone(attributes: Vec<Attribute>) -> Received {
    receive(Vec::new(), vec![span(2, None, attributes)]).remove(0)
}

#[test]
fn content_is_what_clients_write() {
    let mut sent = span(2, Some(3), vec![text("é", "\"quoted\""), int("n", 5)]);
    sent.events.push(crate::otlp::Event {
        time_ns: 7,
        name: "ev".into(),
        attributes: vec![int("i", 1)],
    });
    sent.links.push(crate::otlp::Link {
        trace_id: vec![3; 16],
        span_id: vec![4; 8],
        attributes: Vec::new(),
    });
    let received = receive(Vec::new(), vec![sent]).remove(0);
    assert_eq!(
        received.span.content,
        r#"{"trace_id": "AQEBAQEBAQEBAQEBAQEBAQ==", "span_id": "AgICAgICAgI=", "parent_span_id": "AwMDAwMDAwM=", "name": "span 2", "start_time_unix_nano": 4000000, "end_time_unix_nano": 9000000, "events": [{"name": "ev", "time_unix_nano": 7, "attributes": {"i": 1}}], "status": {"code": "STATUS_CODE_UNSET", "message": ""}, "attributes": {"é": "\"quoted\"", "n": "5", "mlflow.traceRequestId": "\"tr-01010101010101010101010101010101\""}, "links": [{"trace_id": "tr-03030303030303030303030303030303", "span_id": "0404040404040404", "attributes": null}]}"#
    );
    let back = shown(&received.span.content);
    assert_eq!(
        back["attributes"][0]["value"],
        json!({ "string_value": "quoted" })
    );
    assert_eq!(back["attributes"][1]["value"], json!({ "int_value": 5 }));
    assert_eq!(back["links"][0]["span_id"], "BAQEBAQEBAQ=");
    assert_eq!(
        back["events"][0]["attributes"][0]["value"],
        json!({ "int_value": 1 })
    );
    assert_eq!(back["status"], json!({}));
}

#[test]
fn numbers_that_are_none_come_back() {
    let double = Attribute {
        key: "d".into(),
        value: AnyValue::Double(f64::NAN),
    };
    let back = shown(&alone(vec![double, text("t", "NaN")]).span.content);
    assert_eq!(
        back["attributes"][0]["value"],
        json!({ "double_value": "NaN" })
    );
    assert_eq!(
        back["attributes"][1]["value"],
        json!({ "string_value": "NaN" })
    );
}

#[test]
fn other_conventions_are_translated() {
    let of = |attributes: Vec<Attribute>| alone(attributes);
    let inference = of(vec![
        text("openinference.span.kind", "RETRIEVER"),
        text("input.value", "hello"),
        text("output.value", r#"{"a": 1}"#),
        int("llm.token_count.prompt", 10),
        int("llm.token_count.completion", 5),
        text("llm.model_name", "m-1"),
    ]);
    assert_eq!(inference.span.span_type.as_deref(), Some("RETRIEVER"));
    assert_eq!(
        inference.attributes.raw(attributes::INPUTS),
        Some(r#""hello""#)
    );
    assert_eq!(
        inference.attributes.raw(attributes::OUTPUTS),
        Some(r#"{"a": 1}"#)
    );
    assert_eq!(
        inference.attributes.raw(attributes::USAGE),
        Some(r#"{"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}"#)
    );
    assert_eq!(inference.span.model_name.as_deref(), Some("m-1"));

    let traceloop = of(vec![
        text("traceloop.span.kind", "tool"),
        text("gen_ai.prompt.0.content", "asked"),
        text("gen_ai.completion.0.content", "answered"),
        text("gen_ai.usage.prompt_tokens", "3"),
        text("gen_ai.system", "openai"),
    ]);
    assert_eq!(traceloop.span.span_type.as_deref(), Some("TOOL"));
    assert_eq!(
        traceloop.attributes.decoded(attributes::INPUTS).as_deref(),
        Some("asked")
    );
    assert_eq!(
        traceloop.attributes.decoded(attributes::OUTPUTS).as_deref(),
        Some("answered")
    );
    assert_eq!(traceloop.span.tokens.unwrap().0[0], Some(3));
    assert_eq!(traceloop.span.model_provider.as_deref(), Some("openai"));

    let claude = of(vec![
        text("span.type", "llm_request"),
        int("input_tokens", 1),
        int("output_tokens", 2),
        int("cache_read_tokens", 10),
        text("new_context", "<REDACTED>"),
    ]);
    assert_eq!(claude.span.span_type.as_deref(), Some("LLM"));
    assert_eq!(
        claude.span.tokens.unwrap().0,
        [Some(11), Some(2), Some(13), Some(10), None, None]
    );
    assert!(!claude.attributes.has(attributes::INPUTS));

    let gemini = of(vec![
        text("gen_ai.agent.name", "gemini-cli"),
        text("gen_ai.operation.name", "llm_call"),
        text("gen_ai.input.messages", r#"[{"role": "user"}]"#),
        text(
            "gen_ai.output.messages",
            r#"[{"parts": [1]}, {"parts": [2]}]"#,
        ),
    ]);
    assert_eq!(gemini.span.span_type.as_deref(), Some("LLM"));
    assert_eq!(
        gemini.attributes.raw(attributes::INPUTS),
        Some(r#"{"contents": [{"role": "user"}]}"#)
    );
    assert_eq!(
        gemini.attributes.raw(attributes::OUTPUTS),
        Some(r#"{"candidates": [{"content": {"role": "model", "parts": [1, 2]}}]}"#)
    );

    let vercel = of(vec![
        text("ai.operationId", "ai.streamText.doStream"),
        text("ai.prompt.messages", r#"[{"role": "user"}]"#),
        text("ai.response.text", "hi"),
    ]);
    assert_eq!(
        vercel.attributes.raw(attributes::INPUTS),
        Some(r#"{"messages": [{"role": "user"}]}"#)
    );
    assert_eq!(
        vercel.attributes.raw(attributes::OUTPUTS),
        Some(r#"{"text": "hi"}"#)
    );
    assert_eq!(
        vercel.attributes.decoded(attributes::FORMAT).as_deref(),
        Some("vercel_ai")
    );
}

#[test]
fn mlflows_own_words_stay() {
    let received = alone(vec![
        text(attributes::TYPE, "AGENT"),
        text(attributes::INPUTS, "mine"),
        text("openinference.span.kind", "LLM"),
        text("input.value", "other"),
    ]);
    assert_eq!(received.span.span_type.as_deref(), Some("AGENT"));
    assert_eq!(
        received.attributes.decoded(attributes::INPUTS).as_deref(),
        Some("mine")
    );
}

#[test]
fn messages_in_events_are_inputs_and_outputs() {
    let event = |name: &str, key: &str, value: &str| crate::otlp::Event {
        time_ns: 0,
        name: name.to_owned(),
        attributes: vec![text(key, value)],
    };
    let mut sent = span(2, None, Vec::new());
    sent.events = vec![
        event("gen_ai.user.message", "content", "hi"),
        event("gen_ai.choice", "content", "ho"),
    ];
    let received = receive(Vec::new(), vec![sent]).remove(0);
    assert_eq!(
        received.attributes.raw(attributes::INPUTS),
        Some(r#"[{"role": "user", "content": "hi"}]"#)
    );
    assert_eq!(
        received.attributes.raw(attributes::OUTPUTS),
        Some(r#"[{"role": "assistant", "content": "ho"}]"#)
    );
}

#[test]
fn a_trace_learns_from_its_spans() {
    let resource = vec![
        text("service.name", "gemini-cli"),
        text("telemetry.sdk.name", "otel"),
        text("mlflow.x", "no"),
        int("replica", 3),
    ];
    let mut root = span(
        2,
        None,
        vec![
            text(attributes::INPUTS, "asked"),
            text("mlflow.traceTag.mlflow.traceName", "my trace"),
            text("mlflow.traceTag.k", "v"),
            text(attributes::USER, "someone"),
        ],
    );
    root.status.code = StatusCode::Error;
    let child = span(
        1,
        Some(2),
        vec![
            text("session.id", "s-1"),
            int("gen_ai.usage.input_tokens", 4),
        ],
    );
    let spans = receive(resource, vec![root, child]);
    assert_eq!(
        spans[0].attributes.decoded("service.name").as_deref(),
        Some("gemini-cli")
    );
    let learnt = summary::summary(&spans).unwrap();
    assert_eq!((learnt.start_ms, learnt.end_ms), (2, Some(9)));
    assert_eq!(learnt.state, Some(crate::traces::TraceState::Error));
    assert_eq!(learnt.request_preview.as_deref(), Some("\"asked\""));
    assert_eq!(learnt.session_id.as_deref(), Some("s-1"));
    assert_eq!(learnt.user.as_deref(), Some("someone"));
    assert_eq!((learnt.says_tokens, learnt.says_cost), (true, false));
    let (name, tags) = learnt.split_tags();
    assert_eq!(name.as_deref(), Some("my trace"));
    assert_eq!(
        tags,
        [
            KeyValue::new("service.name", "gemini-cli"),
            KeyValue::new("replica", "3"),
            KeyValue::new("k", "v")
        ]
    );
}

#[test]
fn ids_that_are_none_are_refused() {
    for (trace, id, parent) in [
        (vec![], vec![1; 8], vec![]),
        (vec![1; 17], vec![1; 8], vec![]),
        (vec![1; 16], vec![], vec![]),
        (vec![1; 16], vec![1; 8], vec![1; 9]),
    ] {
        let mut bad = span(1, None, Vec::new());
        (bad.trace_id, bad.span_id, bad.parent_span_id) = (trace, id, parent);
        let resources = vec![ResourceSpans {
            attributes: Vec::new(),
            spans: vec![bad],
        }];
        let error = received(Export { resources }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Cannot convert OpenTelemetry span to MLflow span"
        );
    }
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue::Null),
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        any::<f64>().prop_map(AnyValue::Double),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(AnyValue::Bytes),
        r#"[\[\]{}":a1, \x00é]{0,12}"#.prop_map(AnyValue::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AnyValue::List),
            prop::collection::vec(inner, 0..4).prop_map(|values| {
                let named = values.into_iter().enumerate();
                AnyValue::Map(
                    named
                        .map(|(n, value)| Attribute {
                            key: n.to_string(),
                            value,
                        })
                        .collect(),
                )
            }),
        ]
    })
}

fn known_key() -> impl Strategy<Value = String> {
    let keys = vec![
        "mlflow.spanType",
        "mlflow.spanInputs",
        "mlflow.chat.tokenUsage",
        "mlflow.llm.cost",
        "input.value",
        "span.type",
        "gen_ai.operation.name",
        "gen_ai.agent.name",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "ai.operationId",
        "ai.prompt.tools",
        "session.id",
        "user.id",
        "mlflow.traceTag.k",
        "gen_ai.usage.input_tokens",
        "input_tokens",
        "tool_input",
    ];
    prop_oneof![
        prop::sample::select(keys).prop_map(str::to_owned),
        r"[a-z.\x00é]{0,8}",
    ]
}

proptest! {
    #[test]
    fn any_span_is_kept_and_shown(values in prop::collection::vec((known_key(), any_value()), 0..8), start in 0..i64::MAX as u64) {
        let attributes = values.into_iter().map(|(key, value)| Attribute { key, value }).collect::<Vec<_>>();
        let mut sent = span(2, None, attributes.clone());
        sent.start_ns = start;
        sent.events.push(crate::otlp::Event { time_ns: u64::MAX, name: "gen_ai.user.message".into(), attributes });
        let spans = receive(Vec::new(), vec![sent]);
        prop_assert!(serde_json::from_str::<Value>(&spans[0].span.content).is_ok());
        prop_assert!(!spans[0].span.content.contains('\0'));
        prop_assert_eq!(&shown(&spans[0].span.content)["name"], "span 2");
        let learnt = summary::summary(&spans);
        prop_assert!(learnt.is_ok());
    }

    #[test]
    fn any_text_is_shown(content in r#"[\[\]{}":a-e, 0-9]{0,64}"#) {
        let _ = shown(&content);
    }
}

#[test]
fn what_a_sender_says_of_itself_is_bounded() {
    let long = "x".repeat(RESOURCE_BYTES);
    let mut resource = vec![text("long", &long)];
    resource.extend((0..20_000).map(|n| int(&format!("k{n}"), n)));
    let root = (0..20_000)
        .map(|n| text(&format!("mlflow.traceTag.t{n}"), "v"))
        .collect();
    let spans = receive(resource, vec![span(2, None, root)]);
    assert_eq!(spans[0].resource.len(), RESOURCE_TAGS);
    let (_, tags) = summary::summary(&spans).unwrap().split_tags();
    assert_eq!(tags.len(), crate::traces::PAIRS);
    assert_eq!(tags[0], KeyValue::new("k0", "0"));
}
