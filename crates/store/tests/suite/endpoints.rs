//! Endpoints and deployments on both back ends.

use lazuli_spec::Timestamp;
use lazuli_spec::deployments::{Binding, Deployment, DeploymentSpec, DeploymentState, Outcome};
use lazuli_spec::endpoints::{Endpoint, EndpointKeys, EndpointSpec};
use lazuli_spec::workspaces::Workspace;
use lazuli_spec::yaml::Document;
use lazuli_store::lists::ListSearch;
use lazuli_store::testing::each_backend;
use lazuli_store::{Store, StoreError, Tx, deployments, endpoints, workspaces};

fn endpoint(workspace: &str, name: &str) -> Endpoint {
    Endpoint {
        workspace_id: workspace.to_owned(),
        spec: EndpointSpec::read(
            &Document::parse("e", &format!("name: {name}\ntags: {{a: b}}")).unwrap(),
            None,
        )
        .unwrap(),
        created_at: Timestamp(1),
        created_by: "p".to_owned(),
        modified_at: Timestamp(1),
        revision: 1,
    }
}

fn deployment(endpoint: &str, name: &str, generation: i64) -> Deployment {
    let text = format!("name: {name}\nendpoint_name: {endpoint}\nmodel: azureml:m:1");
    Deployment {
        workspace_id: "w1".to_owned(),
        spec: DeploymentSpec::read(&Document::parse("d", &text).unwrap(), None, None).unwrap(),
        binding: Binding {
            model_name: Some("m".to_owned()),
            ..Binding::default()
        },
        generation,
        state: DeploymentState::Creating,
        message: String::new(),
        traceback: String::new(),
        created_at: Timestamp(2),
        created_by: "p".to_owned(),
        modified_at: Timestamp(2),
        revision: 1,
    }
}

fn keys(text: &str) -> EndpointKeys {
    EndpointKeys {
        primary_key: format!("{text}1"),
        secondary_key: format!("{text}2"),
    }
}

fn workspace(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    let workspace = Workspace {
        id: id.to_owned(),
        name: id.to_owned(),
        display_name: String::new(),
        description: String::new(),
        tags: std::collections::BTreeMap::new(),
        created_at: Timestamp(0),
        created_by: "p".to_owned(),
        updated_at: Timestamp(0),
    };
    workspaces::insert(tx, &workspace)
}

async fn two_workspaces(store: &Store) {
    store
        .write(|tx| {
            workspace(tx, "w1")?;
            workspace(tx, "w2")?;
            endpoints::insert(tx, &endpoint("w1", "alpha"), &keys("a"))?;
            endpoints::insert(tx, &endpoint("w1", "beta"), &keys("b"))
        })
        .await
        .unwrap();
}

#[test]
fn endpoints_are_kept_paged_and_unique_on_the_server() {
    each_backend(|store| async move {
        two_workspaces(&store).await;
        let taken = store
            .write(|tx| endpoints::insert(tx, &endpoint("w2", "alpha"), &keys("c")))
            .await;
        assert!(taken.unwrap_err().is_unique_violation());
        store
            .write(|tx| {
                assert!(endpoints::name_taken(tx, "alpha")?);
                assert_eq!(endpoints::find(tx, "w2", "alpha")?, None);
                let mut found = endpoints::find(tx, "w1", "alpha")?.unwrap();
                assert_eq!(found, endpoint("w1", "alpha"));
                found.spec.description = "new".to_owned();
                found.revision = 2;
                endpoints::update(tx, &found)?;
                assert_eq!(endpoints::find(tx, "w1", "alpha")?, Some(found));
                let after = ListSearch {
                    after: Some(vec!["alpha".into()]),
                    ..ListSearch::first(10)
                };
                let page = endpoints::list(tx, "w1", &after)?;
                assert_eq!(
                    page.iter()
                        .map(|(e, _)| e.spec.name.as_str())
                        .collect::<Vec<_>>(),
                    ["beta"]
                );
                endpoints::set_keys(tx, "w1", "beta", &keys("n"), Timestamp(9))?;
                assert_eq!(endpoints::keys(tx, "w1", "beta")?, Some(keys("n")));
                assert_eq!(endpoints::all(tx)?.len(), 2);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
}

#[test]
fn deployments_settle_only_the_generation_they_were_started_for() {
    each_backend(|store| async move {
        two_workspaces(&store).await;
        store
            .write(|tx| {
                let first = deployment("alpha", "blue", 1);
                deployments::put(tx, &first)?;
                assert_eq!(
                    deployments::find(tx, "w1", "alpha", "blue")?,
                    Some(first.clone())
                );
                let second = Deployment {
                    generation: 2,
                    revision: 2,
                    ..first.clone()
                };
                deployments::put(tx, &second)?;
                let failed = Outcome::failed("no", Some("Traceback".to_owned()));
                assert!(!deployments::settle(tx, &first, &failed, Timestamp(5))?);
                assert!(deployments::settle(tx, &second, &failed, Timestamp(5))?);
                let found = deployments::find(tx, "w1", "alpha", "blue")?.unwrap();
                assert_eq!(
                    (found.state, found.message.as_str(), found.revision),
                    (DeploymentState::Failed, "no", 3)
                );
                deployments::put(tx, &deployment("alpha", "green", 1))?;
                assert_eq!(
                    deployments::list(tx, "w1", "alpha", &ListSearch::first(9))?.len(),
                    2
                );
                assert!(deployments::delete(tx, "w1", "alpha", "green")?);
                assert!(!deployments::delete(tx, "w1", "alpha", "green")?);
                assert!(endpoints::delete(tx, "w1", "alpha")?);
                assert_eq!(deployments::all(tx)?, []);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
}
