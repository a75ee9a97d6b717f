use proptest::prelude::*;

use super::super::vocabularies::{EXPERIMENTS, MODEL_VERSIONS, RUNS};
use super::super::{Kind, Op, Test};
use super::{parse_filter, parse_order_by};

fn refused(filter: &str) -> String {
    parse_filter(&RUNS, filter).expect_err(filter).0
}

#[test]
fn reads_every_form() {
    let filter = "metrics.acc>0.9 and params.\"batch size\" = '32' AND tag.`a.b` LIKE '%x_' \
        AND attr.status != \"FAILED\" AND run_id IN ('a', \"b\",'c') AND tags.mlflow.parentRunId IS NOT NULL \
        AND param.lr is null AND dataset.name ILIKE 'iris%' AND Created <= 5 AND run_id NOT IN ('z')";
    let parsed = parse_filter(&RUNS, filter).unwrap();
    let texts = |v: &[&str]| v.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let expected = [
        (Kind::Metric, "acc", Test::Number(Op::Gt, 0.9)),
        (
            Kind::Param,
            "batch size",
            Test::Text {
                negated: false,
                value: "32".into(),
            },
        ),
        (
            Kind::Tag,
            "a.b",
            Test::Like {
                ignore_case: false,
                pattern: "%x_".into(),
            },
        ),
        (
            Kind::Attribute,
            "status",
            Test::Text {
                negated: true,
                value: "FAILED".into(),
            },
        ),
        (
            Kind::Attribute,
            "run_id",
            Test::In {
                negated: false,
                values: texts(&["a", "b", "c"]),
            },
        ),
        (
            Kind::Tag,
            "mlflow.parentRunId",
            Test::Null { negated: true },
        ),
        (Kind::Param, "lr", Test::Null { negated: false }),
        (
            Kind::Dataset,
            "name",
            Test::Like {
                ignore_case: true,
                pattern: "iris%".into(),
            },
        ),
        (Kind::Attribute, "start_time", Test::Number(Op::Le, 5.0)),
        (
            Kind::Attribute,
            "run_id",
            Test::In {
                negated: true,
                values: texts(&["z"]),
            },
        ),
    ];
    let found: Vec<_> = parsed
        .iter()
        .map(|c| (c.kind, c.key.as_str(), c.test.clone()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(parse_filter(&RUNS, "  ").unwrap(), []);
}

#[test]
fn says_what_is_wrong() {
    for (filter, part) in [
        (
            "metrics.a > 1 OR metrics.b > 2",
            "Invalid clause(s) in filter string: 'OR'",
        ),
        (
            "metrics.a > 'x'",
            "Expected numeric value type for metric. Found 'x'",
        ),
        (
            "params.a = 5",
            "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 5",
        ),
        ("params.a = five", "Parameter value is either not quoted"),
        ("tags.a > 'x'", "Invalid comparator '>' not one of"),
        ("metrics.a LIKE 3", "Invalid comparator 'LIKE' not one of"),
        (
            "attribute.wrong = 'x'",
            "Invalid attribute key 'wrong' specified. Valid keys are",
        ),
        (
            "metirc.a = 1",
            "Invalid entity type 'metirc'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
        ),
        (
            "status IN ('a')",
            "Only ['run_id'] attributes support comparison with a list",
        ),
        (
            "run_id IN ()",
            "non-empty list of string values, but got empty list",
        ),
        ("run_id IN ('a' 'b')", "ill-formed list"),
        ("run_id IN (,)", "ill-formed list"),
        ("run_id IN ('a',,'b')", "ill-formed list"),
        ("run_id IN ('a'", "Invalid clause(s) in filter string"),
        ("run_id IN (", "Invalid clause(s) in filter string"),
        ("evil = true", "Invalid clause(s) in filter string: 'evil'"),
        ("run_id IN (1)", "got different type in list"),
        (
            "metrics.a IS NULL",
            "IS NULL / IS NOT NULL is only supported for tags and params",
        ),
        ("dataset.size = 'x'", "Invalid dataset key 'size'"),
        (
            "start_time > 'x'",
            "Expected numeric value type for numeric attribute: start_time. Found 'x'",
        ),
        ("params.a", "Invalid clause(s) in filter string: 'params.a'"),
        (
            "params.a = 'x' AND",
            "Invalid clause(s) in filter string: 'AND'",
        ),
        ("= 'x'", "Invalid clause(s) in filter string: '='"),
        (
            "params.a = 'x'; DROP TABLE runs",
            "Invalid clause(s) in filter string: ';'",
        ),
    ] {
        let message = refused(filter);
        assert!(message.contains(part), "{filter}: {message}");
    }
}

#[test]
fn each_kind_of_thing_has_its_own_words() {
    assert!(
        parse_filter(
            &EXPERIMENTS,
            "name LIKE 'a%' AND tags.x = 'y' AND creation_time > 5"
        )
        .is_ok()
    );
    assert!(parse_filter(&EXPERIMENTS, "metrics.a > 1").is_err());
    assert!(parse_filter(&MODEL_VERSIONS, "version_number >= 2 AND run_id IN ('a')").is_ok());
    assert!(parse_filter(&MODEL_VERSIONS, "creation_timestamp > 2").is_err());
}

#[test]
fn reads_orders() {
    let order = |clauses: &[&str]| {
        let clauses: Vec<String> = clauses.iter().map(|c| (*c).to_owned()).collect();
        parse_order_by(&RUNS, &clauses)
    };
    let keys = order(&[
        "metrics.`val loss` ASC",
        "params.a desc",
        "Created",
        "tags.t",
    ])
    .unwrap();
    let shown: Vec<_> = keys
        .iter()
        .map(|k| (k.kind, k.key.as_str(), k.ascending))
        .collect();
    assert_eq!(
        shown,
        [
            (Kind::Metric, "val loss", true),
            (Kind::Param, "a", false),
            (Kind::Attribute, "start_time", true),
            (Kind::Tag, "t", true)
        ]
    );
    for vocabulary in [&EXPERIMENTS, &MODEL_VERSIONS] {
        let refused = parse_order_by(vocabulary, &["tags.t DESC".to_owned()]).unwrap_err();
        assert_eq!(refused.0, "Invalid order_by entity: tag");
    }
    for (clause, part) in [
        ("metrics.a sideways", "Invalid ordering key"),
        ("metrics.a ASC DESC", "Could not be parsed"),
        ("", "Could not be parsed"),
        ("start", "Invalid attribute key 'start'"),
        ("dataset.name", "Invalid order_by entity"),
    ] {
        let message = order(&[clause]).unwrap_err().0;
        assert!(message.contains(part), "{clause}: {message}");
    }
    assert!(
        order(&["start_time", "attribute.Created DESC"])
            .unwrap_err()
            .0
            .contains("duplicate")
    );
}

#[test]
fn filters_and_orders_have_an_end() {
    let filter = |count: usize| vec!["metrics.a > 1"; count].join(" AND ");
    assert_eq!(parse_filter(&RUNS, &filter(50)).unwrap().len(), 50);
    let refused = parse_filter(&RUNS, &filter(51)).unwrap_err();
    assert!(
        refused.0.contains("at most 50 comparisons"),
        "{}",
        refused.0
    );
    let order = |count: usize| {
        (0..count)
            .map(|n| format!("metrics.m{n}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(parse_order_by(&RUNS, &order(20)).unwrap().len(), 20);
    assert!(parse_order_by(&RUNS, &order(21)).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in ".*", clause in ".*") {
        let _ = parse_filter(&RUNS, &text);
        let _ = parse_order_by(&RUNS, &[clause]);
    }

    #[test]
    fn no_mix_of_the_languages_own_pieces_panics(pieces in prop::collection::vec(
        prop::sample::select(vec!["metrics.a", "params.`b", "tags.\"c\"", "=", "<>", "'", "''", "\"", "(", ")", ",", "IN", "NOT",
            "IS", "NULL", "LIKE", "AND", "1e", "-", ".5", "1e400", "é", " "]), 0..24)) {
        let _ = parse_filter(&RUNS, &pieces.concat());
        let _ = parse_filter(&RUNS, &pieces.join(" "));
    }

    #[test]
    fn any_text_can_be_quoted(value in "[^\u{0}]*") {
        let filter = format!("params.x = '{}'", value.replace('\'', "''"));
        let parsed = parse_filter(&RUNS, &filter).unwrap();
        prop_assert_eq!(&parsed[0].test, &Test::Text { negated: false, value });
    }
}
