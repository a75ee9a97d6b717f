//! What is read, refused, chosen and written, without a core behind it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::plan::Picked;
use super::resolve::Answer;
use super::{answered, parser, prepared, schema, write};

fn errors(text: &str, variables: &Value) -> Vec<String> {
    let given = variables.as_object().cloned().unwrap_or_default();
    match parser::parse(text) {
        Err(error) => vec![error],
        Ok(document) => prepared(&document, None, &given).err().unwrap_or_default(),
    }
}

fn error(text: &str) -> String {
    errors(text, &Value::Null).join(" | ")
}

fn plan(text: &str, variables: &Value) -> Vec<Picked> {
    let given = variables.as_object().cloned().unwrap_or_default();
    let document = parser::parse(text).unwrap();
    prepared(&document, None, &given).unwrap().1
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

/// What is written of the first field when the core answers this.
fn written(text: &str, answer: Value) -> Value {
    let plan = plan(text, &Value::Null);
    let mut out = String::new();
    write::write_answer(&mut out, &plan[0], &Answer::from(answer), soon()).unwrap();
    serde_json::from_str(&out).unwrap()
}

#[test]
fn mistakes_are_told_in_the_words_of_mlflows_server() {
    for (text, expected) in [
        ("{", "Syntax Error: Expected Name, found <EOF>."),
        ("{a:}", "Syntax Error: Expected Name, found '}'."),
        ("{} ", "Syntax Error: Expected Name, found '}'."),
        ("{?}", "Syntax Error: Unexpected character: '?'."),
        ("type A{b:C}", "Syntax Error: Unexpected Name 'type'."),
        (
            r#"{test(inputString:"x){output}}"#,
            "Syntax Error: Unterminated string.",
        ),
        (
            "{test(inputString:1.){output}}",
            "Syntax Error: Invalid number, expected digit but got: ')'.",
        ),
        (
            "query q{test(inputString:5){output}}",
            "String cannot represent a non string value: 5",
        ),
        (
            r#"{test(inputString:"x")}"#,
            "Field 'test' of type 'Test' must have a selection of subfields. Did you mean 'test { ... }'?",
        ),
        (
            r#"{test(inputString:"x"){output{a}}}"#,
            "Field 'output' must not have a selection since type 'String' has no subfields.",
        ),
        (
            r#"{test(foo:"x"){output}}"#,
            "Unknown argument 'foo' on field 'Query.test'.",
        ),
        ("{nope}", "Cannot query field 'nope' on type 'Query'."),
        ("{test{...F}}", "Unknown fragment 'F'."),
        (
            "{test{...on Query{__typename}}}",
            "Fragment cannot be spread here as objects of type 'Test' can never be of type 'Query'.",
        ),
        (
            "{__typename ...F} fragment F on Nope{a}",
            "Unknown type 'Nope'.",
        ),
        (
            "query a{test{output}} query b{test{output}}",
            "Must provide operation name if query contains multiple operations.",
        ),
        (
            "{test{output}} {test{output}}",
            "This anonymous operation must be the only defined operation.",
        ),
        (
            "query($s:Int){test(inputString:$s){output}}",
            "Variable '$s' of type 'Int' used in position expecting type 'String'.",
        ),
        (
            "query($s:String!){test(inputString:$s){output}}",
            "Variable '$s' of required type 'String!' was not provided.",
        ),
        (
            "query($s:Nope){__typename}",
            "Unknown type 'Nope'. | Variable '$s' is never used.",
        ),
        (
            "{test(inputString:$s){output}}",
            "Variable '$s' is not defined.",
        ),
        (
            r#"{x:test(inputString:"a"){output} x:test(inputString:"b"){output}}"#,
            "Fields 'x' conflict because they have differing arguments. Use different aliases on the fields to fetch both if this was intentional.",
        ),
        (
            "{mlflowGetRun(input:5){run{info{status}}}}",
            "Expected value of type 'MlflowGetRunInput', found 5.",
        ),
        (
            "{mlflowSearchRuns(input:{runViewType:FOO}){apiError{code}}}",
            "Value 'FOO' does not exist in 'MlflowViewType' enum.",
        ),
        (
            "{mlflowSearchRuns(input:{maxResults:99999999999}){apiError{code}}}",
            "Int cannot represent non 32-bit signed integer value: 99999999999",
        ),
        (
            r#"{mlflowGetRun(input:{runId:"a",runId:"b"}){run{info{status}}}}"#,
            "There can be only one input field named 'runId'.",
        ),
        ("{test@foo{output}}", "Unknown directive '@foo'."),
        (
            "{test@component(name:\"a\"){output}}",
            "Directive '@component' may not be used on field.",
        ),
        (
            "query @component{__typename}",
            "Directive '@component' argument 'name' of type 'String!' is required, but it was not provided.",
        ),
        (
            "{...A} fragment A on Query{...B} fragment B on Query{...A}",
            "Cannot spread fragment 'A' within itself.",
        ),
        (
            "{__typename} fragment A on Query{__typename}",
            "Fragment 'A' is never used.",
        ),
        (
            "subscription{a}",
            "Schema is not configured to execute subscription operation.",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn too_much_is_refused_before_anything_is_looked_up() {
    let many = |count: usize, one: &str| {
        (0..count)
            .map(|n| one.replace('#', &n.to_string()))
            .collect::<String>()
    };
    let roots = format!("{{{}}}", many(11, "k#: test { output } "));
    assert!(
        error(&roots).contains("at most 10 root fields, got 11"),
        "{}",
        error(&roots)
    );
    let aliases = format!("{{test{{{}}}}}", many(11, "a#: output "));
    assert!(error(&aliases).contains("at most 10 aliases, got 11"));
    let hidden = format!("{{test{{{}}}}}", many(11, "... on Test { a#: output } "));
    assert!(error(&hidden).contains("at most 10 aliases, got 11"));
    let deep = format!("{}{}", "{name".repeat(11), "}".repeat(11));
    assert_eq!(error(&deep), "Query exceeds maximum depth of 10");
    let wide = format!("{{test{{{}}}}}", many(1_001, "f# "));
    assert_eq!(
        error(&wide),
        "Query exceeds maximum total selections of 1000"
    );
    assert!(error(&"{a".repeat(1_000)).contains("more than 64 levels"));
    assert!(error(&format!("{{a(b:{}", "[".repeat(5_000))).contains("more than 64 levels"));
    assert!(error(&"{a ".repeat(8_000)).contains("tokens"));
    assert_eq!(
        error("{...A} fragment A on Query{a{...A}}"),
        "Query exceeds maximum depth of 10"
    );
}

#[test]
fn fragments_in_long_chains_and_doublings_take_no_time() {
    let mut text = String::from("{...F0}");
    for n in 0..1_000 {
        let next = n + 1;
        write!(text, " fragment F{n} on Query{{...F{next} ...F{next}}}").unwrap();
    }
    text += " fragment F1000 on Query{__typename}";
    assert_eq!(plan(&text, &Value::Null).len(), 1);
    let text = text.replace("F1000 on Query{__typename}", "F1000 on Query{...F0}");
    assert_eq!(error(&text), "Cannot spread fragment 'F0' within itself.");
}

#[test]
fn texts_are_read_as_they_are_meant() {
    for (literal, expected) in [
        (r#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{c}\n\r\t"),
        (r#""a\ud83d\ude00\u0041\u{1F600}""#, "a😀A😀"),
        ("\"\"\"\n    a\n     b \\\"\"\"\n\n\"\"\"", "a\n b \"\"\""),
        ("\"\"", ""),
    ] {
        let plan = plan(
            &format!("{{test(inputString:{literal}){{output}}}}"),
            &Value::Null,
        );
        assert_eq!(plan[0].arguments["inputString"], expected, "{literal}");
    }
    for wrong in [
        r#""\ud83d""#,
        r#""\ude00\ud83d""#,
        r#""\u{110000}""#,
        r#""\u12""#,
        r#""\x""#,
    ] {
        let told = error(&format!("{{test(inputString:{wrong}){{output}}}}"));
        assert!(told.starts_with("Syntax Error: Invalid"), "{told}");
    }
}

#[test]
fn variables_fill_arguments_and_conditions() {
    let text = "query q($i: MlflowSearchRunsInput!, $v: MlflowViewType = ALL, $ids: [String], $no: Boolean!) {
        a: mlflowSearchRuns(input: $i) { nextPageToken @skip(if: $no) runs { info { runId } } }
        b: mlflowSearchRuns(input: { runViewType: $v, experimentIds: $ids, orderBy: \"x\" }) { __typename @include(if: $no) }
    }";
    let given = json!({ "i": { "maxResults": 5, "experimentIds": "1" }, "no": true });
    let plan = plan(text, &given);
    assert_eq!(
        Value::from(plan[0].arguments.clone()),
        json!({ "input": { "maxResults": 5, "experimentIds": ["1"] } })
    );
    assert_eq!(plan[0].below.len(), 1);
    assert_eq!(
        Value::from(plan[1].arguments.clone()),
        json!({ "input": { "runViewType": "ALL", "orderBy": ["x"] } })
    );
    let wrong = json!({ "i": { "maxResults": "x", "runViewType": "ZZ" }, "no": null });
    let told = errors(text, &wrong).join("\n");
    assert!(told.contains("got invalid value \"x\" at 'i.maxResults'; Int cannot represent non-integer value: \"x\""), "{told}");
    assert!(told.contains("Variable '$no' of non-null type 'Boolean!' must not be null."));
    let told = errors(text, &json!({ "i": { "x": 1 }, "no": false })).join("\n");
    assert!(told.contains("Field 'x' is not defined by type 'MlflowSearchRunsInput'."));
}

#[test]
fn what_is_absent_is_written_by_its_default() {
    let text = "{mlflowGetRun(input:{runId:\"r\"}){__typename apiError{code} run{__typename
        info{runId status endTime startTime} data{metrics{key value step} params{key}} outputs{modelOutputs{step}}
        modelVersions{name} experiment{name}}}}";
    let run = json!({
        "info": { "run_id": "r", "status": "KILLED", "start_time": 7 },
        "data": { "metrics": [
            { "key": "a", "value": 0.5, "step": 1 },
            { "key": "n", "value": "NaN" },
            { "key": "i", "value": "-Infinity" },
        ] },
    });
    assert_eq!(
        written(text, json!({ "run": run })),
        json!({
            "__typename": "MlflowGetRunResponse",
            "apiError": null,
            "run": {
                "__typename": "MlflowRunExtension",
                "info": { "runId": "r", "status": "KILLED", "endTime": "0", "startTime": "7" },
                "data": {
                    "metrics": [
                        { "key": "a", "value": 0.5, "step": "1" },
                        { "key": "n", "value": null, "step": "0" },
                        { "key": "i", "value": null, "step": "0" },
                    ],
                    "params": [],
                },
                "outputs": { "modelOutputs": [] },
                "modelVersions": null,
                "experiment": null,
            },
        })
    );
    let versions = "{mlflowSearchModelVersions(input:{}){modelVersions{status aliases tags{key} deploymentJobState{jobState}} nextPageToken}}";
    assert_eq!(
        written(
            versions,
            json!({ "model_versions": [{ "status": "READY", "aliases": ["a"] }] })
        ),
        json!({
            "modelVersions": [{
                "status": "READY",
                "aliases": ["a"],
                "tags": [],
                "deploymentJobState": { "jobState": "DEPLOYMENT_JOB_CONNECTION_STATE_UNSPECIFIED" },
            }],
            "nextPageToken": "",
        })
    );
}

#[test]
fn writing_ends_when_the_time_is_over() {
    let plan = plan("{mlflowGetRun(input:{}){run{info{runId}}}}", &Value::Null);
    let answer = Answer::from(json!({}));
    let told = write::write_answer(&mut String::new(), &plan[0], &answer, Instant::now());
    assert!(told.unwrap_err().contains("took too long"));
}

#[test]
fn equal_fields_are_one_and_keep_their_place() {
    let text = "{t:test{...F output} t:test{b:output ...F}} fragment F on Test{__typename output}";
    let plan = plan(text, &Value::Null);
    let keys: Vec<&str> = plan[0].below.iter().map(|one| one.key.as_str()).collect();
    assert_eq!((plan.len(), keys), (1, vec!["__typename", "output", "b"]));
}

#[test]
fn every_type_is_found_by_its_name() {
    for name in [
        "MlflowRunExtension",
        "MlflowViewType",
        "MlflowSearchRunsInput",
        "ErrorDetail",
        "Mutation",
    ] {
        assert_eq!(schema::find(name).unwrap().name(), name);
    }
    assert!(schema::find("ID").is_none());
}

#[test]
fn an_answer_without_errors_says_null() {
    assert_eq!(answered("{}", &[]), r#"{"data":{},"errors":null}"#);
    assert_eq!(
        answered("null", &["a\"".to_owned()]),
        r#"{"data":null,"errors":["a\""]}"#
    );
}

/// Pieces that documents are made of, so that chance comes upon those that are nearly right.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        "$",
        "!",
        "=",
        "@",
        "...",
        " ",
        ",",
        "\n",
        "#",
        "\"",
        "\"\"\"",
        "\\",
        "\\u",
        "query",
        "mutation",
        "subscription",
        "fragment",
        "on",
        "null",
        "true",
        "input",
        "$a",
        "a",
        "F",
        "...F",
        "...on Query",
        "fragment F on Query",
        "mlflowGetRun",
        "mlflowSearchRuns",
        "(input:{runId:\"r\"})",
        "{run{info{runId}}}",
        "runs",
        "info",
        "test",
        "testMutation",
        "inputString",
        "output",
        "__typename",
        "@skip(if:true)",
        "@include(if:$a)",
        "@component",
        "($a:Boolean=true)",
        "String",
        "Boolean",
        "[String!]!",
        "-1",
        "0",
        "1.5e3",
        "é",
        "\u{feff}",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn run_through(text: &str, variables: &Map<String, Value>) {
    let Ok(document) = parser::parse(text) else {
        return;
    };
    let Ok((_, plan)) = prepared(&document, None, variables) else {
        return;
    };
    for picked in &plan {
        for value in [
            json!({}),
            json!({ "run": { "info": 5 }, "runs": [null, {}, 3], "output": [1] }),
        ] {
            let mut out = String::new();
            write::write_answer(&mut out, picked, &Answer::from(value), soon()).unwrap();
            let read: Result<Value, _> = serde_json::from_str(&out);
            assert!(read.is_ok(), "{out}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_that_is_sent_panics(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        run_through(&text, &Map::new());
        run_through(&String::from_utf8_lossy(&bytes), &Map::new());
    }

    #[test]
    fn nothing_nearly_right_panics(text in pieces(), a in any::<Option<bool>>()) {
        let variables = json!({ "a": a }).as_object().cloned().unwrap_or_default();
        run_through(&text, &variables);
        run_through(&format!("{{mlflowSearchRuns(input:{{}}){{{text}}}}}"), &variables);
        run_through(&format!("query($a:Boolean!){{a:test(inputString:\"\"){{output @skip(if:$a) {text}}}}}"), &variables);
    }
}
