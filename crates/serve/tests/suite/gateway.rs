//! Keys, shares, mirrors, refusals: what callers of an endpoint meet.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use lazuli_core::deployments::{LogContainer, ModelRuntime};
use lazuli_core::endpoints::EndpointChange;
use lazuli_spec::ErrorCode;
use lazuli_spec::deployments::{DeploymentSpec, DeploymentState};
use lazuli_spec::endpoints::{KeyType, Traffic};
use lazuli_spec::yaml::Document;
use tower::ServiceExt;

use crate::fixture::{Fixture, WORKSPACE, says, text};

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
