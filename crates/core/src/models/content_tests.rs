//! Where versions come from, over a whole core, on every back end that is at hand.

use lazuli_blob::BlobKey;
use lazuli_spec::lists::ListFilter;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::trees::Tree;
use lazuli_spec::{ErrorCode, PageRequest};
use lazuli_store::testing::each_backend;

use super::tests::WS;
use super::{ModelChange, NewModel, NewVersion, Which};
use crate::Core;
use crate::logged_models::{LoggedModelSearch, NewLoggedModel, OrderField};
use crate::testing::TestCore;

impl TestCore {
    /// A tree of one file with this text.
    async fn tree(&self, path: &str, text: &'static str) -> String {
        let hash = lazuli_spec::trees::ContentHash::of(text.as_bytes());
        let body = futures::stream::iter([Ok::<_, std::io::Error>(text.as_bytes().into())]);
        self.core
            .put_content(&self.admin, WS, &hash, 1 << 20, body)
            .await
            .unwrap();
        let tree = Tree::of_file(path, text.len() as u64, hash).unwrap();
        let id = tree.id();
        self.core
            .put_tree(&self.admin, WS, &id, tree)
            .await
            .unwrap();
        format!("tree:{id}")
    }
}

fn registered(name: &str, path: &str) -> NewModel {
    NewModel {
        name: name.to_owned(),
        path: path.to_owned(),
        ..NewModel::default()
    }
}

#[test]
fn sources_must_belong_to_what_is_named() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me): (&Core, _) = (&t.core, &t.admin);
        t.model("m").await;
        let create = async |source: &str, run_id: Option<&str>| {
            let new = NewVersion {
                name: "m".to_owned(),
                source: source.to_owned(),
                run_id: run_id.map(str::to_owned),
                ..NewVersion::default()
            };
            core.create_model_version(me, WS, new).await
        };
        for (source, run) in [
            ("mlflow-artifacts:/0/someones/artifacts/model", None),
            (
                "mlflow-artifacts:/0/someones/artifacts/model",
                Some("someones"),
            ),
            ("runs:/someones/model", None),
            ("models:/m-0123456789abcdef0123456789abcdef", None),
            ("/etc/passwd", None),
        ] {
            let refused = create(source, run).await.unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidArgument, "{source}");
            assert!(
                refused.message.contains("Invalid model version source"),
                "{}",
                refused.message
            );
        }
        let logged = logged(&t, "tree").await;
        let version = create(&format!("models:/{}", logged.model_id), None)
            .await
            .unwrap();
        assert_eq!(
            (version.location, version.model_id),
            (logged.artifact_location, Some(logged.model_id.clone()))
        );
        let copy = create("models:/m/1", None).await.unwrap();
        assert_eq!(
            (copy.source.as_str(), copy.model_id),
            ("models:/m/1", Some(logged.model_id.clone()))
        );
        let model = core
            .get_logged_model(me, WS, &logged.model_id, false)
            .await
            .unwrap();
        assert_eq!(
            model.tags[0].value,
            r#"[{"name": "m", "version": 1}, {"name": "m", "version": 2}]"#
        );
    });
}

async fn logged(t: &TestCore, name: &str) -> lazuli_spec::logged_models::LoggedModel {
    let new = NewLoggedModel {
        experiment_id: lazuli_spec::experiments::ExperimentId::DEFAULT,
        name: Some(name.to_owned()),
        model_type: None,
        source_run_id: None,
        params: vec![KeyValue::new("depth", name.len().to_string())],
        tags: vec![],
    };
    t.core.create_logged_model(&t.admin, WS, new).await.unwrap()
}

