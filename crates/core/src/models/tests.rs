//! The registry over a whole core, on every back end that is at hand.

use lazuli_spec::ErrorCode;
use lazuli_spec::models::TAG_IS_PROMPT;
use lazuli_spec::runs::KeyValue;
use lazuli_store::testing::each_backend;

use super::{NewVersion, SearchRequest};
use crate::testing::TestCore;
use crate::{Core, Result};

pub(super) const WS: &str = "default";

impl TestCore {
    pub(super) async fn model(&self, name: &str) {
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
