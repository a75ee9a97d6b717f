use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::traces::{parse_filter, parse_order_by};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::traces::{
    META_COST, META_SESSION, META_SOURCE_RUN, META_TOKENS, TAG_NAME, TraceInfo, TraceState,
};

use super::*;
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, with};
use crate::{Store, params, traces};

/// One trace in a line: id, time, duration, state, tags, metadata.
type Told = (
    &'static str,
    i64,
    Option<i64>,
    TraceState,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

const TOLD: &[Told] = &[
    (
        "tr-0",
        0,
        Some(6),
        TraceState::Ok,
        &[(TAG_NAME, "ddd")],
        &[(META_SOURCE_RUN, "run0"), (META_SESSION, "s1")],
    ),
    (
        "tr-1",
        1,
        Some(2),
        TraceState::Error,
        &[(TAG_NAME, "aaa"), ("fruit", "apple"), ("color", "red")],
        &[
            (META_SOURCE_RUN, "run1"),
            (META_SESSION, "s1"),
            ("version", "v1.2.3"),
        ],
    ),
    (
        "tr-2",
        2,
        Some(4),
        TraceState::Unspecified,
        &[(TAG_NAME, "bbb"), ("fruit", "apple"), ("color", "green")],
        &[],
    ),
    (
        "tr-3",
        3,
        Some(10),
        TraceState::Ok,
        &[(TAG_NAME, "Grün"), ("fruit", "orange")],
        &[
            (META_TOKENS, "{\"input_tokens\": 1, \"total_tokens\": 3}"),
            (META_COST, "{\"total_cost\": 0.5}"),
        ],
    ),
    (
        "tr-4",
        4,
        None,
        TraceState::InProgress,
        &[("color", "blue")],
        &[("version", "2.0-beta")],
    ),
];

async fn fill(store: &Store) -> i64 {
    with(store, |tx| {
        crate::experiments::insert_default(tx, WS, Timestamp(0))?;
        let experiment = crate::experiments::find(tx, WS, ExperimentId::DEFAULT)?;
        let experiment_no = experiment.ok_or(StoreError::NotFound)?.experiment_no;
        for (id, time, duration, state, tags, metadata) in TOLD {
            let mut info = TraceInfo::new(*id, ExperimentId::DEFAULT, *time);
            info.execution_duration_ms = *duration;
            info.state = *state;
            info.client_request_id = Some(format!("req-{id}"));
            let pair = |(key, value): &(&str, &str)| KeyValue::new(*key, *value);
            info.put_tags(tags.iter().map(pair));
            info.put_metadata(metadata.iter().map(pair));
            let trace_no =
                traces::insert(tx, WS, experiment_no, &info)?.ok_or(StoreError::NotFound)?;
            if *time == 2 {
                traces::link_to_run(tx, WS, &["tr-2".to_owned()], "run0")?;
                traces::link_prompts(tx, trace_no, &["greet/1".to_owned()])?;
            }
            if *time == 1 {
                add_details(tx, trace_no)?;
            }
        }
        Ok(experiment_no)
    })
    .await
}

/// Two spans, and a feedback to the session.
fn add_details(tx: &mut Tx<'_>, trace_no: i64) -> Result<(), StoreError> {
    let spans = [
        (
            "1",
            "search",
            "TOOL",
            "OK",
            r#"{"name": "search", "attributes": {"model": "\"gpt-4\"", "t": "0.7", "k": "\"größe\""}}"#,
        ),
        (
            "2",
            "answer",
            "LLM",
            "ERROR",
            r#"{"name": "answer", "attributes": {"model": "\"claude\""}}"#,
        ),
    ];
    for (id, name, kind, status, content) in spans {
        tx.execute(
            "INSERT INTO spans (trace_no, span_id, name, type, status, start_ns, end_ns, content) VALUES ($1, $2, $3, $4, $5, 0, 1, $6)",
            params![trace_no, id, name, kind, status, content],
        )?;
    }
    let said = [
        ("1", "quality", "feedback", "\"good\"", None, true),
        ("2", "score", "feedback", "0.8", Some(0.8), false),
        ("3", "done", "expectation", "true", Some(1.0), false),
        ("4", "issue-7", "issue", "true", None, false),
    ];
    for (id, name, kind, value, number, of_session) in said {
        tx.execute(
            "INSERT INTO assessments (trace_no, assessment_id, name, kind, value, source_type, valid, aggregate_value, is_numeric, session_scoped, created_ms, updated_ms)
             VALUES ($1, $2, $3, $4, $5, 'HUMAN', 1, $6, $7, $8, 0, 0)",
            params![trace_no, id, name, kind, value, number, name == "score", of_session],
        )?;
    }
    Ok(())
}

async fn ids(store: &Store, experiment: i64, filter: &str, order: &[&str]) -> Vec<String> {
    let order: Vec<String> = order.iter().map(|&clause| clause.to_owned()).collect();
    let mut wanted = TraceSearch {
        experiments: vec![experiment],
        filter: parse_filter(filter).unwrap(),
        order: parse_order_by(&order).unwrap(),
        limit: 2,
        after: None,
    };
    let mut found = Vec::new();
    loop {
        let one = wanted.clone();
        let page = with(store, move |tx| search(tx, &one)).await;
        found.extend(page.traces.into_iter().map(|row| row.info.trace_id));
        match page.next {
            Some(next) => wanted.after = Some(next),
            None => return found,
        }
    }
}

#[test]
fn filters_find_what_they_say() {
    let cases: &[(&str, &[&str])] = &[
        ("name = 'aaa'", &["tr-1"]),
        ("name != 'aaa'", &["tr-3", "tr-2", "tr-0"]),
        ("tag.`mlflow.traceName` IS NULL", &["tr-4"]),
        ("status IN ('OK', 'ERROR')", &["tr-3", "tr-1", "tr-0"]),
        ("timestamp >= 1 AND execution_time < 10", &["tr-2", "tr-1"]),
        ("timestamp > 2.5", &["tr-4", "tr-3"]),
        ("end_time_ms >= 6 AND end_time < 13", &["tr-2", "tr-0"]),
        ("tag.fruit = 'apple' AND tags.color != 'red'", &["tr-2"]),
        ("tag.fruit IS NULL", &["tr-4", "tr-0"]),
        ("request_id = 'tr-3'", &["tr-3"]),
        ("client_request_id ILIKE 'REQ-TR-2%'", &["tr-2"]),
        ("run_id = 'run0'", &["tr-2", "tr-0"]),
        ("run_id != 'run0'", &["tr-1"]),
        ("prompt = 'greet/1'", &["tr-2"]),
        (
            "metadata.version RLIKE '^v?[0-9]+\\.[0-9]'",
            &["tr-4", "tr-1"],
        ),
        ("name RLIKE '(?i)^gR\\w+$'", &["tr-3"]),
        ("name RLIKE 'b{3}|^.{3}$'", &["tr-2", "tr-1", "tr-0"]),
        ("metadata.`mlflow.trace.session` = 's1'", &["tr-1", "tr-0"]),
        (
            "metadata.`mlflow.trace.tokenUsage` = '{\"input_tokens\": 1, \"total_tokens\": 3}'",
            &["tr-3"],
        ),
        ("metadata.`mlflow.trace.tokenUsage` != '{}'", &["tr-3"]),
        (
            "metadata.`mlflow.trace.cost` IS NULL",
            &["tr-4", "tr-2", "tr-1", "tr-0"],
        ),
        ("span.name = 'search' AND span.status = 'OK'", &["tr-1"]),
        ("span.name = 'search' AND span.status = 'ERROR'", &[]),
        ("span.type NOT IN ('TOOL')", &["tr-1"]),
        ("trace.text LIKE '%claude%'", &["tr-1"]),
        ("span.attributes.model LIKE '%gpt-4%'", &["tr-1"]),
        ("span.attributes.model = 'gpt-4'", &["tr-1"]),
        ("span.attributes.t = '0.7'", &["tr-1"]),
        ("span.attributes.k IN ('größe', 'x')", &["tr-1"]),
        ("span.attributes.model RLIKE '^gpt-[0-9]$'", &["tr-1"]),
        ("span.attributes.model RLIKE '^pt'", &[]),
        ("feedback.quality = 'good'", &["tr-1", "tr-0"]),
        ("feedback.quality IS NULL", &["tr-4", "tr-3", "tr-2"]),
        ("feedback.score >= 0.8", &["tr-1"]),
        ("feedback.score > 0.8", &[]),
        ("expectation.done = 'true'", &["tr-1"]),
        ("issue.id = 'issue-7'", &["tr-1"]),
    ];
    each_backend(|store| async move {
        let experiment = fill(&store).await;
        for (filter, expected) in cases {
            assert_eq!(
                ids(&store, experiment, filter, &[]).await,
                *expected,
                "{filter}"
            );
        }
        assert!(ids(&store, experiment + 1, "", &[]).await.is_empty());
    });
}

#[test]
fn what_is_missing_comes_last_in_every_order() {
    let cases: &[(&[&str], [&str; 5])] = &[
        (&[], ["tr-4", "tr-3", "tr-2", "tr-1", "tr-0"]),
        (&["timestamp ASC"], ["tr-0", "tr-1", "tr-2", "tr-3", "tr-4"]),
        (
            &["execution_time DESC"],
            ["tr-3", "tr-0", "tr-2", "tr-1", "tr-4"],
        ),
        (
            &["execution_time"],
            ["tr-1", "tr-2", "tr-0", "tr-3", "tr-4"],
        ),
        (
            &["tag.fruit", "tag.color"],
            ["tr-2", "tr-1", "tr-3", "tr-4", "tr-0"],
        ),
        (&["tag.none"], ["tr-4", "tr-3", "tr-2", "tr-1", "tr-0"]),
        (&["run_id"], ["tr-0", "tr-1", "tr-4", "tr-3", "tr-2"]),
        (&["name DESC"], ["tr-0", "tr-2", "tr-1", "tr-3", "tr-4"]),
        (&["end_time"], ["tr-1", "tr-4", "tr-2", "tr-0", "tr-3"]),
        (
            &["status", "request_id"],
            ["tr-1", "tr-4", "tr-0", "tr-3", "tr-2"],
        ),
    ];
    each_backend(|store| async move {
        let experiment = fill(&store).await;
        for (order, expected) in cases {
            assert_eq!(
                ids(&store, experiment, "", order).await,
                *expected,
                "{order:?}"
            );
        }
    });
}

#[test]
fn two_filters_are_counted_together() {
    each_backend(|store| async move {
        let experiment = fill(&store).await;
        let counts = with(&store, move |tx| {
            let parsed = |text| parse_filter(text).map_err(|_| StoreError::NotFound);
            let (first, second) = (
                parsed("tag.fruit = 'apple'")?,
                parsed("tag.color IS NOT NULL")?,
            );
            let base = parsed("timestamp > 0")?;
            correlation(tx, &[experiment], &base, &first, &second)
        })
        .await;
        let expected = Correlation {
            total: 4,
            first: 2,
            second: 3,
            both: 2,
        };
        assert_eq!(counts, expected);
    });
}

/// What few traces fulfil is found by its index, and those traces by their numbers.
#[test]
fn few_are_found_by_index() {
    let cases = [
        (
            "run_id = 'run0'",
            "trace_metadata_by_value (experiment_no=? AND key=? AND <expr>=?)",
        ),
        (
            "tag.fruit = 'apple'",
            "trace_tags_by_value (experiment_no=? AND key=? AND <expr>=?)",
        ),
        ("request_id = 'tr-1'", "(workspace_id=? AND trace_id=?)"),
        (
            "metadata.`mlflow.trace.session` = 's1'",
            "traces_by_session (experiment_no=? AND <expr>=?)",
        ),
        (
            "name = 'aaa'",
            "traces_by_name (experiment_no=? AND <expr>=?)",
        ),
    ];
    each_backend(|store| async move {
        let experiment = fill(&store).await;
        for (filter, index) in cases {
            let wanted = TraceSearch {
                experiments: vec![experiment],
                filter: parse_filter(filter).unwrap(),
                order: Vec::new(),
                limit: 100,
                after: None,
            };
            let plan = with(&store, move |tx| {
                if tx.dialect() == Dialect::Postgres {
                    return Ok(None);
                }
                let mut statement = Statement::new(tx.dialect());
                let scope = within(&wanted.experiments);
                let inner = narrow::driving(&mut statement, &wanted.filter[0], &scope).unwrap();
                let (sql, values) =
                    compose(tx.dialect(), &wanted, Some(&[1, 2]), &order::keys(&[]));
                let mut lines = Vec::new();
                for (sql, values) in [(inner, statement.values), (sql, values)] {
                    let sql = format!("EXPLAIN QUERY PLAN {sql}");
                    lines.extend(tx.query(&sql, &as_params(&values), |row| row.get::<String>(3))?);
                }
                Ok(Some(lines))
            })
            .await;
            let Some(plan) = plan.map(|lines| lines.join("\n")) else {
                continue;
            };
            assert!(plan.contains(index), "{filter}:\n{plan}");
            assert!(
                plan.contains("SEARCH t USING INTEGER PRIMARY KEY"),
                "{filter}:\n{plan}"
            );
        }
    });
}
