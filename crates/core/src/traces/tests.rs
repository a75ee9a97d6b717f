use std::sync::Arc;

use bytes::Bytes;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::traces::{META_FINALIZED, META_SOURCE_RUN, TAG_ARTIFACTS, TraceInfo, TraceState};
use lazuli_store::testing::each_backend;

use super::*;
use crate::caller::JobIdentity;
use crate::runs::CreateRun;
use crate::testing::TestCore;

const WS: &str = "default";

fn told(trace_id: &str, time: i64, run_id: Option<&str>) -> TraceInfo {
    let mut info = TraceInfo::new(trace_id, ExperimentId::DEFAULT, time);
    info.state = TraceState::Ok;
    info.put_metadata(run_id.map(|run_id| KeyValue::new(META_SOURCE_RUN, run_id)));
    info
}

async fn put_file(core: &Core, caller: &Caller, trace_id: &str) -> Result<()> {
    let path = format!("0/traces/{trace_id}/artifacts/traces.json");
    let body = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{}"))]);
    core.put_artifact(caller, WS, &path, body).await.map(drop)
}

fn by_time(until_ms: i64, most: Option<i64>) -> DeleteTraces {
    DeleteTraces {
        experiment_id: ExperimentId::DEFAULT,
        until_ms: Some(until_ms),
        most,
        trace_ids: Vec::new(),
    }
}

#[test]
fn a_trace_told_again_keeps_what_is_not_told() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let (core, admin) = (&test.core, &test.admin);
        let mut first = told("tr-1", 5, None);
        first.put_tags([
            KeyValue::new("a", "1"),
            KeyValue::new("mlflow.traceName", "n"),
        ]);
        first.request_preview = Some("ü".repeat(2_000));
        let first = core.start_trace(admin, WS, first).await.unwrap();
        assert_eq!(first.meta(META_FINALIZED), Some("true"));
        assert_eq!(
            first.tag(TAG_ARTIFACTS),
            Some("mlflow-artifacts:/0/traces/tr-1/artifacts")
        );
        assert_eq!(
            first
                .request_preview
                .as_deref()
                .map(|text| text.chars().count()),
            Some(1_000)
        );

        let mut again = told("tr-1", 7, None);
        again.state = TraceState::Error;
        again.put_tags([KeyValue::new("b", "2")]);
        let again = core.start_trace(admin, WS, again).await.unwrap();
        assert_eq!((again.request_time_ms, again.state), (7, TraceState::Error));
        assert_eq!((again.tag("a"), again.tag("b")), (Some("1"), Some("2")));
        assert_eq!(again.name.as_deref(), Some("n"));
        assert_eq!(again.request_preview, first.request_preview);
    });
}

#[test]
fn a_job_changes_no_trace_of_anothers_run() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let (core, admin) = (&test.core, &test.admin);
        let run = async || {
            core.create_run(admin, WS, CreateRun::default())
                .await
                .unwrap()
                .info
                .run_id
        };
        let (own, other) = (run().await, run().await);
        let access = core.access(admin, WS, Action::TracesWrite).await.unwrap();
        let mut job = admin.clone();
        job.job = Some(Arc::new(JobIdentity {
            workspace_id: access.workspace_id().to_owned(),
            job: own.clone(),
        }));
        core.start_trace(admin, WS, told("tr-other", 1, Some(&other)))
            .await
            .unwrap();
        core.start_trace(admin, WS, told("tr-nobody", 1, None))
            .await
            .unwrap();
        core.start_trace(&job, WS, told("tr-own", 1, Some(&own)))
            .await
            .unwrap();

        let tag = async |trace_id: &str| {
            let tag = KeyValue::new("k", "v");
            let set = core.set_trace_tag(&job, WS, trace_id, tag).await;
            set.map_err(|error| error.code)
        };
        assert_eq!(tag("tr-own").await, Ok(()));
        assert_eq!(tag("tr-nobody").await, Ok(()));
        assert_eq!(tag("tr-other").await, Err(ErrorCode::PermissionDenied));
        assert_eq!(tag("tr-none").await, Err(ErrorCode::NotFound));
        let over = core.start_trace(&job, WS, told("tr-other", 9, None)).await;
        assert_eq!(over.unwrap_err().code, ErrorCode::PermissionDenied);
        let link = async |run_id: &str| {
            let ids = vec!["tr-own".to_owned()];
            core.link_traces_to_run(&job, WS, ids, run_id)
                .await
                .map_err(|error| error.code)
        };
        assert_eq!(link(&own).await, Ok(()));
        assert_eq!(link(&other).await, Err(ErrorCode::PermissionDenied));
        put_file(core, &job, "tr-own").await.unwrap();
        let refused = put_file(core, &job, "tr-other").await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
    });
}