#[test]
fn logged_models_are_searched_and_finished() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me): (&Core, _) = (&t.core, &t.admin);
        let (a, b) = (logged(&t, "a").await, logged(&t, "bb").await);
        let ready = core
            .finalize_logged_model(
                me,
                WS,
                &a.model_id,
                lazuli_spec::logged_models::LoggedModelStatus::Ready,
            )
            .await;
        assert_eq!(ready.unwrap().status.as_str(), "LOGGED_MODEL_READY");
        core.set_logged_model_tags(me, WS, &b.model_id, vec![KeyValue::new("k", "v")])
            .await
            .unwrap();
        let changed = core
            .log_logged_model_params(me, WS, &b.model_id, vec![KeyValue::new("depth", "9")])
            .await
            .unwrap_err();
        assert!(
            changed
                .message
                .contains("Changing param values is not allowed")
        );
        let search = async |filter: &str, order: &str| {
            let order_by = OrderField {
                field_name: order.to_owned(),
                ascending: true,
                dataset: None,
            };
            let request = LoggedModelSearch {
                experiment_ids: vec![lazuli_spec::experiments::ExperimentId::DEFAULT],
                filter: filter.to_owned(),
                order_by: vec![order_by],
                max_results: 1,
                ..LoggedModelSearch::default()
            };
            let first = core
                .search_logged_models(me, WS, request.clone())
                .await
                .unwrap();
            let mut names: Vec<String> = first.items.into_iter().map(|model| model.name).collect();
            if first.next_page_token.is_some() {
                let next = LoggedModelSearch {
                    page_token: first.next_page_token,
                    ..request
                };
                names.extend(
                    core.search_logged_models(me, WS, next)
                        .await
                        .unwrap()
                        .items
                        .into_iter()
                        .map(|model| model.name),
                );
            }
            names
        };
        assert_eq!(search("", "name").await, ["a", "bb"]);
        assert_eq!(search("", "metrics.loss").await.len(), 2);
        assert_eq!(search("params.depth = '2'", "name").await, ["bb"]);
        assert_eq!(search("tags.k = 'v'", "creation_time").await, ["bb"]);
        assert_eq!(search("status = 'READY'", "name").await, ["a"]);
        core.delete_logged_model(me, WS, &a.model_id).await.unwrap();
        let gone = core
            .get_logged_model(me, WS, &a.model_id, false)
            .await
            .unwrap_err();
        assert_eq!(
            gone.message,
            format!("Logged model with ID '{}' not found.", a.model_id)
        );
        assert!(
            core.get_logged_model(me, WS, &a.model_id, true)
                .await
                .is_ok()
        );
        assert_eq!(search("", "name").await, ["bb"]);
    });
}

