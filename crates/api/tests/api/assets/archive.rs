//! Lists, labels, etags, archiving, and who may do what.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use lazuli_core::audit::AuditFilter;
use lazuli_core::data::{register_data_output, resolve_data};
use lazuli_spec::assets::Origin;
use lazuli_spec::data::DataType;
use lazuli_spec::trees::TreeId;
use lazuli_spec::{Action, ErrorCode, PageRequest};
use serde_json::json;

use super::{Bench, each, lines};

impl Bench {
    async fn listed(&self, query: &str) -> Vec<String> {
        lines(
            &self.get(&format!("data?{query}")).await.json(),
            &["name", "version"],
        )
    }

    async fn act(&self, path: &str) -> StatusCode {
        self.call("POST", path, json!({})).await.status
    }
}

#[test]
fn archived_is_hidden_and_still_works() {
    each(|bench| async move {
        for (name, content) in [("a", "1"), ("a", "2"), ("b", "1")] {
            bench.make_data(name, None, content).await;
        }
        assert_eq!(bench.act("data/a/versions/2/archive").await, StatusCode::OK);
        assert_eq!(bench.act("data/b/archive").await, StatusCode::OK);
        assert_eq!(bench.act("data/b/archive").await, StatusCode::OK);
        assert_eq!(bench.listed("").await, ["a 1"]);
        assert_eq!(bench.listed("view=archived").await, ["b 1"]);
        assert_eq!(bench.listed("view=all").await, ["a 2", "b 1"]);
        assert_eq!(
            bench.get("data/a/labels/latest").await.json()["version"],
            "1"
        );
        assert_eq!(
            bench.get("data/b/labels/latest").await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            bench.get("data/b/versions/1").await.json()["archived"],
            true
        );
        assert_eq!(bench.get("data/b/versions/1/content").await.body, "1");

        assert_eq!(bench.act("data/b/restore").await, StatusCode::OK);
        assert_eq!(bench.act("data/a/versions/2/restore").await, StatusCode::OK);
        assert_eq!(bench.listed("").await, ["a 2", "b 1"]);
        assert_eq!(bench.act("data/none/archive").await, StatusCode::NOT_FOUND);
        assert_eq!(
            bench.act("data/a/versions/9/archive").await,
            StatusCode::NOT_FOUND
        );
    });
}

#[test]
fn lists_filter_sort_and_page() {
    each(|bench| async move {
        for name in ["wine", "iris", "iris_small", "digits"] {
            bench.make_data(name, None, name).await;
            bench.test.clock.advance(Duration::from_secs(1));
        }
        bench
            .call(
                "PATCH",
                "data/wine/versions/1",
                json!({"tags": {"team": "red", "x": ""}}),
            )
            .await;
        assert_eq!(
            bench.listed("prefix=iris").await,
            ["iris 1", "iris_small 1"]
        );
        assert_eq!(bench.listed("tag=team").await, ["wine 1"]);
        assert_eq!(bench.listed("tag=team%3Dblue").await, [""; 0]);
        assert_eq!(
            bench.listed("order_by=created_at+desc&limit=2").await,
            ["digits 1", "iris_small 1"]
        );
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = bench
                .get(&format!("data?order_by=created_at&limit=1{token}"))
                .await
                .json();
            seen.extend(lines(&page, &["name"]));
            match page["next_page_token"].as_str() {
                Some(next) => token = format!("&page_token={next}"),
                None => break,
            }
        }
        assert_eq!(seen, ["wine", "iris", "iris_small", "digits"]);
        let problems = [
            bench.get("data?view=hidden").await.problem(),
            bench.get("data?order_by=size").await.problem(),
            bench.get("data?page_token=abc").await.problem(),
            bench
                .get(&format!("data?order_by=name{token}"))
                .await
                .problem(),
            bench.get("data?limit=many").await.problem(),
            bench.get("data/wine/versions?page_token=x").await.problem(),
        ];
        insta::assert_snapshot!("list_refused", problems.join("\n"));
    });
}

