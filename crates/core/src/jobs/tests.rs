//! Jobs through a whole core, its scheduler and an executor of the test's own, on both back ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lazuli_spec::jobs::{CommandJob, JobState};
use lazuli_spec::runner::{Heartbeat, RunnerState, STD_LOG, StateReport};
use lazuli_spec::yaml::Document;
use lazuli_spec::{ErrorCode, PageRequest};
use lazuli_store::testing::each_backend;

use super::{JobFilter, Order};
use crate::executor::{
    Capacity, Executor, ExecutorError, Handle, JobAddress, LaunchRequest, RunnerLife,
};
use crate::scheduler::{self, Options};
use crate::testing::{TestCore, login};
use crate::{Caller, Core};

/// An executor whose runners are the test itself: it keeps their tokens and says of them what the test says.
#[derive(Debug, Default)]
struct Stage {
    tokens: Mutex<BTreeMap<String, String>>,
    lost: Mutex<BTreeMap<String, RunnerLife>>,
    ended: Mutex<Vec<String>>,
    refuse: Mutex<Option<String>>,
}

#[async_trait]
impl Executor for Stage {
    fn capacity(&self) -> Capacity {
        Capacity {
            cores: 2,
            memory_bytes: 1 << 30,
        }
    }

    async fn launch(&self, request: LaunchRequest) -> Result<Handle, ExecutorError> {
        if let Some(reason) = self.refuse.lock().unwrap().clone() {
            return Err(ExecutorError::Refused(reason));
        }
        let handle = format!("handle of {}", request.job);
        self.tokens
            .lock()
            .unwrap()
            .insert(request.job, request.token);
        Ok(Handle(handle))
    }

    async fn poll(&self, job: JobAddress<'_>, _: &Handle) -> Result<RunnerLife, ExecutorError> {
        Ok(self
            .lost
            .lock()
            .unwrap()
            .get(job.job)
            .cloned()
            .unwrap_or(RunnerLife::Alive))
    }

    async fn cancel(&self, job: JobAddress<'_>, _: &Handle) -> Result<(), ExecutorError> {
        self.ended
            .lock()
            .unwrap()
            .push(format!("cancel {}", job.job));
        Ok(())
    }

    async fn kill(&self, job: JobAddress<'_>, _: &Handle) -> Result<(), ExecutorError> {
        self.ended.lock().unwrap().push(format!("kill {}", job.job));
        Ok(())
    }

    async fn forget(&self, _: JobAddress<'_>) -> Result<(), ExecutorError> {
        Ok(())
    }
}

fn job(text: &str) -> CommandJob {
    let text = format!("environment: {{image: python}}\n{text}");
    CommandJob::read(&Document::parse("job.yml", &text).unwrap()).unwrap()
}

fn report(sequence: u64, state: RunnerState) -> StateReport {
    StateReport {
        sequence,
        state,
        at: crate::testing::START,
        error: None,
        exit_code: None,
        environment: None,
    }
}

/// Waits until a job is in a state; the scheduler works on its own tasks.
async fn until(test: &TestCore, name: &str, state: JobState) {
    for _ in 0..500 {
        let job = test
            .core
            .get_job(&test.admin, "default", name)
            .await
            .unwrap()
            .job;
        if job.progress.state == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} does not become {state}");
}

