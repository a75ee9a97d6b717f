//! Jobs that do not end by themselves: timeouts, cancels, killed runners.

use std::sync::atomic::Ordering;

use lazuli_core::executor::{Executor as _, RunnerLife};
use lazuli_spec::runner::RunnerState;

use super::message;
use super::{Bench, JOB};
use crate::runner::processes;
use crate::runner::testing::{plan_of, runs};

#[tokio::test]
async fn a_timeout_ends_the_whole_tree() {
    let bench = Bench::new().await;
    let mut plan = plan_of("echo begun; (setsid sleep 7101 &) ; sleep 7102");
    plan.timeout_seconds = Some(1);
    bench.launch(plan).await;
    let end = bench.server.end().await;
    assert!(
        message(&end).starts_with("timeout: the command ran longer than its limit of 1 s"),
        "{}",
        message(&end)
    );
    assert!(!runs("sleep\x007101") && !runs("sleep\x007102"));
}

#[tokio::test]
async fn cancel_ends_the_whole_tree_also_what_left_the_session() {
    let bench = Bench::new().await;
    bench.launch(plan_of("(setsid sleep 7201 &) ; trap 'echo bye; exit 9' TERM; echo ready; while true; do sleep 0.05; done")).await;
    bench
        .server
        .until("output", |heard| {
            heard.log().contains("ready").then_some(())
        })
        .await;
    bench.server.heard.cancel.store(true, Ordering::SeqCst);
    let end = bench.server.end().await;
    assert_eq!((end.state, end.exit_code), (RunnerState::Canceled, Some(9)));
    assert!(bench.server.heard.log().ends_with("bye\n"));
    assert!(!runs("sleep\x007201"));
}

#[tokio::test]
async fn the_executors_cancel_reaches_the_job_too() {
    let bench = Bench::new().await;
    let handle = bench.launch(plan_of("echo ready; sleep 7301")).await;
    bench
        .server
        .until("output", |heard| {
            heard.log().contains("ready").then_some(())
        })
        .await;
    bench.executor.cancel(JOB, &handle).await.unwrap();
    assert_eq!(bench.server.end().await.state, RunnerState::Canceled);
    assert!(!runs("sleep\x007301"));
}

#[tokio::test]
async fn a_killed_runner_takes_its_job_along_and_says_so() {
    let bench = Bench::new().await;
    let handle = bench
        .launch(plan_of("(setsid sleep 7401 &) ; echo ready; sleep 7402"))
        .await;
    bench
        .server
        .until("output", |heard| {
            heard.log().contains("ready").then_some(())
        })
        .await;
    let pid: i32 = handle.0.split(':').next().unwrap().parse().unwrap();
    processes::signal(pid, rustix::process::Signal::KILL);
    let life = bench.gone(&handle).await;
    let RunnerLife::Lost(why) = life else {
        panic!("{life:?}")
    };
    assert!(why.starts_with("it was killed by signal 9"), "{why}");
    assert!(!runs("sleep\x007401") && !runs("sleep\x007402"), "{why}");
}