#[test]
fn a_change_needs_the_etag_that_was_read() {
    each(|bench| async move {
        let made = bench.make_data("iris", None, "1").await;
        let etag = made.header("etag").to_owned();
        let patch = async |etag: &str, body: &str| {
            let headers = [("content-type", "application/json"), ("if-match", etag)];
            let path = "default/data/iris/versions/1";
            bench
                .send(
                    &bench.test.admin_token,
                    "PATCH",
                    path,
                    &headers,
                    Body::from(body.to_owned()),
                )
                .await
        };
        let changed = patch(&etag, r#"{"description": "new", "tags": {"a": "1"}}"#).await;
        assert_eq!(changed.status, StatusCode::OK);
        assert_eq!(changed.json()["description"], "new");
        assert_ne!(changed.header("etag"), etag);
        let stale = patch(&etag, r#"{"description": "newer"}"#).await;
        assert_eq!(
            stale.problem(),
            "412 precondition_failed [-] the data asset has changed since it was read; read it again"
        );
        let fresh = patch(changed.header("etag"), r#"{"properties": {"p": "q"}}"#).await;
        assert_eq!(
            (
                fresh.json()["description"].as_str(),
                fresh.json()["tags"]["a"].as_str()
            ),
            (Some("new"), Some("1"))
        );
        assert_eq!(
            patch("*", r#"{"path": "x"}"#).await.status,
            StatusCode::BAD_REQUEST
        );
    });
}

#[test]
fn a_reader_reads_and_changes_are_audited() {
    each(|bench| async move {
        bench.make_data("iris", None, "1").await;
        bench.make_data("iris", Some("1"), "1").await;
        bench.act("data/iris/archive").await;
        let (_, token) = bench.test.user("reader", Some(("default", "Reader"))).await;
        let ask = async |method: &str, path: &str| {
            bench
                .send(
                    &token,
                    method,
                    &format!("default/{path}"),
                    &[],
                    Body::empty(),
                )
                .await
                .status
        };
        assert_eq!(
            ask("GET", "data/iris/versions/1/content").await,
            StatusCode::OK
        );
        assert_eq!(
            ask("POST", "data/iris/archive").await,
            StatusCode::FORBIDDEN
        );
        assert_eq!(
            ask("PUT", &format!("content/{}", "0".repeat(64))).await,
            StatusCode::FORBIDDEN
        );
        let filter = AuditFilter {
            action: Some("data/versions/write".into()),
            ..AuditFilter::default()
        };
        let records = bench
            .test
            .core
            .list_audit(&bench.test.admin, filter, PageRequest::default())
            .await
            .unwrap();
        let shown: Vec<_> = records
            .items
            .iter()
            .map(|r| format!("{} {}", r.target, r.outcome.as_str()))
            .collect();
        assert_eq!(
            shown,
            [" denied", "data/iris allowed", "data/iris:1 allowed"]
        );
    });
}

#[test]
fn references_resolve_and_outputs_remember_their_job() {
    each(|bench| async move {
        let tree = bench.upload(&[("out.csv", "1")]).await;
        let (core, admin) = (&bench.test.core, &bench.test.admin);
        let access = core
            .access(admin, "default", Action::DataWrite)
            .await
            .unwrap();
        let id = TreeId::parse(&tree).unwrap();
        let origin = Origin {
            job: Some("brave_fox".into()),
            output: Some("scores".into()),
        };
        let made = register_data_output(
            &access,
            "scores",
            None,
            DataType::UriFolder,
            &id,
            origin.clone(),
        )
        .await
        .unwrap();
        assert_eq!((made.asset.version.as_str(), made.created), ("1", true));
        let shown = bench.get("data/scores/versions/1").await.json();
        assert_eq!(
            (shown["job"].as_str(), shown["output"].as_str()),
            (Some("brave_fox"), Some("scores"))
        );
        for reference in ["azureml:scores:1", "azureml:scores@latest"] {
            let found = resolve_data(&access, reference).await.unwrap();
            assert_eq!(
                (found.reference().as_str(), found.tree().unwrap()),
                ("azureml:scores:1", &id)
            );
        }
        for (reference, code) in [
            ("azureml:scores:2", ErrorCode::NotFound),
            ("azureml:none@latest", ErrorCode::NotFound),
            ("azureml:scores@x", ErrorCode::NotFound),
            ("./scores", ErrorCode::InvalidArgument),
        ] {
            assert_eq!(
                resolve_data(&access, reference).await.unwrap_err().code,
                code,
                "{reference}"
            );
        }
    });
}
