use lazuli_spec::endpoints::EndpointSpec;
use lazuli_spec::yaml::Document;

use super::*;
use crate::testing::TestCore;

fn spec(more: &str) -> DeploymentSpec {
    let text = format!("name: blue\nendpoint_name: flowers\nmodel: azureml:iris:1\n{more}");
    DeploymentSpec::read(&Document::parse("d", &text).unwrap(), None, None).unwrap()
}

fn first() -> Deployment {
    let made = fresh(
        "w".to_owned(),
        spec(""),
        Binding::default(),
        "p".to_owned(),
        Timestamp(100),
    );
    Deployment {
        state: DeploymentState::Succeeded,
        ..made
    }
}

#[test]
fn words_alone_do_not_exchange_processes() {
    let told = revised(
        first(),
        spec("description: new\ntags: {a: b}"),
        Binding::default(),
        Timestamp(200),
    );
    assert_eq!(
        (told.generation, told.state, told.revision),
        (100, DeploymentState::Succeeded, 2)
    );
    assert_eq!(told.modified_at, Timestamp(200));
}

#[test]
fn what_processes_depend_on_does() {
    let more = revised(
        first(),
        spec("instance_count: 2"),
        Binding::default(),
        Timestamp(200),
    );
    assert_eq!(
        (more.generation, more.state),
        (200, DeploymentState::Updating)
    );
    let other = Binding {
        model_tree: Some("t".to_owned()),
        ..Binding::default()
    };
    assert_eq!(
        revised(first(), spec(""), other, Timestamp(200)).generation,
        200
    );
}

#[test]
fn a_failed_one_is_tried_again_and_a_clock_that_stands_still_does_not_matter() {
    let failed = Deployment {
        state: DeploymentState::Failed,
        message: "no".to_owned(),
        ..first()
    };
    let again = revised(failed, spec(""), Binding::default(), Timestamp(100));
    assert_eq!(
        (again.generation, again.state, again.message.as_str()),
        (101, DeploymentState::Updating, "")
    );
    assert_eq!(again.modified_at, Timestamp(101));
}

#[tokio::test]
async fn an_older_reading_changes_nothing_and_names_are_taken_once() {
    let test = TestCore::start().await;
    let endpoint =
        |text: &str| EndpointSpec::read(&Document::parse("e", text).unwrap(), None).unwrap();
    let put = |spec, etag| test.core.put_endpoint(&test.admin, "default", spec, etag);
    let (made, is_new) = put(endpoint("name: flowers"), None).await.unwrap();
    assert!(is_new);
    let (same, is_new) = put(endpoint("name: flowers"), Some(made.modified_at))
        .await
        .unwrap();
    assert!(!is_new && same == made);
    let (changed, _) = put(
        endpoint("name: flowers\ndescription: x"),
        Some(made.modified_at),
    )
    .await
    .unwrap();
    assert!(changed.modified_at > made.modified_at);
    let late = put(
        endpoint("name: flowers\ndescription: y"),
        Some(made.modified_at),
    )
    .await
    .unwrap_err();
    assert_eq!(late.code, lazuli_spec::ErrorCode::PreconditionFailed);
    let keys = test
        .core
        .endpoint_keys(&test.admin, "default", "flowers")
        .await
        .unwrap();
    assert_ne!(keys.primary_key, keys.secondary_key);
    test.core
        .create_workspace(
            &test.admin,
            "other",
            crate::workspaces::WorkspaceChange::default(),
        )
        .await
        .unwrap();
    let taken = test
        .core
        .put_endpoint(&test.admin, "other", endpoint("name: flowers"), None)
        .await
        .unwrap_err();
    assert_eq!(taken.code, lazuli_spec::ErrorCode::AlreadyExists);
}
