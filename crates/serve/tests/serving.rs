//! The whole of serving over a real core: wishes in the store become processes, the gateway answers, keys and shares hold.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use lazuli_core::deployments::{LogContainer, ModelRuntime};
use lazuli_core::endpoints::EndpointChange;
use lazuli_core::environment_resolver::{
    EnvironmentError, EnvironmentRequest, EnvironmentResolver, Progress, ResolvedEnvironment,
};
use lazuli_core::testing::TestCore;
use lazuli_serve::Serving;
use lazuli_spec::deployments::{Deployment, DeploymentSpec, DeploymentState};
use lazuli_spec::endpoints::{EndpointSpec, KeyType, Traffic};
use lazuli_spec::trees::{Tree, TreeEntry};
use lazuli_spec::yaml::Document;
use lazuli_spec::{Action, ErrorCode};
use tower::ServiceExt;

const WORKSPACE: &str = "default";

/// The machine's own Python, whatever is asked for.
struct PlainPython;

#[async_trait]
impl EnvironmentResolver for PlainPython {
    async fn resolve(
        &self,
        request: &EnvironmentRequest,
        _: Progress<'_>,
    ) -> Result<ResolvedEnvironment, EnvironmentError> {
        if request.image.as_deref() == Some("broken") {
            return Err(EnvironmentError {
                log: vec!["no version of nothing".to_owned()],
                ..EnvironmentError::invalid("nothing fits")
            });
        }
        let paths = std::env::var_os("PATH").unwrap();
        let python = std::env::split_paths(&paths)
            .map(|folder| folder.join("python3"))
            .find(|path| path.exists())
            .unwrap();
        Ok(ResolvedEnvironment {
            key: "plain".to_owned(),
            path: PathBuf::from("/usr"),
            python,
            python_version: "3".to_owned(),
            relaxations: Vec::new(),
            variables: BTreeMap::new(),
            cached: true,
            took: Duration::ZERO,
        })
    }

    fn curated(&self, _: &str) -> Option<EnvironmentRequest> {
        None
    }

    fn curated_names(&self) -> Vec<String> {
        Vec::new()
    }
}

struct Fixture {
    test: TestCore,
    serving: Serving,
    gateway: Router,
}

impl Fixture {
    async fn start() -> Self {
        let test = TestCore::start().await;
        let serving = Serving::start(test.core.clone(), Arc::new(PlainPython));
        let gateway = lazuli_serve::router(serving.clone());
        let fixture = Self {
            test,
            serving,
            gateway,
        };
        fixture.endpoint("flowers").await;
        fixture
    }

    async fn endpoint(&self, name: &str) {
        let spec = EndpointSpec::read(
            &Document::parse("e", &format!("name: {name}")).unwrap(),
            None,
        )
        .unwrap();
        self.test
            .core
            .put_endpoint(&self.test.admin, WORKSPACE, spec, None)
            .await
            .unwrap();
    }

    async fn code(&self, script: &str) -> String {
        let put = self
            .test
            .core
            .blobs()
            .put_content_bytes(Bytes::copy_from_slice(script.as_bytes()))
            .await
            .unwrap();
        let sha256 = lazuli_spec::trees::ContentHash::of(script.as_bytes());
        let tree = Tree::new(vec![TreeEntry {
            path: "score.py".to_owned(),
            size: put.size,
            sha256,
        }])
        .unwrap();
        let access = self
            .test
            .core
            .access(&self.test.admin, WORKSPACE, Action::ContentWrite)
            .await
            .unwrap();
        format!(
            "tree:{}",
            lazuli_core::content::adopt_tree(&access, &tree)
                .await
                .unwrap()
        )
    }

    async fn deploy(&self, name: &str, script: &str, more: &str) -> Deployment {
        let code = self.code(script).await;
        let text = format!(
            "name: {name}\nendpoint_name: flowers\ncode_configuration: {{code: '{code}', scoring_script: score.py}}\nenvironment: {{image: plain}}\n{more}"
        );
        let spec = DeploymentSpec::read(&Document::parse("d", &text).unwrap(), None, None).unwrap();
        self.test
            .core
            .put_deployment(&self.test.admin, WORKSPACE, spec, None)
            .await
            .unwrap()
            .0
    }

