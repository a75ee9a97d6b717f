use std::sync::Arc;

use lazuli_spec::assessments::{Assessment, AssessmentUpdate, AssessmentValue, Source, SourceKind};
use lazuli_spec::otlp::{AnyValue, Attribute, Export, OtlpSpan, ResourceSpans};
use lazuli_spec::spans::received;
use lazuli_spec::traces::{META_SESSION, META_SOURCE_RUN, TokenUsage};
use lazuli_store::testing::each_backend;
use serde_json::json;

use super::*;
use crate::caller::JobIdentity;
use crate::runs::CreateRun;
use crate::testing::TestCore;

const WS: &str = "default";
const TRACE: &str = "tr-01010101010101010101010101010101";

fn span(id: u8, parent: u8, times: (u64, u64), attributes: &[(&str, &str)]) -> OtlpSpan {
    OtlpSpan {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 {
            Vec::new()
        } else {
            vec![parent; 8]
        },
        name: format!("span {id}"),
        start_ns: times.0 * 1_000_000,
        end_ns: times.1 * 1_000_000,
        attributes: attributes
            .iter()
            .map(|(key, value)| Attribute {
                key: (*key).to_owned(),
                value: AnyValue::Text((*value).to_owned()),
            })
            .collect(),
        ..OtlpSpan::default()
    }
}

async fn log(test: &TestCore, caller: &Caller, spans: Vec<OtlpSpan>) -> Result<()> {
    let resources = vec![ResourceSpans {
        attributes: Vec::new(),
        spans,
    }];
    let spans = received(Export { resources }).unwrap();
    let experiment = ExperimentId::DEFAULT;
    test.core
        .log_spans(caller, WS, experiment, spans, None)
        .await
}

async fn trace(test: &TestCore) -> WholeTrace {
    let found = test.core.get_trace(&test.admin, WS, TRACE, true).await;
    found.unwrap()
}

const USAGE: &str = "mlflow.chat.tokenUsage";

#[test]
fn what_a_trace_used_is_counted_over_all_requests() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let call = |id, tokens: &str| {
            let usage = format!("{{\"input_tokens\": {tokens}, \"total_tokens\": {tokens}}}");
            span(id, 2, (5, 9), &[(USAGE, &usage), ("session.id", "s-1")])
        };
        let admin = &test.admin;
        log(&test, admin, vec![call(3, "10")]).await.unwrap();
        for _ in 0..2 {
            log(&test, admin, vec![call(4, "7")]).await.unwrap();
        }
        let sum = |count| TokenUsage([Some(count), Some(0), Some(count), None, None, None]);
        let so_far = trace(&test).await;
        assert_eq!(so_far.info.tokens, sum(17));
        assert_eq!(so_far.info.session_id.as_deref(), Some("s-1"));
        assert_eq!(so_far.info.state, TraceState::InProgress);
        // the agent above says the total itself
        let agent = span(
            2,
            0,
            (1, 20),
            &[(USAGE, r#"{"input_tokens": 18, "total_tokens": 18}"#)],
        );
        log(&test, admin, vec![agent]).await.unwrap();
        let whole = trace(&test).await;
        assert_eq!(whole.info.tokens, sum(18));
        assert_eq!(
            (whole.info.request_time_ms, whole.info.execution_duration_ms),
            (1, Some(19))
        );
        assert_eq!(whole.info.state, TraceState::Ok);
        assert_eq!(
            whole.info.tag(TAG_ARTIFACTS).unwrap(),
            format!("mlflow-artifacts:/0/traces/{TRACE}/artifacts")
        );
        assert_eq!(whole.spans.len(), 3);
    });
}

#[test]
fn what_the_client_said_stays() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let mut told = TraceInfo::new(TRACE, ExperimentId::DEFAULT, 1_000);
        told.execution_duration_ms = Some(5);
        told.state = TraceState::Ok;
        told.put_metadata([
            KeyValue::new(META_SESSION, "mine"),
            KeyValue::new(META_SIZE, r#"{"num_spans": 2}"#),
        ]);
        test.core.start_trace(&test.admin, WS, told).await.unwrap();
        let root = span(
            2,
            0,
            (1, 9_000),
            &[("session.id", "other"), ("user.id", "u")],
        );
        log(&test, &test.admin, vec![root]).await.unwrap();
        let whole = trace(&test).await.info;
        assert_eq!(
            (whole.request_time_ms, whole.execution_duration_ms),
            (1_000, Some(5))
        );
        assert_eq!(whole.session_id.as_deref(), Some("mine"));
        assert_eq!(whole.meta(META_USER), Some("u"));
        let ids = || vec![TRACE.to_owned(), "tr-none".to_owned()];
        let complete = async || {
            let found = test
                .core
                .batch_get_traces(&test.admin, WS, ids(), None)
                .await;
            found.unwrap().len()
        };
        assert_eq!(complete().await, 0, "a span is still on its way");
        let child = span(3, 2, (2, 3), &[]);
        log(&test, &test.admin, vec![child]).await.unwrap();
        assert_eq!(complete().await, 1);
        let data = test.core.trace_data_json(&test.admin, WS, TRACE).await;
        let data: serde_json::Value = serde_json::from_slice(&data.unwrap().unwrap()).unwrap();
        assert_eq!(data["spans"][1]["name"], "span 3");
    });
}

