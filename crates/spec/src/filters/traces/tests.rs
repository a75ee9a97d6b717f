use proptest::prelude::*;

use super::super::Op;
use super::*;

fn one(text: &str) -> TraceComparison {
    let mut found = parse_filter(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(found.len(), 1, "{text}");
    found.remove(0)
}

fn equal(value: &str) -> Test {
    Test::Text {
        negated: false,
        value: value.to_owned(),
    }
}

fn refusal(text: &str) -> String {
    parse_filter(text).unwrap_err().0
}

#[test]
fn fields_go_by_many_names() {
    let cases = [
        ("name = 'x'", TraceField::Name),
        ("trace.name = \"x\"", TraceField::Name),
        ("tags.`mlflow.traceName` = 'x'", TraceField::Name),
        ("attributes.status = 'x'", TraceField::State),
        ("request_id = 'x'", TraceField::Id),
        ("run_id = 'x'", TraceField::Run),
        ("metadata.mlflow.sourceRun = 'x'", TraceField::Run),
        (
            "request_metadata.`a b` = 'x'",
            TraceField::Metadata("a b".into()),
        ),
        ("metadata.`mlflow.trace.session` = 'x'", TraceField::Session),
        ("tag.\"k e y\" = 'x'", TraceField::Tag("k e y".into())),
        ("span.name = 'x'", TraceField::SpanName),
        (
            "span.attributes.a.b = 'x'",
            TraceField::SpanAttribute("a.b".into()),
        ),
        (
            "span.attributes.`a b` = 'x'",
            TraceField::SpanAttribute("a b".into()),
        ),
        (
            "feedback.`my score` = 'x'",
            TraceField::Feedback("my score".into()),
        ),
        ("expectation.e = 'x'", TraceField::Expectation("e".into())),
        ("issue.id = 'x'", TraceField::Issue),
    ];
    for (text, field) in cases {
        let test = equal("x");
        assert_eq!(one(text), TraceComparison { field, test }, "{text}");
    }
}

#[test]
fn comparisons_are_joined_by_and() {
    let found = parse_filter(
        "`timestamp` >= 1 AND execution_time < 10.5 and feedback.q > 0.8 AND tag.x IS NOT NULL",
    )
    .unwrap();
    let tests: Vec<Test> = found.into_iter().map(|one| one.test).collect();
    assert_eq!(
        tests,
        [
            Test::Number(Op::Ge, 1.0),
            Test::Number(Op::Lt, 10.5),
            Test::Number(Op::Gt, 0.8),
            Test::Null { negated: true },
        ]
    );
}

#[test]
fn lists_and_patterns() {
    let values = vec!["LLM".to_owned(), "TOOL".to_owned()];
    assert_eq!(
        one("span.type NOT IN ('LLM', \"TOOL\")").test,
        Test::In {
            negated: true,
            values
        }
    );
    let pattern = "^llm\\.".to_owned();
    assert_eq!(
        one("span.name rlike \"^llm\\.\"").test,
        Test::Regex { pattern }
    );
    let pattern = "%what's?%".to_owned();
    assert_eq!(
        one("trace.text ILIKE \"%what's?%\""),
        TraceComparison {
            field: TraceField::SpanContent,
            test: Test::Like {
                ignore_case: true,
                pattern
            }
        }
    );
}

#[test]
fn refusals_are_those_clients_know() {
    let cases = [
        ("invalid", "Invalid clause(s) in filter string: 'invalid'"),
        (
            "name = 'foo' AND invalid",
            "Invalid clause(s) in filter string: 'invalid'",
        ),
        ("foo.bar = 'baz'", "Invalid entity type 'foo'"),
        ("invalid = 'foo'", "Invalid attribute key 'invalid'"),
        ("trace.tags.foo = 'bar'", "Invalid attribute key 'tags.foo'"),
        ("trace.status < 'OK'", "Invalid comparator '<'"),
        ("name IN ('foo', 'bar')", "Invalid comparator 'IN'"),
        ("span.duration = '1'", "Invalid span attribute 'duration'"),
        (
            "span.content = 'x'",
            "span.content comparator '=' not one of",
        ),
        (
            "prompt LIKE 'x/1'",
            "Invalid comparator 'LIKE' for prompts filter",
        ),
        ("prompt = 'x'", "Invalid prompts filter value 'x'"),
        ("issue.name = 'x'", "Invalid issue attribute 'name'"),
        (
            "feedback.q > 'high'",
            "Expected a numeric value for feedback when using comparator '>'",
        ),
        (
            "feedback.q = 5",
            "Expected a quoted string value for feedback",
        ),
        ("timestamp_ms > 'x'", "Expected numeric value type"),
        ("name RLIKE '('", "Invalid regular expression '('"),
        ("span.type IN ()", "While parsing a list"),
        (
            "name = 'x' OR name = 'y'",
            "Invalid clause(s) in filter string: 'OR'",
        ),
    ];
    for (text, expected) in cases {
        let message = refusal(text);
        assert!(message.starts_with(expected), "{text}: {message}");
    }
    assert!(parse_filter(&vec!["name = 'x'"; 51].join(" AND ")).is_err());
}

#[test]
fn orders() {
    let clauses = ["timestamp DESC", "tag.fruit", "run_id asc"].map(str::to_owned);
    let order = parse_order_by(&clauses).unwrap();
    assert_eq!(
        order[0],
        TraceOrder {
            field: TraceField::Time,
            ascending: false
        }
    );
    assert_eq!(
        order[1],
        TraceOrder {
            field: TraceField::Tag("fruit".into()),
            ascending: true
        }
    );
    for wrong in [
        "span.name",
        "feedback.x",
        "prompt",
        "a b c",
        "metadata.`mlflow.trace.cost`",
        "name sideways",
    ] {
        assert!(parse_order_by(&[wrong.to_owned()]).is_err(), "{wrong}");
    }
    assert!(parse_order_by(&["name".to_owned(), "trace.name".to_owned()]).is_err());
}

proptest! {
    #[test]
    fn no_filter_panics(text in "[a-z.`'\"()=<> ,%INOT]{0,60}") {
        let _ = parse_filter(&text);
        let _ = parse_order_by(&[text]);
    }
}