async fn runner(stage: &Stage, core: &Core, name: &str) -> Caller {
    for _ in 0..500 {
        let token = stage.tokens.lock().unwrap().get(name).cloned();
        if let Some(token) = token {
            return login(core, &token).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} is not launched");
}

fn quick() -> Options {
    Options {
        tick: Duration::from_millis(20),
    }
}

#[test]
fn a_job_is_scheduled_reports_and_is_settled() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let stage = Arc::new(Stage::default());
        let executor: Arc<dyn Executor> = Arc::<Stage>::clone(&stage);
        let scheduler = scheduler::start(test.core.clone(), executor, quick());
        let spec =
            job("name: first\ncommand: echo ${{inputs.who}}\ninputs: {who: world}\ntags: {a: b}");
        let made = test
            .core
            .submit_job(&test.admin, "default", spec.clone())
            .await
            .unwrap();
        assert_eq!(made.job.progress.state, JobState::Queued);
        let again = test
            .core
            .submit_job(&test.admin, "default", spec)
            .await
            .unwrap_err();
        assert_eq!(
            (again.code, again.field.as_deref()),
            (ErrorCode::AlreadyExists, Some("name"))
        );

        let own = runner(&stage, &test.core, "first").await;
        let plan = test.core.runner_plan(&own).await.unwrap();
        assert_eq!(plan.render(&plan.command, &|_| None).unwrap(), "echo world");
        test.core
            .runner_state(&own, report(1, RunnerState::Preparing))
            .await
            .unwrap();
        test.core
            .runner_state(&own, report(2, RunnerState::Running))
            .await
            .unwrap();
        let late = test
            .core
            .runner_state(&own, report(1, RunnerState::Preparing))
            .await
            .unwrap();
        assert!(!late.cancel);
        let beat = Heartbeat {
            at: test.core.now(),
            usage: None,
        };
        assert!(!test.core.runner_heartbeat(&own, beat).await.unwrap().cancel);
        assert_eq!(
            test.core
                .runner_log(&own, STD_LOG, 0, b"world\n".to_vec())
                .await
                .unwrap()
                .next_offset,
            6
        );
        assert_eq!(
            test.core
                .runner_log(&own, STD_LOG, 0, b"world\n".to_vec())
                .await
                .unwrap()
                .next_offset,
            6
        );
        assert!(
            test.core
                .runner_log(&own, "../etc/passwd", 0, b"x".to_vec())
                .await
                .is_err()
        );
        assert!(
            test.core.runner_plan(&test.admin).await.is_err(),
            "only a job's token may ask"
        );

        test.core
            .runner_state(&own, report(3, RunnerState::Completed))
            .await
            .unwrap();
        until(&test, "first", JobState::Completed).await;
        assert!(
            test.core
                .runner_state(&own, report(4, RunnerState::Failed))
                .await
                .is_ok(),
            "what comes late changes nothing"
        );
        for _ in 0..500 {
            if test
                .core
                .get_job(&test.admin, "default", "first")
                .await
                .unwrap()
                .job
                .settled
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let logs = test
            .core
            .list_job_logs(&test.admin, "default", "first")
            .await
            .unwrap();
        assert_eq!(
            logs.into_iter()
                .map(|log| (log.name, log.length))
                .collect::<Vec<_>>(),
            [(STD_LOG.to_owned(), 6)]
        );
        let mut follower = test
            .core
            .follow_job_log(&test.admin, "default", "first", STD_LOG, 2)
            .await
            .unwrap();
        assert_eq!(follower.read().await.unwrap().bytes, "rld\n");
        let page = test
            .core
            .list_jobs(
                &test.admin,
                "default",
                JobFilter::default(),
                Order::NewestFirst,
                PageRequest::default(),
            )
            .await
            .unwrap();
        assert_eq!(page.items.len(), 1);
        test.core
            .delete_job(&test.admin, "default", "first")
            .await
            .unwrap();
        scheduler.stop().await;
    });
}

