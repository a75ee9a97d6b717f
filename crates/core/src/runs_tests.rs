use std::sync::Arc;

use bytes::Bytes;
use lazuli_store::experiments::NewExperiment;
use lazuli_store::testing::{each_backend, run};

use super::*;
use crate::caller::JobIdentity;
use crate::logged_models::NewLoggedModel;
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
        let body = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
        let refused = test
            .core
            .put_artifact(&job, WS, &path, body)
            .await
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
    });
}

#[test]
fn a_job_reaches_no_files_or_logged_models_of_others() {
    run(async {
        let test = TestCore::start().await;
        let core = &test.core;
        let elsewhere = NewExperiment {
            name: "elsewhere".to_owned(),
            artifact_location: Some("mlflow-artifacts:/my/place".to_owned()),
            tags: Vec::new(),
        };
        let elsewhere = core
            .create_experiment(&test.admin, WS, elsewhere)
            .await
            .unwrap();
        let make = async |experiment_id| {
            let asked = CreateRun {
                experiment_id,
                ..CreateRun::default()
            };
            core.create_run(&test.admin, WS, asked)
                .await
                .unwrap()
                .info
                .run_id
        };
        let (own, other) = (make(Some(elsewhere)).await, make(None).await);
        let job = job_of(&test, &own).await;
        let model = async |caller: &Caller, source_run_id: Option<String>| {
            let new = NewLoggedModel {
                experiment_id: ExperimentId::DEFAULT,
                name: None,
                model_type: None,
                source_run_id,
                params: Vec::new(),
                tags: Vec::new(),
            };
            core.create_logged_model(caller, WS, new).await
        };
        let mine = model(&job, None).await.unwrap();
        assert_eq!(mine.source_run_id.as_ref(), Some(&own));
        let refused = model(&job, Some(other.clone())).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
        let foreign = model(&test.admin, Some(other.clone())).await.unwrap();

        let put = async |path: &str| {
            let body = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
            core.put_artifact(&job, WS, path, body)
                .await
                .map(drop)
                .map_err(|error| error.code)
        };
        assert_eq!(
            put(&format!("0/models/{}/artifacts/x", mine.model_id)).await,
            Ok(())
        );
        assert_eq!(put(&format!("my/place/{own}/artifacts/x")).await, Ok(()));
        for path in [
            format!("0/models/{}/artifacts/x", foreign.model_id),
            format!("your/place/{own}/artifacts/x"),
            format!("my/place/{other}/artifacts/x"),
            "my/place/x".to_owned(),
            "x".to_owned(),
        ] {
            assert_eq!(put(&path).await, Err(ErrorCode::PermissionDenied), "{path}");
            let removed = core.delete_artifact(&job, WS, &path).await.unwrap_err();
            assert_eq!(removed.code, ErrorCode::PermissionDenied, "{path}");
        }
        // files below `traces` belong to a trace that is there; whose that may be is for the traces' own tests
        let nowhere = put("0/traces/tr-1/artifacts/x").await;
        assert_eq!(nowhere, Err(ErrorCode::NotFound));
        // the folder of a whole experiment is nobody's to remove
        let removed = core
            .delete_artifact(&test.admin, WS, "0")
            .await
            .unwrap_err();
        assert_eq!(removed.code, ErrorCode::InvalidArgument);

        let tags = vec![KeyValue::new("k", "v")];
        let tagged = core
            .set_logged_model_tags(&job, WS, &foreign.model_id, tags)
            .await;
        assert_eq!(tagged.unwrap_err().code, ErrorCode::PermissionDenied);
        let renamed = core
            .rename_experiment(&job, WS, elsewhere, "taken over")
            .await;
        assert_eq!(renamed.unwrap_err().code, ErrorCode::PermissionDenied);
    });
}

#[test]
fn text_that_no_database_holds_is_the_caller_s_mistake() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let found = test
            .core
            .get_experiment_by_name(&test.admin, WS, "a\0b")
            .await;
        let refused = found.unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidArgument);
        assert!(refused.message.contains("NUL character"), "{refused}");
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