#[test]
fn a_reader_reads() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let core = &test.core;
        core.start_trace(&test.admin, WS, told("tr-1", 1, None))
            .await
            .unwrap();
        let (reader, _) = test.user("rea", Some((WS, "Reader"))).await;
        assert!(core.get_trace_info(&reader, WS, "tr-1").await.is_ok());
        let refused = core
            .start_trace(&reader, WS, told("tr-2", 1, None))
            .await
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
        let refused = core
            .delete_traces(&reader, WS, by_time(9, None))
            .await
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
        let (stranger, _) = test.user("str", None).await;
        let hidden = core
            .get_trace_info(&stranger, WS, "tr-1")
            .await
            .unwrap_err();
        assert_eq!(hidden.code, ErrorCode::NotFound);
    });
}

#[test]
fn deleting_goes_in_steps_and_takes_the_files() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let (core, admin) = (&test.core, &test.admin);
        for number in 0..520_i64 {
            core.start_trace(admin, WS, told(&format!("tr-{number}"), number, None))
                .await
                .unwrap();
        }
        put_file(core, admin, "tr-0").await.unwrap();
        let file = "0/traces/tr-0/artifacts/traces.json";
        assert!(core.get_artifact(admin, WS, file, None).await.is_ok());
        assert_eq!(
            core.delete_traces(admin, WS, by_time(1_000, Some(3)))
                .await
                .unwrap(),
            3
        );
        assert!(core.get_artifact(admin, WS, file, None).await.is_err());
        assert_eq!(
            core.delete_traces(admin, WS, by_time(514, None))
                .await
                .unwrap(),
            512
        );
        let mut named = by_time(0, None);
        named.until_ms = None;
        named.trace_ids = ["tr-515", "tr-none", "tr-515"].map(str::to_owned).to_vec();
        assert_eq!(
            core.delete_traces(admin, WS, named.clone()).await.unwrap(),
            1
        );
        named.experiment_id = ExperimentId(77);
        assert_eq!(core.delete_traces(admin, WS, named).await.unwrap(), 0);
        let query = TraceQuery {
            experiments: vec![ExperimentId::DEFAULT],
            limit: 500,
            ..TraceQuery::default()
        };
        let left = core.search_traces(admin, WS, query).await.unwrap();
        assert_eq!(left.items.len(), 4);
    });
}

#[test]
fn what_cannot_be_a_trace_is_refused() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let (core, admin) = (&test.core, &test.admin);
        let code = async |info: TraceInfo| {
            core.start_trace(admin, WS, info)
                .await
                .map_err(|error| error.code)
                .err()
        };
        assert_eq!(
            code(told("../x", 1, None)).await,
            Some(ErrorCode::InvalidArgument)
        );
        let mut elsewhere = told("tr-1", 1, None);
        elsewhere.experiment_id = ExperimentId(99);
        assert_eq!(code(elsewhere).await, Some(ErrorCode::NotFound));
        let mut many = told("tr-1", 1, None);
        many.put_tags((0..1_001).map(|number| KeyValue::new(number.to_string(), "")));
        assert_eq!(code(many).await, Some(ErrorCode::InvalidArgument));
        let mut session = told("tr-1", 1, None);
        session.session_id = Some("s".repeat(251));
        assert_eq!(code(session).await, Some(ErrorCode::InvalidArgument));
        assert!(core.get_trace_info(admin, WS, "tr-1").await.is_err());
    });
}