#[test]
fn lost_refused_and_canceled_jobs_end_with_their_reason() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let stage = Arc::new(Stage::default());
        let executor: Arc<dyn Executor> = Arc::<Stage>::clone(&stage);
        let scheduler = scheduler::start(test.core.clone(), executor, quick());
        let submit = async |name: &str| {
            test.core
                .submit_job(
                    &test.admin,
                    "default",
                    job(&format!("name: {name}\ncommand: x")),
                )
                .await
                .unwrap();
        };
        submit("lost").await;
        let own = runner(&stage, &test.core, "lost").await;
        test.core
            .runner_state(&own, report(1, RunnerState::Running))
            .await
            .unwrap();
        stage
            .lost
            .lock()
            .unwrap()
            .insert("lost".into(), RunnerLife::Lost("killed by signal 9".into()));
        until(&test, "lost", JobState::Failed).await;
        let lost = test
            .core
            .get_job(&test.admin, "default", "lost")
            .await
            .unwrap()
            .job;
        assert_eq!(
            lost.progress.error.unwrap().message,
            "the job's runner is gone: killed by signal 9"
        );

        submit("found").await;
        runner(&stage, &test.core, "found").await;
        stage.lost.lock().unwrap().insert(
            "found".into(),
            RunnerLife::Ended(Box::new(report(7, RunnerState::Completed))),
        );
        until(&test, "found", JobState::Completed).await;

        submit("canceled").await;
        let own = runner(&stage, &test.core, "canceled").await;
        test.core
            .runner_state(&own, report(1, RunnerState::Running))
            .await
            .unwrap();
        let asked = test
            .core
            .cancel_job(&test.admin, "default", "canceled")
            .await
            .unwrap();
        assert_eq!(asked.job.progress.state, JobState::CancelRequested);
        let beat = Heartbeat {
            at: test.core.now(),
            usage: None,
        };
        assert!(test.core.runner_heartbeat(&own, beat).await.unwrap().cancel);
        // the runner is asked on a task of its own
        while stage.ended.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        test.core
            .runner_state(&own, report(2, RunnerState::Canceled))
            .await
            .unwrap();
        until(&test, "canceled", JobState::Canceled).await;
        assert_eq!(*stage.ended.lock().unwrap(), ["cancel canceled"]);

        *stage.refuse.lock().unwrap() = Some("no room on the disk".into());
        submit("refused").await;
        until(&test, "refused", JobState::Failed).await;
        scheduler.stop().await;
    });
}

#[test]
fn a_second_server_takes_over_when_the_first_is_gone() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let (first, second) = (Arc::new(Stage::default()), Arc::new(Stage::default()));
        let one = scheduler::start(test.core.clone(), Arc::<Stage>::clone(&first), quick());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let two = scheduler::start(test.core.clone(), Arc::<Stage>::clone(&second), quick());
        test.core
            .submit_job(&test.admin, "default", job("name: a\ncommand: x"))
            .await
            .unwrap();
        runner(&first, &test.core, "a").await;
        assert!(
            second.tokens.lock().unwrap().is_empty(),
            "only the holder of the lease launches"
        );
        one.stop().await;
        test.core
            .submit_job(&test.admin, "default", job("name: b\ncommand: x"))
            .await
            .unwrap();
        runner(&second, &test.core, "b").await;
        two.stop().await;
    });
}

#[test]
fn what_cannot_run_is_refused_before_anything_is_written() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let cases = [
            ("command: x\ncompute: nowhere", "compute"),
            ("command: x\ncode: ./src", "code"),
            (
                "command: x\ninputs: {d: {type: uri_file, path: 'azureml:none:1'}}",
                "inputs.d.path",
            ),
            (
                "command: x\ninputs: {d: {type: mlflow_model, path: 'azureml:none:1'}}",
                "inputs.d.path",
            ),
            (
                "command: x\ninputs: {d: {type: uri_folder, path: 'runs:/none/x'}}",
                "inputs.d.path",
            ),
        ];
        for (text, field) in cases {
            let refused = test
                .core
                .submit_job(&test.admin, "default", job(text))
                .await
                .unwrap_err();
            assert_eq!(refused.field.as_deref(), Some(field), "{text}: {refused}");
        }
        let page = test
            .core
            .list_jobs(
                &test.admin,
                "default",
                JobFilter::default(),
                Order::NewestFirst,
                PageRequest::default(),
            )
            .await
            .unwrap();
        assert!(page.items.is_empty());
        let (reader, _) = test.user("reader", Some(("default", "Reader"))).await;
        let denied = test
            .core
            .submit_job(&reader, "default", job("command: x"))
            .await
            .unwrap_err();
        assert_eq!(denied.code, ErrorCode::PermissionDenied);
    });
}