#[test]
fn uploads_become_versions_that_never_change() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me): (&Core, _) = (&t.core, &t.admin);
        let (mlflow, other) = (
            t.tree("MLmodel", "flavors: {}").await,
            t.tree("weights.bin", "1").await,
        );
        let (first, created) = core
            .register_model(me, WS, registered("net", &mlflow))
            .await
            .unwrap();
        assert!(created);
        assert_eq!(
            (first.version.as_str(), first.model_type.as_str()),
            ("1", "mlflow_model")
        );
        let named = NewModel {
            version: Some("2024-rc.1".to_owned()),
            ..registered("net", &other)
        };
        let (rc, _) = core.register_model(me, WS, named.clone()).await.unwrap();
        assert_eq!(rc.model_type.as_str(), "custom_model");
        let (same, created) = core.register_model(me, WS, named.clone()).await.unwrap();
        assert!(!created && same.version == rc.version);
        let changed = core
            .register_model(
                me,
                WS,
                NewModel {
                    path: mlflow.clone(),
                    ..named
                },
            )
            .await
            .unwrap_err();
        assert_eq!(changed.code, ErrorCode::ImmutableContent);
        let wrong = NewModel {
            model_type: Some("mlflow_model".to_owned()),
            ..registered("net", &other)
        };
        assert_eq!(
            core.register_model(me, WS, wrong)
                .await
                .unwrap_err()
                .field
                .as_deref(),
            Some("path")
        );

        let label = |text: &str| Which::Label(text.to_owned());
        let (latest, _, tree) = core
            .model_content(me, WS, "net", label("latest"))
            .await
            .unwrap();
        assert_eq!(
            (latest.version.as_str(), tree.entries()[0].path.as_str()),
            ("1", "MLmodel")
        );
        core.archive_model_version(me, WS, "net", "1", true)
            .await
            .unwrap();
        let latest = core
            .find_model_version(me, WS, "net", label("latest"))
            .await
            .unwrap();
        assert_eq!(latest.version, "2024-rc.1");
        let versions = core
            .list_model_versions(me, WS, "net", ListFilter::default(), PageRequest::default())
            .await
            .unwrap();
        assert_eq!(versions.items.len(), 1);
        let models = core
            .list_models(me, WS, ListFilter::default(), PageRequest::default())
            .await
            .unwrap();
        assert_eq!(
            models.items[0].latest.as_ref().unwrap().version,
            "2024-rc.1"
        );
        // an MLflow client finds the files of an upload through the artifact proxy
        let at = first.location.strip_prefix("mlflow-artifacts:/").unwrap();
        let listed = core.list_artifact_folder(me, WS, at).await.unwrap();
        assert_eq!(
            (listed.len(), listed[0].path.as_str(), listed[0].size),
            (1, "MLmodel", Some(11))
        );
        let read = core
            .get_artifact(me, WS, &format!("{at}/MLmodel"), None)
            .await
            .unwrap();
        assert_eq!(read.bytes(100).await.unwrap(), "flavors: {}");
        assert!(
            core.get_artifact(me, WS, &format!("{at}/other"), None)
                .await
                .is_err()
        );

        let missing = core
            .find_model_version(me, WS, "net", label("champion"))
            .await
            .unwrap_err();
        assert_eq!(missing.code, ErrorCode::NotFound);

        let change = ModelChange {
            stage: Some("staging".to_owned()),
            tags: Some(vec![KeyValue::new("a", "b")]),
            ..ModelChange::default()
        };
        t.clock.advance(std::time::Duration::from_secs(1));
        let stale = core
            .update_model(me, WS, "net", "1", change.clone(), Some(latest.updated_at))
            .await;
        let updated = core
            .update_model(me, WS, "net", "1", change, None)
            .await
            .unwrap();
        assert_eq!((updated.stage.as_str(), updated.tags.len()), ("Staging", 1));
        assert!(
            stale.is_ok() || stale.is_err_and(|error| error.code == ErrorCode::PreconditionFailed)
        );
    });
}

#[test]
fn files_of_a_logged_model_become_a_tree_when_asked_for() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me): (&Core, _) = (&t.core, &t.admin);
        t.model("m").await;
        let logged = logged(&t, "x").await;
        let access = core.access(me, "default", lazuli_spec::Action::RunsRead);
        let access = access.await.unwrap();
        let path = format!("0/models/{}/artifacts/MLmodel", logged.model_id);
        let key = BlobKey::proxied(access.workspace_id(), &path).unwrap();
        core.blobs()
            .put_bytes(&key, "flavors: {}".into())
            .await
            .unwrap();
        let (root, files) = core
            .list_logged_model_artifacts(me, WS, &logged.model_id, None)
            .await
            .unwrap();
        assert_eq!(
            (root, files[0].path.as_str()),
            (logged.artifact_location.clone(), "MLmodel")
        );
        // Experiment 0 is in every workspace; a logged model is in one.
        let foreign = "0/models/m-0123456789abcdef0123456789abcdef/artifacts/MLmodel";
        for path in [foreign, "0/models", "0/models/m-1/../x"] {
            assert!(
                core.list_artifact_folder(me, WS, path).await.is_err(),
                "{path}"
            );
            assert!(
                core.get_artifact(me, WS, path, None).await.is_err(),
                "{path}"
            );
        }
        let new = NewVersion {
            name: "m".to_owned(),
            source: logged.artifact_location,
            model_id: Some(logged.model_id),
            ..NewVersion::default()
        };
        assert_eq!(
            core.create_model_version(me, WS, new).await.unwrap().tree,
            None
        );
        let which = || Which::Version("1".to_owned());
        let (_, id, tree) = core.model_content(me, WS, "m", which()).await.unwrap();
        assert_eq!(
            (tree.count(), tree.entries()[0].path.as_str()),
            (1, "MLmodel")
        );
        let again = core.find_model_version(me, WS, "m", which()).await.unwrap();
        assert_eq!(again.tree, Some(id.to_string()));
    });
}
