use lazuli_spec::Timestamp;
use lazuli_spec::assessments::{Assessment, AssessmentValue, Source, SourceKind};
use lazuli_spec::filters::issues::parse_issues_filter;
use lazuli_spec::traces::TraceInfo;

use super::*;
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, run, with};
use crate::{assessments, experiments, traces};

fn issue(id: &str, severity: Option<Severity>, created: i64) -> Issue {
    Issue {
        issue_id: id.to_owned(),
        created_at: Timestamp(created),
        updated_at: Timestamp(created),
        text: NewIssue {
            experiment_id: ExperimentId::DEFAULT,
            name: format!("name of {id}"),
            description: "é".to_owned(),
            status: IssueStatus::Pending,
            severity,
            root_causes: vec!["a".to_owned(), "b".to_owned()],
            source_run_id: None,
            categories: Vec::new(),
            created_by: Some("ann".to_owned()),
        },
    }
}

/// The default experiment with five issues, two of them found by a run; gives its number.
fn fill(tx: &mut Tx<'_>) -> Result<i64, StoreError> {
    let number = run(tx, "r", 1)?.experiment_no;
    for (id, severity, created) in [
        ("a", None, 9),
        ("b", Some(Severity::Low), 2),
        ("c", Some(Severity::High), 1),
        ("d", Some(Severity::High), 3),
        ("e", Some(Severity::High), 3),
    ] {
        let mut issue = issue(id, severity, created);
        if matches!(id, "a" | "b") {
            issue.text.source_run_id = Some("r".to_owned());
            issue.text.status = IssueStatus::Resolved;
        }
        insert(tx, WS, number, &issue)?;
    }
    Ok(number)
}

/// A trace of a workspace in which an issue shows, twice.
fn shows(tx: &mut Tx<'_>, workspace: &str, trace: &str, issue_id: &str) -> Result<(), StoreError> {
    experiments::insert_default(tx, workspace, Timestamp(0))?;
    let number = experiments::numbers(tx, workspace, &[ExperimentId::DEFAULT])?[0];
    let info = TraceInfo::new(trace.to_owned(), ExperimentId::DEFAULT, 1);
    let trace_no = traces::insert(tx, workspace, number, &info)?.ok_or(StoreError::NotFound)?;
    for id in ["1", "2"] {
        let assessment = Assessment {
            assessment_id: id.to_owned(),
            name: issue_id.to_owned(),
            value: AssessmentValue::Issue("its name".to_owned()),
            source: Source {
                kind: SourceKind::Human,
                id: None,
            },
            rationale: None,
            metadata: Vec::new(),
            run_id: None,
            span_id: None,
            overrides: None,
            valid: true,
            created_ms: 1,
            updated_ms: 1,
        };
        assessments::insert(tx, trace_no, &assessment)?;
    }
    Ok(())
}

fn wanted(filter: &str) -> Search {
    Search {
        filter: parse_issues_filter(filter).unwrap(),
        limit: 100,
        ..Search::default()
    }
}

fn shown(found: &[(FoundIssue, Vec<Value>)]) -> String {
    let one = |(found, _): &(FoundIssue, Vec<Value>)| match found.traces {
        Some(traces) => format!("{}{traces}", found.issue.issue_id),
        None => found.issue.issue_id.clone(),
    };
    found.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// All pages of two, joined.
fn pages(tx: &mut Tx<'_>, mut wanted: Search) -> Result<String, StoreError> {
    wanted.limit = 2;
    let mut pages = Vec::new();
    loop {
        let page = search(tx, WS, &wanted)?;
        let Some((_, place)) = page.last() else {
            return Ok(pages.join(" | "));
        };
        wanted.after = Some(place.clone());
        pages.push(shown(&page));
    }
}

#[test]
fn issues_come_back_and_change() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let number = fill(tx)?;
            let mut written = issue("b", Some(Severity::Low), 2);
            written.text.source_run_id = Some("r".to_owned());
            written.text.status = IssueStatus::Resolved;
            assert_eq!(find(tx, WS, "b", false)?.as_ref(), Some(&written));
            assert_eq!(find(tx, "other", "b", false)?, None);
            assert_eq!((count(tx, number)?, count(tx, number + 1)?), (5, 0));
            written.text.name = "new".to_owned();
            written.text.status = IssueStatus::Rejected;
            written.text.severity = None;
            written.updated_at = Timestamp(7);
            update(tx, "other", &issue("b", None, 0))?;
            update(tx, WS, &written)?;
            assert_eq!(find(tx, WS, "b", true)?, Some(written));
            Ok(())
        })
        .await;
    });
}

#[test]
fn the_worst_and_newest_come_first_page_by_page() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let number = fill(tx)?;
            let all = search(tx, WS, &wanted(""))?;
            assert_eq!(shown(&all), "e d c b a");
            assert_eq!(pages(tx, wanted(""))?, "e d | c b | a");
            let elsewhere = Search {
                experiment_no: Some(number + 1),
                ..wanted("")
            };
            assert_eq!(shown(&search(tx, WS, &elsewhere)?), "");
            assert_eq!(shown(&search(tx, "other", &wanted(""))?), "");
            for (filter, expected) in [
                ("status = 'resolved'", "b a"),
                ("status != 'resolved'", "e d c"),
                ("source_run_id = 'r' AND status = 'resolved'", "b a"),
                ("source_run_id = 'r' AND status = 'pending'", ""),
                ("source_run_id != 'x'", "b a"),
            ] {
                let found = search(tx, WS, &wanted(filter))?;
                assert_eq!(shown(&found), expected, "{filter}");
            }
            for made_up in [vec![], vec![Value::Integer(1); 3], vec!["x".into(); 3]] {
                let after = Some(made_up);
                let found = search(
                    tx,
                    WS,
                    &Search {
                        after,
                        ..wanted("")
                    },
                )?;
                assert_eq!(shown(&found), "");
            }
            Ok(())
        })
        .await;
    });
}

#[test]
fn traces_are_counted_within_the_workspace() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let number = fill(tx)?;
            for (trace, issue_id) in [("t1", "c"), ("t2", "c"), ("t3", "d"), ("t4", "a")] {
                shows(tx, WS, trace, issue_id)?;
            }
            shows(tx, "other", "t1", "e")?;
            let counted = Search {
                count_traces: true,
                experiment_no: Some(number),
                ..wanted("")
            };
            assert_eq!(shown(&search(tx, WS, &counted)?), "c2 d1 e0 b0 a1");
            assert_eq!(pages(tx, counted)?, "c2 d1 | e0 b0 | a1");
            Ok(())
        })
        .await;
    });
}

#[test]
fn an_issue_outlives_the_run_that_found_it_but_not_its_experiment() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let number = fill(tx)?;
            tx.execute("DELETE FROM runs WHERE run_id = 'r'", params![])?;
            let left = find(tx, WS, "b", false)?.ok_or(StoreError::NotFound)?;
            assert_eq!(left.text.source_run_id, None);
            tx.execute(
                "DELETE FROM experiments WHERE experiment_no = $1",
                params![number],
            )?;
            assert_eq!(find(tx, WS, "b", false)?, None);
            Ok(())
        })
        .await;
    });
}
