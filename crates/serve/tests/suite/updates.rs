//! Processes are exchanged without a gap, and come back after a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use lazuli_core::audit::AuditFilter;
use lazuli_serve::Serving;
use lazuli_spec::deployments::DeploymentState;

use crate::fixture::{Fixture, PlainPython, says, text};

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
async fn what_the_reconciler_reports_is_on_record_in_its_workspace() {
    let fixture = Fixture::start().await;
    fixture.deploy("blue", &says("blue"), "").await;
    fixture.settled("blue").await;
    let filter = AuditFilter {
        principal: Some("system".to_owned()),
        workspace: Some("default".to_owned()),
        ..AuditFilter::default()
    };
    let (core, admin) = (&fixture.test.core, &fixture.test.admin);
    let paging = lazuli_spec::PageRequest::default();
    let records = core.list_audit(admin, filter, paging).await.unwrap().items;
    let targets: Vec<_> = records.iter().map(|record| &record.target).collect();
    assert!(
        targets
            .iter()
            .any(|target| target.starts_with("onlineEndpoints/") && target.ends_with("/blue")),
        "{targets:?}"
    );
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
        gateway: lazuli_serve::router(&serving),
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
