//! Both encodings of the same request, the limits, and hostile bytes.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A length-delimited field.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

fn attribute(key: &str, value: &[u8]) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, value)].concat()
}

fn request(span: &[u8]) -> Vec<u8> {
    let resource = field(1, &attribute("service.name", &field(1, b"app")));
    let scope = field(2, span);
    field(1, &[field(1, &resource), field(2, &scope)].concat())
}

fn span_bytes() -> Vec<u8> {
    let time =
        |number: u8, value: u64| [vec![number << 3 | 1], value.to_le_bytes().to_vec()].concat();
    let list = field(
        5,
        &[field(1, &[0x18, 0x07]), field(1, &[0x10, 0x01])].concat(),
    );
    [
        field(1, &[1; 16]),
        field(2, &[2; 8]),
        field(4, &[3; 8]),
        field(5, "né".as_bytes()),
        time(7, 10),
        time(8, 20),
        field(9, &attribute("list", &list)),
        field(9, &attribute("d", &time(4, 0.5_f64.to_bits()))),
        field(9, &attribute("none", &[])),
        field(11, &[time(1, 15), field(2, b"ev")].concat()),
        field(13, &[field(1, &[4; 16]), field(2, &[5; 8])].concat()),
        field(15, &[field(2, b"bad"), vec![0x18, 0x02]].concat()),
        vec![0x85, 0x01, 1, 0, 0, 0], // flags, which are not kept
    ]
    .concat()
}

#[test]
fn both_encodings_say_the_same() {
    let read = Export::from_protobuf(&request(&span_bytes())).unwrap();
    let json = json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "app" } }] },
        "scopeSpans": [{ "scope": {}, "spans": [{
            "traceId": "01".repeat(16), "spanId": "02".repeat(8), "parent_span_id": "03".repeat(8), "name": "né", "kind": 1,
            "startTimeUnixNano": "10", "end_time_unix_nano": 20, "unknown": {},
            "attributes": [
                { "key": "list", "value": { "arrayValue": { "values": [{ "intValue": "7" }, { "boolValue": true }] } } },
                { "key": "d", "value": { "doubleValue": 0.5 } },
                { "key": "none", "value": {} },
            ],
            "events": [{ "timeUnixNano": 15, "name": "ev" }],
            "links": [{ "traceId": "04".repeat(16), "spanId": "05".repeat(8) }],
            "status": { "code": "STATUS_CODE_ERROR", "message": "bad" },
        }] }],
    }] });
    assert_eq!(
        Export::from_json(json.to_string().as_bytes()),
        Ok(read.clone())
    );
    let span = &read.resources[0].spans[0];
    assert_eq!(
        (span.start_ns, span.end_ns, span.name.as_str()),
        (10, 20, "né")
    );
    assert_eq!(
        span.attributes[0].value,
        AnyValue::List(vec![AnyValue::Int(7), AnyValue::Bool(true)])
    );
    assert_eq!((span.status.code, span.links.len()), (StatusCode::Error, 1));
}

#[test]
fn what_is_no_request_is_refused_in_words_that_clients_know() {
    let refused = |bytes: &[u8]| Export::from_protobuf(bytes).unwrap_err().to_string();
    assert_eq!(
        refused(b"This is not valid protobuf data"),
        "Invalid OpenTelemetry format"
    );
    assert_eq!(
        refused(b""),
        "Invalid OpenTelemetry format - no spans found"
    );
    assert_eq!(
        refused(&request(&field(5, b"\xff"))),
        "Invalid OpenTelemetry format"
    );
    for bad in [
        "",
        "[]",
        "{\"resourceSpans\": 5}",
        "{\"resourceSpans\": [5]}",
        r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}"#,
    ] {
        let message = Export::from_json(bad.as_bytes()).unwrap_err().to_string();
        assert!(
            message.starts_with("Invalid OpenTelemetry format"),
            "{bad}: {message}"
        );
    }
}

#[test]
fn requests_are_bounded() {
    let mut nested = field(1, b"deep");
    for _ in 0..MOST_DEPTH {
        nested = field(5, &field(1, &nested));
    }
    let deep = request(&field(9, &attribute("k", &nested)));
    assert!(matches!(
        Export::from_protobuf(&deep),
        Err(OtlpError::TooLarge(_))
    ));

    let many = field(1, &field(2, &[0x12, 0].repeat(MOST_SPANS + 1)));
    assert!(matches!(
        Export::from_protobuf(&many),
        Err(OtlpError::TooLarge(_))
    ));

    let values = field(5, &[0x0a, 0].repeat(MOST_VALUES));
    let wide = request(&field(9, &attribute("k", &values)));
    assert!(matches!(
        Export::from_protobuf(&wide),
        Err(OtlpError::TooLarge(_))
    ));
}

/// JSON that looks a little like a request.
fn something() -> impl Strategy<Value = serde_json::Value> {
    let names = prop::sample::select(vec![
        "resourceSpans",
        "resource",
        "scopeSpans",
        "spans",
        "attributes",
        "key",
        "value",
        "arrayValue",
        "values",
        "kvlistValue",
        "intValue",
        "doubleValue",
        "traceId",
        "events",
        "links",
        "status",
        "code",
        "startTimeUnixNano",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[0-9a-fzN]{0,4}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(8, 64, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((names.clone(), inner), 0..4).prop_map(|fields| {
                let named = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                serde_json::Value::Object(named.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..256), encoding in "gzip|deflate|[a-z]{0,4}") {
        let _ = Export::from_protobuf(&bytes);
        let _ = Export::from_json(&bytes);
        let _ = decompress(&bytes, &encoding);
    }

    #[test]
    fn no_damage_panics(place in 0_usize..200, byte in any::<u8>(), end in 0_usize..300) {
        let mut bytes = request(&span_bytes());
        let length = bytes.len();
        bytes[place % length] = byte;
        bytes.truncate(end.min(length));
        let _ = Export::from_protobuf(&bytes);
    }

    #[test]
    fn no_json_panics(value in something()) {
        let wrapped = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [value.clone()] }] }] });
        let _ = Export::from_json(value.to_string().as_bytes());
        let _ = Export::from_json(wrapped.to_string().as_bytes());
    }
}
