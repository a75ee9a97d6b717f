use std::sync::Arc;

use lazuli_store::testing::{each_backend, run};

use super::*;
use crate::caller::JobIdentity;
use crate::testing::TestCore;

const WS: &str = "default";

async fn job_of(test: &TestCore, job: &str) -> Caller {
    let access = test
        .core
        .access(&test.admin, WS, Action::RunsWrite)
        .await
        .unwrap();
    let mut caller = test.admin.clone();
    caller.job = Some(Arc::new(JobIdentity {
        workspace_id: access.workspace_id().to_owned(),
        job: job.to_owned(),
    }));
    caller
}

#[test]
fn a_job_writes_to_its_own_run_and_those_below_it() {
    run(async {
        let test = TestCore::start().await;
        let make = || test.core.create_run(&test.admin, WS, CreateRun::default());
        let (own, other) = (
            make().await.unwrap().info.run_id,
            make().await.unwrap().info.run_id,
        );
        let job = job_of(&test, &own).await;
        let log = async |run_id: &str| {
            let param = KeyValue::new("p", "1");
            test.core
                .log_param(&job, WS, run_id, param)
                .await
                .map_err(|error| error.code)
        };
        assert_eq!(log(&own).await, Ok(()));
        assert_eq!(log(&other).await, Err(ErrorCode::PermissionDenied));
        let child = test
            .core
            .create_run(&job, WS, CreateRun::default())
            .await
            .unwrap();
        assert!(child.tags.contains(&KeyValue::new(TAG_PARENT_RUN, &own)));
        assert_eq!(log(&child.info.run_id).await, Ok(()));
        let path = format!("0/{other}/artifacts/x");
        let body =
            futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"x"))]);
        let refused = test
            .core
            .put_artifact(&job, WS, &path, body)
            .await
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
    });
}

#[test]
fn a_job_s_run_is_scheduled_started_and_ended_inside_its_own_transactions() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let access = test
            .core
            .access(&test.admin, WS, Action::RunsWrite)
            .await
            .unwrap();
        let workspace_id = access.workspace_id().to_owned();
        let new = NewRun {
            run_id: "my-job".to_owned(),
            name: "My job".to_owned(),
            experiment_id: ExperimentId::DEFAULT,
            user_id: "ada".to_owned(),
            status: RunStatus::Scheduled,
            start_time: Timestamp::from_millis(1),
            tags: Vec::new(),
        };
        let again = new.clone();
        let id = workspace_id.clone();
        access
            .log(move |tx| {
                create_run_in(tx, &id, new)?;
                advance_run_in(
                    tx,
                    &id,
                    "my-job",
                    RunStatus::Running,
                    Timestamp::from_millis(5),
                )?;
                finish_run_in(
                    tx,
                    &id,
                    "my-job",
                    RunStatus::Failed,
                    Timestamp::from_millis(9),
                )
            })
            .await
            .unwrap();
        let info = test
            .core
            .get_run(&test.admin, WS, "my-job")
            .await
            .unwrap()
            .info;
        assert_eq!(
            (info.status, info.start_time),
            (RunStatus::Failed, Timestamp::from_millis(5))
        );
        assert_eq!(info.end_time, Some(Timestamp::from_millis(9)));
        let taken = access
            .log(move |tx| create_run_in(tx, &workspace_id, again))
            .await
            .unwrap_err();
        assert_eq!(taken.code, ErrorCode::AlreadyExists);
    });
}