    async fn settled(&self, name: &str) -> Deployment {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self
                .test
                .core
                .get_deployment(&self.test.admin, WORKSPACE, "flowers", name)
                .await
                .unwrap();
            if matches!(
                found.state,
                DeploymentState::Succeeded | DeploymentState::Failed
            ) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "the deployment does not come to rest"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn traffic(&self, shares: &[(&str, u8)], mirror: &[(&str, u8)]) {
        let map = |shares: &[(&str, u8)]| -> Traffic {
            shares
                .iter()
                .map(|(name, share)| ((*name).to_owned(), *share))
                .collect()
        };
        let change = EndpointChange {
            traffic: Some(map(shares)),
            mirror_traffic: Some(map(mirror)),
            ..EndpointChange::default()
        };
        self.test
            .core
            .update_endpoint(&self.test.admin, WORKSPACE, "flowers", change, None)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    async fn key(&self) -> String {
        self.test
            .core
            .endpoint_keys(&self.test.admin, WORKSPACE, "flowers")
            .await
            .unwrap()
            .primary_key
    }

    async fn call(&self, key: &str, deployment: Option<&str>, body: &str) -> Response<Body> {
        let mut request = Request::post("/endpoints/flowers/score")
            .header("authorization", format!("Bearer {key}"));
        if let Some(name) = deployment {
            request = request.header("azureml-model-deployment", name);
        }
        self.gateway
            .clone()
            .oneshot(request.body(Body::from(body.to_owned())).unwrap())
            .await
            .unwrap()
    }
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(
        to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap()
            .to_vec(),
    )
    .unwrap()
}

fn says(word: &str) -> String {
    format!(
        "def init(): print('hello from {word}')\ndef run(data):\n    if data == 'raise': raise ValueError('wilted')\n    if data == 'loop':\n        while True: pass\n    return '{word}'\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_answers_those_who_hold_a_key() {
    let fixture = Fixture::start().await;
    fixture
        .deploy(
            "blue",
            &says("blue"),
            "request_settings: {request_timeout_ms: 1000}",
        )
        .await;
    let settled = fixture.settled("blue").await;
    assert_eq!(settled.state, DeploymentState::Succeeded, "{settled:?}");
    let key = fixture.key().await;
    // no traffic yet: only by name
    assert_eq!(
        fixture.call(&key, None, "[]").await.status(),
        StatusCode::NOT_FOUND
    );
    let answer = fixture.call(&key, Some("blue"), "[]").await;
    assert_eq!(
        (
            answer.status(),
            answer.headers()["azureml-model-deployment"]
                .to_str()
                .unwrap()
        ),
        (StatusCode::OK, "blue")
    );
    assert_eq!(text(answer).await, "\"blue\"");
    fixture.traffic(&[("blue", 100)], &[]).await;
    assert_eq!(text(fixture.call(&key, None, "[]").await).await, "\"blue\"");
    assert_eq!(
        fixture.call(&key, Some("green"), "[]").await.status(),
        StatusCode::NOT_FOUND
    );
    // keys
    assert_eq!(
        fixture.call("wrong", None, "[]").await.status(),
        StatusCode::UNAUTHORIZED
    );
    let none = Request::post("/endpoints/flowers/score")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        fixture
            .gateway
            .clone()
            .oneshot(none)
            .await
            .unwrap()
            .status(),
        StatusCode::UNAUTHORIZED
    );
    let keys = fixture
        .test
        .core
        .regenerate_endpoint_key(&fixture.test.admin, WORKSPACE, "flowers", KeyType::Primary)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        fixture.call(&key, None, "[]").await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        fixture.call(&keys.primary_key, None, "[]").await.status(),
        StatusCode::OK
    );
    assert_eq!(
        fixture.call(&keys.secondary_key, None, "[]").await.status(),
        StatusCode::OK
    );
    // failures of the model and time-outs are told apart
    let failed = fixture.call(&keys.primary_key, None, "raise").await;
    assert_eq!(
        (
            failed.status().as_u16(),
            failed.headers()["ms-azureml-model-error-statuscode"]
                .to_str()
                .unwrap()
        ),
        (424, "500")
    );
    assert_eq!(
        fixture.call(&keys.primary_key, None, "loop").await.status(),
        StatusCode::REQUEST_TIMEOUT
    );
    let metrics = fixture.serving.metrics("flowers", "blue");
    assert_eq!(
        (
            metrics.requests[&200],
            metrics.requests[&424],
            metrics.requests[&408]
        ),
        (4, 1, 1)
    );
    assert!(fixture.serving.render_metrics().contains(
        "lazuli_endpoint_requests_total{endpoint=\"flowers\",deployment=\"blue\",status=\"200\"} 4"
    ));
    let log = fixture
        .serving
        .logs("flowers", "blue", LogContainer::InferenceServer, 100)
        .await
        .unwrap();
    assert!(
        log.contains("hello from blue") && log.contains("ValueError: wilted"),
        "{log}"
    );
    fixture.serving.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_is_shared_and_mirrored_by_the_id_source() {
    let fixture = Fixture::start().await;
    fixture.deploy("blue", &says("blue"), "").await;
    fixture.deploy("green", &says("green"), "").await;
    assert_eq!(
        fixture.settled("blue").await.state,
        DeploymentState::Succeeded
    );
    assert_eq!(
        fixture.settled("green").await.state,
        DeploymentState::Succeeded
    );
    fixture
        .traffic(&[("blue", 75), ("green", 25)], &[("green", 50)])
        .await;
    let key = fixture.key().await;
    let mut green = 0;
    for _ in 0..100 {
        green += u32::from(
            text(fixture.call(&key, None, "[]").await)
                .await
                .contains("green"),
        );
    }
    assert!((10..45).contains(&green), "{green} of 100 went to green");
    assert!((30..70).contains(&fixture.serving.metrics("flowers", "green").mirrored));
    // a deployment that takes traffic is not deleted by mistake; one that takes none is gone with its processes
    let refused = fixture
        .test
        .core
        .delete_deployment(&fixture.test.admin, WORKSPACE, "flowers", "green")
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Conflict);
    fixture.traffic(&[("blue", 100)], &[]).await;
    let folder = fixture.test.core.home().join("deployments/flowers/green");
    assert!(folder.exists());
    fixture
        .test
        .core
        .delete_deployment(&fixture.test.admin, WORKSPACE, "flowers", "green")
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while folder.exists() {
        assert!(
            Instant::now() < deadline,
            "the files of the deleted deployment stay"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        fixture.call(&key, Some("green"), "[]").await.status(),
        StatusCode::NOT_FOUND
    );
    fixture.serving.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_fails_leaves_the_old_processes_serving() {
    let fixture = Fixture::start().await;
    fixture.deploy("blue", &says("first"), "").await;
    fixture.settled("blue").await;
    fixture.traffic(&[("blue", 100)], &[]).await;
    let key = fixture.key().await;
    let updated = fixture.deploy("blue", "import no_such_package\n", "").await;
    assert_eq!(updated.state, DeploymentState::Updating);
    let failed = fixture.settled("blue").await;
    assert_eq!(failed.state, DeploymentState::Failed);
    assert!(
        failed.message.contains("no_such_package") && failed.traceback.contains("Traceback"),
        "{failed:?}"
    );
    assert_eq!(
        text(fixture.call(&key, None, "[]").await).await,
        "\"first\""
    );
    fixture.deploy("blue", &says("second"), "").await;
    // no request fails while processes are exchanged
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = fixture.call(&key, None, "[]").await;
        assert_eq!(answer.status(), StatusCode::OK);
        if text(answer).await == "\"second\"" {
            break;
        }
        assert!(Instant::now() < deadline, "the new processes never answer");
    }
    fixture.serving.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_brings_deployments_back() {
    let fixture = Fixture::start().await;
    fixture.deploy("blue", &says("blue"), "").await;
    fixture.settled("blue").await;
    fixture.traffic(&[("blue", 100)], &[]).await;
    let key = fixture.key().await;
    fixture.serving.stop().await;
    assert_eq!(
        fixture.call(&key, None, "[]").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let serving = Serving::start(fixture.test.core.clone(), Arc::new(PlainPython));
    let again = Fixture {
        gateway: lazuli_serve::router(serving.clone()),
        serving,
        test: fixture.test,
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while again.call(&key, None, "[]").await.status() != StatusCode::OK {
        assert!(
            Instant::now() < deadline,
            "the deployment does not come back"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    again.serving.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_deployed_is_refused_or_says_why() {
    let fixture = Fixture::start().await;
    let (core, admin) = (&fixture.test.core, &fixture.test.admin);
    let code = fixture.code(&says("x")).await;
    let put = |text: String| async move {
        let spec = DeploymentSpec::read(&Document::parse("d", &text).unwrap(), None, None).unwrap();
        core.put_deployment(admin, WORKSPACE, spec, None)
            .await
            .map(drop)
    };
    let script = |file: &str, endpoint: &str, image: &str| {
        format!(
            "name: blue\nendpoint_name: {endpoint}\ncode_configuration: {{code: '{code}', scoring_script: {file}}}\nenvironment: {{image: {image}}}"
        )
    };
    let missing = put(script("main.py", "flowers", "plain"))
        .await
        .unwrap_err();
    assert_eq!(
        missing.field.as_deref(),
        Some("code_configuration.scoring_script")
    );
    assert_eq!(
        put(script("score.py", "nowhere", "plain"))
            .await
            .unwrap_err()
            .code,
        ErrorCode::NotFound
    );
    let absent = put("name: blue\nendpoint_name: flowers\nmodel: azureml:none:1".to_owned())
        .await
        .unwrap_err();
    assert_eq!(
        (absent.code, absent.field.as_deref()),
        (ErrorCode::NotFound, Some("model"))
    );
    let bare = put(format!(
        "name: blue\nendpoint_name: flowers\nmodel: {{path: '{code}'}}"
    ))
    .await
    .unwrap_err();
    assert_eq!(bare.field.as_deref(), Some("code_configuration"));
    put(script("score.py", "flowers", "broken")).await.unwrap();
    let failed = fixture.settled("blue").await;
    assert!(
        failed.message.contains("nothing fits")
            && failed.traceback.contains("no version of nothing"),
        "{failed:?}"
    );
    let unknown = EndpointChange {
        traffic: Some(Traffic::from([("grey".to_owned(), 100)])),
        ..EndpointChange::default()
    };
    let refused = core
        .update_endpoint(admin, WORKSPACE, "flowers", unknown, None)
        .await
        .unwrap_err();
    assert_eq!(refused.field.as_deref(), Some("traffic"));
    fixture.serving.stop().await;
}
