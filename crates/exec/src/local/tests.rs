//! What the executor refuses and what it keeps private; its life with runners is tested beside the runner.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn executor(home: &Path, program: &str) -> LocalExecutor {
    LocalExecutor::new(LocalConfig {
        program: program.into(),
        arguments: Vec::new(),
        home: home.to_owned(),
        server_url: "http://127.0.0.1:1".to_owned(),
        ca_pem: None,
        packages: PackageIndex {
            index_url: Some("https://user:hush@pypi.example/simple".to_owned()),
            ..PackageIndex::default()
        },
    })
}

fn request(job: &str) -> LaunchRequest {
    LaunchRequest {
        workspace: "w".to_owned(),
        job: job.to_owned(),
        token: "secret-token".to_owned(),
        cores: 1,
        memory_bytes: None,
    }
}

fn address(job: &str) -> JobAddress<'_> {
    JobAddress {
        workspace: "w",
        job,
    }
}

async fn lost(executor: &LocalExecutor, handle: &Handle) -> String {
    for _ in 0..500 {
        if let RunnerLife::Lost(why) = executor.poll(address("j"), handle).await.unwrap() {
            return why;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the end was not seen");
}

#[tokio::test]
async fn the_launch_file_is_private_and_the_token_no_argument() {
    let home = tempfile::tempdir().unwrap();
    let executor = executor(home.path(), "/bin/echo");
    let handle = executor.launch(request("j")).await.unwrap();
    let path = home.path().join("jobs/w/j/launch.json");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        home.path()
            .join("jobs/w/j")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    let why = lost(&executor, &handle).await;
    assert!(
        why.contains("ended without a last report") && why.ends_with("launch.json"),
        "{why}"
    );
    let log = std::fs::read_to_string(home.path().join("jobs/w/j/runner.log")).unwrap();
    assert!(!log.contains("secret-token"));
    let launch: Launch = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(launch.packages, executor.config.packages);
    assert!(!format!("{:?}", launch.packages).contains("hush"));
}

#[tokio::test]
async fn the_way_a_runner_ended_is_told() {
    let home = tempfile::tempdir().unwrap();
    let executor = executor(home.path(), "/bin/false");
    let handle = executor.launch(request("j")).await.unwrap();
    assert_eq!(lost(&executor, &handle).await, "it ended with code 1");
    // to a restarted server only the directory speaks
    let later = self::executor(home.path(), "/bin/false");
    assert_eq!(later.launch(request("j")).await.unwrap(), handle);
    assert!(
        matches!(later.poll(address("j"), &handle).await.unwrap(), RunnerLife::Lost(why) if why.contains("machine was restarted"))
    );
}

#[tokio::test]
async fn equal_names_in_two_workspaces_have_nothing_in_common() {
    let home = tempfile::tempdir().unwrap();
    let executor = executor(home.path(), "/bin/false");
    let first = executor.launch(request("j")).await.unwrap();
    let other = LaunchRequest {
        workspace: "other".to_owned(),
        ..request("j")
    };
    assert_ne!(executor.launch(other).await.unwrap(), first);
    lost(&executor, &first).await;
    executor.forget(address("j")).await.unwrap();
    assert!(!home.path().join("jobs/w/j").exists());
    assert!(home.path().join("jobs/other/j/launch.json").exists());
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let executor = executor(home.path(), "/no/such/program");
    for name in ["", "..", ".hidden", "a/b"] {
        assert!(
            matches!(
                executor.launch(request(name)).await,
                Err(ExecutorError::Refused(_))
            ),
            "{name}"
        );
    }
    let elsewhere = LaunchRequest {
        workspace: "../w".to_owned(),
        ..request("j")
    };
    assert!(matches!(
        executor.launch(elsewhere).await,
        Err(ExecutorError::Refused(_))
    ));
    let error = executor.launch(request("j")).await.unwrap_err();
    assert!(
        error.to_string().contains("could not be started"),
        "{error}"
    );
    assert!(
        executor
            .poll(address("j"), &Handle("nonsense".to_owned()))
            .await
            .is_err()
    );
    assert!(
        executor
            .poll(address("j"), &Handle("1:5".to_owned()))
            .await
            .is_err(),
        "pid 1 is never a runner"
    );
    let capacity = executor.capacity();
    assert!(capacity.cores >= 1 && capacity.memory_bytes > 1 << 20);
}

#[tokio::test]
async fn a_reused_pid_is_not_touched() {
    let mut other = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let executor = executor(home.path(), "/bin/true");
    let handle = Handle(format!("{}:1", other.id()));
    executor.cancel(address("j"), &handle).await.unwrap();
    executor.kill(address("j"), &handle).await.unwrap();
    assert!(matches!(
        executor.poll(address("j"), &handle).await.unwrap(),
        RunnerLife::Lost(_)
    ));
    assert!(other.try_wait().unwrap().is_none(), "it still runs");
    other.kill().unwrap();
    other.wait().unwrap();
}
