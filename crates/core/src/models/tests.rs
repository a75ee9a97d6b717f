//! The registry over a whole core, on every back end that is at hand.

use lazuli_blob::BlobKey;
use lazuli_spec::models::TAG_IS_PROMPT;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::trees::Tree;
use lazuli_spec::{ErrorCode, PageRequest};
use lazuli_store::testing::each_backend;

use super::{ModelChange, NewModel, NewVersion, SearchRequest, Which};
use crate::logged_models::{LoggedModelSearch, NewLoggedModel, OrderField};
use crate::testing::TestCore;
use crate::{Core, Result};

const WS: &str = "default";

impl TestCore {
    async fn model(&self, name: &str) {
        let made = self
            .core
            .create_registered_model(&self.admin, WS, name, vec![], None)
            .await;
        made.unwrap();
    }

    async fn version(&self, name: &str) -> String {
        let new = NewVersion {
            name: name.to_owned(),
            source: "s3://bucket/model".to_owned(),
            ..NewVersion::default()
        };
        self.core
            .create_model_version(&self.admin, WS, new)
            .await
            .unwrap()
            .version
    }

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

    async fn found(&self, filter: &str, order: &[&str]) -> Result<Vec<String>> {
        let request = SearchRequest {
            filter: filter.to_owned(),
            order_by: order.iter().map(|&text| text.to_owned()).collect(),
            max_results: 100,
            page_token: None,
        };
        let page = self
            .core
            .search_registered_models(&self.admin, WS, request)
            .await?;
        Ok(page.items.into_iter().map(|model| model.name).collect())
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
fn names_versions_and_aliases_live_together() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me): (&Core, _) = (&t.core, &t.admin);
        t.model("iris").await;
        let again = core
            .create_registered_model(me, WS, "iris", vec![], None)
            .await
            .unwrap_err();
        assert_eq!(again.code, ErrorCode::AlreadyExists);
        assert_eq!(
            again.message,
            "Registered Model (name=iris) already exists."
        );
        let prompt = vec![KeyValue::new(TAG_IS_PROMPT, "true")];
        let clash = core
            .create_registered_model(me, WS, "iris", prompt, None)
            .await
            .unwrap_err();
        assert!(
            clash.message.contains("create a prompt with name 'iris'"),
            "{}",
            clash.message
        );

        assert_eq!(
            (t.version("iris").await, t.version("iris").await),
            ("1".to_owned(), "2".to_owned())
        );
        core.set_model_alias(me, WS, "iris", "champion", "02")
            .await
            .unwrap();
        let champion = core
            .get_model_version_by_alias(me, WS, "iris", "champion")
            .await
            .unwrap();
        assert_eq!(
            (champion.version.as_str(), champion.aliases),
            ("2", vec!["champion".to_owned()])
        );

        core.rename_registered_model(me, WS, "iris", "flowers")
            .await
            .unwrap();
        let model = core.get_registered_model(me, WS, "flowers").await.unwrap();
        assert_eq!(model.aliases[0].version, "2");
        assert_eq!(model.latest_versions[0].name, "flowers");
        let gone = core.get_registered_model(me, WS, "iris").await.unwrap_err();
        assert_eq!(gone.message, "Registered Model with name=iris not found");

        core.delete_model_version(me, WS, "flowers", "2")
            .await
            .unwrap();
        let gone = core
            .get_model_version(me, WS, "flowers", "2")
            .await
            .unwrap_err();
        assert_eq!(
            gone.message,
            "Model Version (name=flowers, version=2) not found"
        );
        let alias = core
            .get_model_version_by_alias(me, WS, "flowers", "champion")
            .await
            .unwrap_err();
        assert_eq!(alias.message, "Registered model alias champion not found.");
        assert_eq!(
            t.version("flowers").await,
            "3",
            "numbers are not given out again"
        );
        core.delete_registered_model(me, WS, "flowers")
            .await
            .unwrap();
        t.model("flowers").await;
        assert_eq!(t.version("flowers").await, "1");
    });
}

#[test]
fn stages_move_and_archive_the_others() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me): (&Core, _) = (&t.core, &t.admin);
        t.model("m").await;
        for _ in 0..3 {
            t.version("m").await;
        }
        core.transition_model_version(me, WS, "m", "1", "production", false)
            .await
            .unwrap();
        core.transition_model_version(me, WS, "m", "2", "Production", true)
            .await
            .unwrap();
        let stages = |latest: Vec<lazuli_spec::models::ModelVersion>| -> Vec<String> {
            latest
                .into_iter()
                .map(|v| format!("{} {}", v.version, v.stage.as_str()))
                .collect()
        };
        let latest = core.latest_model_versions(me, WS, "m", &[]).await.unwrap();
        assert_eq!(stages(latest), ["1 Archived", "2 Production", "3 None"]);
        let latest = core
            .latest_model_versions(me, WS, "m", &["PRODUCTION".to_owned()])
            .await
            .unwrap();
        assert_eq!(stages(latest), ["2 Production"]);
        let wrong = core
            .transition_model_version(me, WS, "m", "3", "None", true)
            .await
            .unwrap_err();
        assert!(
            wrong.message.contains("is not an Active stage"),
            "{}",
            wrong.message
        );
    });
}

