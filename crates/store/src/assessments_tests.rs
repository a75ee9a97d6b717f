use lazuli_spec::assessments::AssessmentError;
use serde_json::json;

use super::*;
use crate::testing::each_backend;
use crate::tracking_fixture::with;

fn assessment(id: &str, value: AssessmentValue) -> Assessment {
    Assessment {
        assessment_id: id.to_owned(),
        name: "correct".into(),
        value,
        source: Source {
            kind: SourceKind::LlmJudge,
            id: Some("judge".into()),
        },
        rationale: Some("é".into()),
        metadata: vec![KeyValue::new("b", "2"), KeyValue::new("a", "1")],
        run_id: Some("r".into()),
        span_id: Some("s".into()),
        overrides: None,
        valid: true,
        created_ms: 5,
        updated_ms: 6,
    }
}

fn failed() -> AssessmentValue {
    AssessmentValue::Feedback {
        value: Value::Null,
        error: Some(AssessmentError {
            error_code: "TIMEOUT".into(),
            error_message: Some("too long".into()),
            stack_trace: None,
        }),
    }
}

#[test]
fn assessments_come_back_as_they_were_written() {
    each_backend(|store| async move {
        let written = [
            assessment("a", failed()),
            assessment(
                "b",
                AssessmentValue::Expectation(json!({"k": [1, 0.5, "é"]})),
            ),
            assessment("c", AssessmentValue::Issue("slow".into())),
        ];
        let (copy, others) = (written.clone(), written.clone());
        let found = with(&store, move |tx| {
            for one in &copy {
                assert!(insert(tx, 1, one)?);
            }
            assert!(insert(tx, 2, &copy[0])?, "ids are of their trace");
            assert!(!insert(tx, 1, &copy[0])?);
            assert_eq!(find(tx, 1, "b", true)?.as_ref(), Some(&copy[1]));
            assert_eq!(find(tx, 3, "b", false)?, None);
            of_traces(tx, &[1, 2, 3])
        })
        .await;
        assert_eq!(found[&1], others);
        assert_eq!((found[&2].len(), found.len()), (1, 2));
    });
}

#[test]
fn they_change_and_go() {
    each_backend(|store| async move {
        let (changed, left) = with(&store, |tx| {
            let mut one = assessment("a", AssessmentValue::Expectation(json!(1)));
            put(tx, 1, &one)?;
            one.name = "other".into();
            one.metadata.clear();
            put(tx, 1, &one)?;
            assert!(set_valid(tx, 1, "a", false)? && !set_valid(tx, 2, "a", false)?);
            let changed = find(tx, 1, "a", false)?;
            assert!(!delete(tx, 2, "a")? && delete(tx, 1, "a")?);
            Ok((changed, of_traces(tx, &[1])?))
        })
        .await;
        let changed = changed.unwrap();
        assert_eq!((changed.name.as_str(), changed.valid), ("other", false));
        assert!(changed.metadata.is_empty() && left.is_empty());
    });
}
