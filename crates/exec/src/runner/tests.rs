//! The runner as a process, against a server in the test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lazuli_core::executor::{Executor, Handle, JobAddress, LaunchRequest, RunnerLife};
use lazuli_spec::runner::{
    InputMode, PackageIndex, PlanInput, PlanOutput, RunnerPlan, RunnerState,
};

use crate::environments::testing::plant;
use crate::local::{LocalConfig, LocalExecutor};
use crate::runner::testing::{Heard, Server, TOKEN, plan_of, runner_program};

mod endings;

/// Not a test: what the test binary does when it is started as a runner.
#[test]
fn as_a_runner() {
    if let Some(launch) = std::env::var_os("LAZULI_TEST_LAUNCH") {
        let code = crate::runner::main(launch.as_ref());
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}

/// The job of these tests.
pub(crate) const JOB: JobAddress<'_> = JobAddress {
    workspace: "w",
    job: "job1",
};

pub(crate) struct Bench {
    pub(crate) home: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) executor: LocalExecutor,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        plant(home.path(), "python").await;
        let server = Server::start(Arc::new(Heard::default()), None).await;
        let config = LocalConfig {
            program: runner_program(home.path()),
            arguments: vec!["runner".into(), "--launch".into()],
            home: home.path().to_owned(),
            server_url: server.url(),
            ca_pem: None,
            packages: PackageIndex::default(),
        };
        Self {
            executor: LocalExecutor::new(config),
            home,
            server,
        }
    }

    pub(crate) async fn launch(&self, plan: RunnerPlan) -> Handle {
        let job = plan.job.clone();
        *self.server.heard.plan.lock().unwrap() = Some(plan);
        let request = LaunchRequest {
            workspace: "w".to_owned(),
            job,
            token: TOKEN.to_owned(),
            cores: 2,
            memory_bytes: None,
        };
        self.executor.launch(request).await.unwrap()
    }

    pub(crate) async fn gone(&self, handle: &Handle) -> RunnerLife {
        for _ in 0..1000 {
            let life = self.executor.poll(JOB, handle).await.unwrap();
            if life != RunnerLife::Alive {
                return life;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the runner does not end; {:?}", self.server.heard.states());
    }
}

fn message(report: &lazuli_spec::runner::StateReport) -> String {
    report
        .error
        .as_ref()
        .map(|error| format!("{}: {}", error.code, error.message))
        .unwrap_or_default()
}

#[tokio::test]
async fn a_job_goes_through_its_states_and_leaves_everything_behind() {
    let bench = Bench::new().await;
    let heard = &bench.server.heard;
    let code = heard.store(&[
        ("main.sh", "#!/bin/sh\necho code $1\nprintf x > main.sh\n"),
        ("lib/a.txt", "a"),
    ]);
    let data = heard.store(&[("part/one.csv", "1,2\n")]);
    let mut plan = plan_of(
        "./main.sh ${{inputs.alpha}} $[[--beta ${{inputs.beta}}]]; cat ${{inputs.table}} ${{inputs.copy}}/part/one.csv; echo err >&2; \
         env | sort > outputs/env.txt; mkdir -p logs/deep; echo l > 'logs/deep/a b.txt'; echo m > ${{outputs.model}}/m.bin; echo f > ${{outputs.score}}; echo $KEY",
    );
    plan.code_tree = Some(code.clone());
    plan.inputs.insert(
        "alpha".to_owned(),
        PlanInput::Literal {
            value: "0.1".to_owned(),
        },
    );
    plan.inputs.insert(
        "table".to_owned(),
        PlanInput::Tree {
            tree: data.clone(),
            file: Some("part/one.csv".to_owned()),
            mode: InputMode::RoMount,
        },
    );
    plan.inputs.insert(
        "copy".to_owned(),
        PlanInput::Tree {
            tree: data,
            file: None,
            mode: InputMode::Download,
        },
    );
    plan.outputs
        .insert("model".to_owned(), PlanOutput { file: false });
    plan.outputs
        .insert("score".to_owned(), PlanOutput { file: true });
    plan.environment_variables
        .insert("KEY".to_owned(), "value-${{inputs.alpha}}".to_owned());
    let handle = bench.launch(plan).await;
    let end = bench.server.end().await;
    assert_eq!(
        end.state,
        RunnerState::Completed,
        "{}\n{}",
        message(&end),
        heard.log()
    );
    assert_eq!(
        heard.states(),
        [
            RunnerState::Preparing,
            RunnerState::Running,
            RunnerState::Finalizing,
            RunnerState::Completed
        ]
    );
    assert_eq!(heard.log(), "code 0.1\n1,2\n1,2\nerr\nvalue-0.1\n");
    assert_eq!(end.exit_code, Some(0));
    assert_eq!(end.environment.as_ref().unwrap().notes, ["planted"]);

    let artifacts = heard.artifacts.lock().unwrap().clone();
    assert_eq!(
        artifacts.keys().collect::<Vec<_>>(),
        ["logs/deep/a b.txt", "outputs/env.txt"]
    );
    let variables = String::from_utf8(artifacts["outputs/env.txt"].clone()).unwrap();
    for expected in [
        "AZUREML_RUN_ID=job1",
        "MLFLOW_RUN_ID=job1",
        "MLFLOW_TRACKING_TOKEN=job-token",
        "MLFLOW_EXPERIMENT_ID=7",
        "PYTHONUNBUFFERED=1",
        "AZUREML_ARM_WORKSPACE_NAME=w",
        "AZUREML_CR_NODE_RANK=0",
    ] {
        assert!(variables.contains(expected), "{expected} in {variables}");
    }
    assert!(
        !variables.contains("CARGO"),
        "what is not on the list does not pass: {variables}"
    );
    let outputs = heard.outputs.lock().unwrap().clone();
    let model = heard.trees.lock().unwrap()[&outputs["model"]].clone();
    assert_eq!(model.entries()[0].path, "m.bin");
    assert_eq!(
        heard.trees.lock().unwrap()[&outputs["score"]].entries()[0].path,
        "score"
    );
    // the job changed its own copy of the code and not the shared one
    let shared = std::fs::read_to_string(
        bench
            .home
            .path()
            .join(format!("cache/trees/{}/{code}/main.sh", &code[..2])),
    )
    .unwrap();
    assert!(shared.contains("echo code"));

    assert!(matches!(bench.gone(&handle).await, RunnerLife::Ended(report) if *report == end));
    bench.executor.forget(JOB).await.unwrap();
    assert!(!bench.home.path().join("jobs/w/job1").exists());
}

#[tokio::test]
async fn a_failure_is_told_with_its_code_and_last_lines() {
    let bench = Bench::new().await;
    bench
        .launch(plan_of("echo before; echo 'ValueError: bad' >&2; exit 3"))
        .await;
    let end = bench.server.end().await;
    assert_eq!((end.state, end.exit_code), (RunnerState::Failed, Some(3)));
    assert_eq!(
        message(&end),
        "command_failed: the command ended with exit code 3\nlast lines:\n  before\n  ValueError: bad"
    );
}

#[tokio::test]
async fn what_cannot_be_prepared_fails_with_words() {
    let bench = Bench::new().await;
    let mut plan = plan_of("true");
    plan.environment.image = Some("rocker/r-ver".to_owned());
    bench.launch(plan).await;
    let end = bench.server.end().await;
    assert!(
        message(&end).starts_with(
            "environment_unresolvable: environment `inline`: image `rocker/r-ver` has no base rule"
        ),
        "{}",
        message(&end)
    );
    assert_eq!(
        bench.server.heard.states(),
        [RunnerState::Preparing, RunnerState::Failed]
    );

    let bench = Bench::new().await;
    let mut plan = plan_of("cat ${{inputs.x}}");
    plan.inputs.insert(
        "x".to_owned(),
        PlanInput::Uri {
            uri: "/no/such/file".to_owned(),
            file: true,
            mode: InputMode::RoMount,
        },
    );
    bench.launch(plan).await;
    assert_eq!(
        message(&bench.server.end().await),
        "input_unavailable: input `x` is not available: `/no/such/file` is not on this machine"
    );
}

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_misses_nothing() {
    let Bench {
        home,
        server,
        executor,
    } = Bench::new().await;
    let bench = Bench {
        home,
        server,
        executor,
    };
    bench
        .launch(plan_of(
            "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.1; done; echo o > outputs/o.txt",
        ))
        .await;
    bench
        .server
        .until("the first line", |heard| {
            heard.log().contains("line 1").then_some(())
        })
        .await;
    let Bench {
        home,
        server,
        executor: _executor,
    } = bench;
    let (heard, address) = (Arc::clone(&server.heard), server.address);
    drop(server);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(heard.last().is_none());
    let result = home.path().join("jobs/w/job1/result.json");
    let server = Server::start(heard, Some(address)).await;
    let end = server.end().await;
    assert_eq!(end.state, RunnerState::Completed);
    assert_eq!(
        std::fs::read(result).unwrap(),
        serde_json::to_vec_pretty(&end).unwrap()
    );
    let expected: Vec<String> = (1..=8).map(|i| format!("line {i}")).collect();
    assert_eq!(server.heard.log().lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        server.heard.artifacts.lock().unwrap()["outputs/o.txt"],
        b"o\n"
    );
}

#[tokio::test]
async fn usage_is_sampled_while_the_job_works() {
    let bench = Bench::new().await;
    bench
        .launch(plan_of("timeout 1.6 sh -c 'while :; do :; done'; true"))
        .await;
    assert_eq!(bench.server.end().await.state, RunnerState::Completed);
    let usage = bench
        .server
        .heard
        .beats
        .lock()
        .unwrap()
        .iter()
        .find_map(|beat| beat.usage)
        .unwrap();
    assert!(
        usage.cpu_percent > 5.0 && usage.memory_bytes > 500_000 && usage.processes >= 2,
        "{usage:?}"
    );
    let metrics = bench.server.heard.metrics.lock().unwrap().clone();
    assert_eq!(
        metrics[0]["metrics"][0]["key"],
        "system/cpu_utilization_percentage"
    );
}

#[tokio::test]
async fn launching_again_starts_nothing_new() {
    let bench = Bench::new().await;
    let plan = plan_of("echo $$ once; sleep 0.3");
    let first = bench.launch(plan.clone()).await;
    assert_eq!(bench.launch(plan.clone()).await, first);
    bench.server.end().await;
    assert_eq!(bench.server.heard.log().lines().count(), 1);
    let RunnerLife::Ended(_) = bench.gone(&first).await else {
        panic!()
    };
    assert_eq!(bench.launch(plan).await, first);
    assert_eq!(bench.server.heard.reports.lock().unwrap().len(), 4);
}

/// Prints the runner's share of a warm job: launch to the first byte of output at the server.
#[tokio::test]
async fn a_warm_start_is_quick() {
    let bench = Bench::new().await;
    let code = bench.server.heard.store(&[("a.py", "print('hi')")]);
    let mut shares = Vec::new();
    for number in 0..6 {
        let mut plan = plan_of("echo hi");
        plan.job = format!("warm{number}");
        plan.code_tree = Some(code.clone());
        *bench.server.heard.first_log_at.lock().unwrap() = None;
        bench.server.heard.logs.lock().unwrap().clear();
        bench.server.heard.reports.lock().unwrap().clear();
        let started = Instant::now();
        bench.launch(plan).await;
        bench.server.end().await;
        shares.push(bench.server.heard.first_log_at.lock().unwrap().unwrap() - started);
    }
    shares.sort();
    eprintln!("launch to first byte: {shares:?}");
    assert!(shares[2] < Duration::from_secs(2), "{shares:?}");
}

#[tokio::test]
async fn a_long_log_arrives_whole() {
    let bench = Bench::new().await;
    bench.launch(plan_of("seq 1 1500000")).await;
    assert_eq!(bench.server.end().await.state, RunnerState::Completed);
    let log = bench.server.heard.log();
    assert_eq!(log.lines().count(), 1_500_000);
    assert!(log.ends_with("1499999\n1500000\n"));
}

/// With the real uv, where there is one: what a job installs is its own.
#[tokio::test]
async fn pip_install_in_a_job_stays_in_the_job() {
    let bench = Bench::new().await;
    let mut plan = plan_of(
        "python -m pip install --quiet --no-deps six==1.15.0 && python -c 'import six; print(six.__version__, six.__file__)'",
    );
    plan.environment.requirements = Some("six==1.16.0".to_owned());
    bench.launch(plan).await;
    let end = bench.server.end().await;
    if end.state != RunnerState::Completed {
        assert!(
            std::env::var_os("LAZULI_TEST_UV").is_none(),
            "{}",
            message(&end)
        );
        eprintln!("skipped, no uv or no index: {}", message(&end));
        return;
    }
    let log = bench.server.heard.log();
    let own = bench.home.path().join("jobs/w/job1/environment");
    assert!(log.contains(&format!("1.15.0 {}", own.display())), "{log}");
    let report = end.environment.unwrap();
    let shared = bench
        .home
        .path()
        .join("environments")
        .join(report.key)
        .join("bin/python");
    let asked = std::process::Command::new(shared)
        .args(["-c", "import six; print(six.__version__)"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "1.16.0\n");
}