#[test]
fn searches_filter_sort_and_page() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        let (core, me): (&Core, _) = (&t.core, &t.admin);
        for name in ["apple", "Banana", "cherry"] {
            t.model(name).await;
            t.clock.advance(std::time::Duration::from_secs(1));
            core.set_registered_model_tag(me, WS, name, KeyValue::new("team", name))
                .await
                .unwrap();
        }
        let prompt = vec![KeyValue::new(TAG_IS_PROMPT, "true")];
        core.create_registered_model(me, WS, "greeting", prompt, None)
            .await
            .unwrap();

        assert_eq!(
            t.found("", &[]).await.unwrap(),
            ["Banana", "apple", "cherry"]
        );
        assert_eq!(
            t.found("tags.`mlflow.prompt.is_prompt` = 'true'", &[])
                .await
                .unwrap(),
            ["greeting"]
        );
        assert_eq!(t.found("name ILIKE '%AN%'", &[]).await.unwrap(), ["Banana"]);
        assert_eq!(
            t.found("name LIKE '%AN%'", &[]).await.unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(
            t.found("tags.team != 'apple' AND name != 'cherry'", &[])
                .await
                .unwrap(),
            ["Banana"]
        );
        assert_eq!(
            t.found("", &["last_updated_timestamp DESC"]).await.unwrap(),
            ["cherry", "Banana", "apple"]
        );
        assert_eq!(
            t.found("size > 3", &[]).await.unwrap_err().code,
            ErrorCode::InvalidArgument
        );

        let mut seen = Vec::new();
        let mut request = SearchRequest {
            max_results: 2,
            order_by: vec!["timestamp ASC".to_owned()],
            ..SearchRequest::default()
        };
        loop {
            let page = core
                .search_registered_models(me, WS, request.clone())
                .await
                .unwrap();
            seen.extend(page.items.into_iter().map(|model| model.name));
            request.page_token = page.next_page_token;
            if request.page_token.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["apple", "Banana", "cherry"]);

        for _ in 0..12 {
            t.version("apple").await;
        }
        core.set_model_version_tag(me, WS, "apple", "3", KeyValue::new("k", "v"))
            .await
            .unwrap();
        let versions = async |filter: &str, order: &[&str]| -> Vec<String> {
            let request = SearchRequest {
                filter: filter.to_owned(),
                order_by: order.iter().map(|&text| text.to_owned()).collect(),
                max_results: 3,
                page_token: None,
            };
            let page = core.search_model_versions(me, WS, request).await.unwrap();
            page.items
                .into_iter()
                .map(|version| version.version)
                .collect()
        };
        assert_eq!(
            versions("name = 'apple'", &["version_number ASC"]).await,
            ["1", "2", "3"]
        );
        assert_eq!(
            versions("version_number > 9", &["version_number DESC"]).await,
            ["12", "11", "10"]
        );
        assert_eq!(versions("tags.k = 'v'", &[]).await, ["3"]);
        assert_eq!(versions("run_id = 'none'", &[]).await, Vec::<String>::new());
    });
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
            r#"[{"name":"m","version":1},{"name":"m","version":2}]"#
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
            .list_model_versions(me, WS, "net", PageRequest::default(), false)
            .await
            .unwrap();
        assert_eq!(versions.items.len(), 1);
        let models = core
            .list_models(me, WS, PageRequest::default(), false)
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
        let key = BlobKey::parse(&format!(
            "runs/0/models/{}/artifacts/MLmodel",
            logged.model_id
        ))
        .unwrap();
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

#[test]
fn only_those_with_the_right_may_change_models() {
    each_backend(|store| async move {
        let t = TestCore::over(store).await;
        t.model("m").await;
        let (reader, _) = t.user("reader", Some((WS, "Reader"))).await;
        assert!(t.core.get_registered_model(&reader, WS, "m").await.is_ok());
        let denied = t
            .core
            .delete_registered_model(&reader, WS, "m")
            .await
            .unwrap_err();
        assert_eq!(denied.code, ErrorCode::PermissionDenied);
        let (stranger, _) = t.user("stranger", None).await;
        let hidden = t
            .core
            .get_registered_model(&stranger, WS, "m")
            .await
            .unwrap_err();
        assert_eq!(hidden.code, ErrorCode::NotFound);
    });
}