#[test]
fn a_request_is_kept_whole_or_not_at_all() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let spans = received(Export {
            resources: vec![ResourceSpans {
                attributes: Vec::new(),
                spans: vec![span(2, 0, (1, 2), &[])],
            }],
        });
        let nowhere = test
            .core
            .log_spans(&test.admin, WS, ExperimentId(77), spans.unwrap(), None)
            .await;
        assert_eq!(
            nowhere.unwrap_err().message,
            "No Experiment with id=77 exists"
        );
        let long = "s".repeat(300);
        let mut other = span(3, 0, (1, 2), &[("session.id", &long)]);
        other.trace_id = vec![2; 16];
        let refused = log(&test, &test.admin, vec![span(2, 0, (1, 2), &[]), other]).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidArgument);
        let too_many = (0..=MOST_TRACES_LOGGED).map(|number| {
            let mut one = span(2, 0, (1, 2), &[]);
            one.trace_id = (number as u64 + 1).to_be_bytes().to_vec();
            one
        });
        let refused = log(&test, &test.admin, too_many.collect()).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::PayloadTooLarge);
        let missing = test.core.get_trace(&test.admin, WS, TRACE, true).await;
        assert_eq!(missing.unwrap_err().code, ErrorCode::NotFound);
    });
}

#[test]
fn a_job_adds_no_spans_to_another_runs_trace() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let make = || test.core.create_run(&test.admin, WS, CreateRun::default());
        let (own, other) = (
            make().await.unwrap().info.run_id,
            make().await.unwrap().info.run_id,
        );
        let access = test.core.access(&test.admin, WS, Action::TracesRead).await;
        let mut job = test.admin.clone();
        job.job = Some(Arc::new(JobIdentity {
            workspace_id: access.unwrap().workspace_id().to_owned(),
            job: own.clone(),
        }));
        log(&test, &job, vec![span(2, 0, (1, 2), &[])])
            .await
            .unwrap();
        let mut told = TraceInfo::new(TRACE, ExperimentId::DEFAULT, 1);
        told.put_metadata([KeyValue::new(META_SOURCE_RUN, &other)]);
        test.core.start_trace(&test.admin, WS, told).await.unwrap();
        let refused = log(&test, &job, vec![span(3, 2, (1, 2), &[])]).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::PermissionDenied);

        // it may say what it thinks of the trace, and nothing against what others have said
        let core = &test.core;
        let said = core.create_assessment(&test.admin, WS, TRACE, feedback(json!("no"), None));
        let id = said.await.unwrap().assessment_id;
        core.create_assessment(&job, WS, TRACE, feedback(json!("yes"), None))
            .await
            .unwrap();
        let over = core.create_assessment(&job, WS, TRACE, feedback(json!("yes"), Some(&id)));
        assert_eq!(over.await.unwrap_err().code, ErrorCode::PermissionDenied);
        let changed = core.update_assessment(&job, WS, TRACE, &id, AssessmentUpdate::default());
        assert_eq!(changed.await.unwrap_err().code, ErrorCode::PermissionDenied);
        let deleted = core.delete_assessment(&job, WS, TRACE, &id).await;
        assert_eq!(deleted.unwrap_err().code, ErrorCode::PermissionDenied);
    });
}

fn feedback(value: serde_json::Value, overrides: Option<&str>) -> Assessment {
    Assessment {
        assessment_id: String::new(),
        name: "good".into(),
        value: AssessmentValue::Feedback { value, error: None },
        source: Source {
            kind: SourceKind::Human,
            id: None,
        },
        rationale: None,
        metadata: Vec::new(),
        run_id: None,
        span_id: None,
        overrides: overrides.map(str::to_owned),
        valid: false,
        created_ms: 0,
        updated_ms: 0,
    }
}

#[test]
fn an_assessment_stands_in_anothers_place_until_it_goes() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let (core, admin) = (&test.core, &test.admin);
        log(&test, admin, vec![span(2, 0, (1, 2), &[])])
            .await
            .unwrap();
        let create = async |one| core.create_assessment(admin, WS, TRACE, one).await;
        let first = create(feedback(json!("no"), None)).await.unwrap();
        assert!(first.valid && first.assessment_id.starts_with("a-"));
        assert_eq!(first.created_ms, test.core.now().as_millis());
        let nothing = create(feedback(json!("yes"), Some("a-none"))).await;
        assert_eq!(nothing.unwrap_err().code, ErrorCode::NotFound);
        let over = create(feedback(json!("yes"), Some(&first.assessment_id)));
        let over = over.await.unwrap();
        let first_now = async || {
            let found = core
                .get_assessment(admin, WS, TRACE, &first.assessment_id)
                .await;
            found.unwrap()
        };
        assert!(!first_now().await.valid);
        let update = AssessmentUpdate {
            rationale: Some("because".into()),
            ..AssessmentUpdate::default()
        };
        let changed = core
            .update_assessment(admin, WS, TRACE, &first.assessment_id, update)
            .await;
        assert_eq!(changed.unwrap().rationale.as_deref(), Some("because"));
        for _ in 0..2 {
            let gone = core
                .delete_assessment(admin, WS, TRACE, &over.assessment_id)
                .await;
            gone.unwrap();
        }
        assert!(first_now().await.valid);
        assert_eq!(trace(&test).await.info.assessments, [first_now().await]);
    });
}
