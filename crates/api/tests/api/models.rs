//! Registered models in the native interface, on both back ends.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, JSON, each, lines, shown};

const MLMODEL: &str = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n";

impl Bench {
    /// Registers a version of one file with this content.
    async fn make_model(&self, name: &str, version: Option<&str>, content: &str) -> Answer {
        let tree = self.upload(&[("model.bin", content)]).await;
        let body = json!({"name": name, "version": version, "path": format!("tree:{tree}")});
        self.call("POST", "models", body).await
    }

    /// A run of MLflow's with a model's files among its artifacts.
    async fn run_with_model(&self) -> String {
        let token = Some(self.test.admin_token.as_str());
        let body = Body::from(json!({"start_time": 5}).to_string());
        let made = self
            .request(token, "POST", "/api/2.0/mlflow/runs/create", &[JSON], body)
            .await
            .ok();
        let id = made["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        for (file, content) in [("MLmodel", MLMODEL), ("model.pkl", "weights")] {
            let path = format!("/api/2.0/mlflow-artifacts/artifacts/0/{id}/artifacts/model/{file}");
            let put = self
                .request(token, "PUT", &path, &[], Body::from(content))
                .await;
            assert_eq!(put.status, StatusCode::OK, "{:?}", put.body);
        }
        id
    }

    async fn version_at(&self, path: &str) -> Value {
        self.get(path).await.ok()["version"].clone()
    }
}

#[test]
fn an_uploaded_folder_becomes_a_version() {
    each(|bench| async move {
        let tree = bench
            .upload(&[("MLmodel", MLMODEL), ("model.pkl", "weights")])
            .await;
        let body = json!({
            "name": "tumours", "path": format!("tree:{tree}"), "description": "a forest", "stage": "Staging",
            "tags": {"task": "classification"}, "properties": {"trees": "100"}, "flavors": {"sklearn": {}}
        });
        let made = bench.call("POST", "models", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
        insta::assert_snapshot!("model_view", shown(&made.json()));
        for path in ["versions/1", "versions/latest", "labels/latest"] {
            let same = bench.get(&format!("models/tumours/{path}")).await;
            assert_eq!(same.ok(), made.json(), "{path}");
            assert_eq!(same.header("etag"), made.header("etag"), "{path}");
        }
        assert_eq!(bench.get("models/tumours").await.ok(), made.json());
        insta::assert_snapshot!("model_list", shown(&bench.get("models").await.ok()));
    });
}

#[test]
fn a_runs_artifacts_become_a_version() {
    each(|bench| async move {
        let run_id = bench.run_with_model().await;
        let body = json!({"name": "tumours", "path": format!("runs:/{run_id}/model")});
        let made = bench.call("POST", "models", body).await.ok();
        assert_eq!(
            (&made["type"], &made["run_id"]),
            (&json!("mlflow_model"), &json!(run_id))
        );
        let tree = made["tree"].as_str().unwrap();
        let files = bench.get(&format!("trees/{tree}")).await.ok();
        let files = files["files"].as_array().unwrap();
        let paths: Vec<&str> = files.iter().filter_map(|f| f["path"].as_str()).collect();
        assert_eq!(paths, ["MLmodel", "model.pkl"]);
    });
}

#[test]
fn content_never_changes_and_numbers_go_on() {
    each(|bench| async move {
        let first = bench.make_model("m", Some("1"), "one").await;
        let again = bench.make_model("m", Some("1"), "one").await;
        assert_eq!(
            (first.status, again.status),
            (StatusCode::CREATED, StatusCode::OK)
        );
        assert_eq!(first.json(), again.json());
        let other = bench.make_model("m", Some("1"), "two").await;
        assert_eq!(other.status, StatusCode::CONFLICT);
        insta::assert_snapshot!("model_immutable", shown(&other.json()));
        assert_eq!(
            bench.make_model("m", None, "two").await.ok()["version"],
            "2"
        );
        let ten = bench.make_model("m", Some("10"), "ten").await;
        assert_eq!(ten.ok()["version"], "10");
        assert_eq!(
            bench.make_model("m", None, "more").await.ok()["version"],
            "11"
        );
        assert_eq!(bench.version_at("models/m").await, "11");
        let versions = bench.get("models/m/versions").await.ok();
        assert_eq!(lines(&versions, &["version"]), ["11", "10", "2", "1"]);
        let page = bench.get("models/m/versions?limit=3").await.ok();
        let next = page["next_page_token"].as_str().unwrap();
        let rest = bench
            .get(&format!("models/m/versions?limit=3&page_token={next}"))
            .await
            .ok();
        assert_eq!(lines(&rest, &["version"]), ["1"]);

        let gone = bench
            .call("DELETE", "models/m/versions/11", json!({}))
            .await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert_eq!(bench.version_at("models/m").await, "10");
        assert_eq!(
            bench.make_model("m", None, "new").await.ok()["version"],
            "12"
        );
    });
}

#[test]
fn aliases_point_and_are_taken_away() {
    each(|bench| async move {
        bench.make_model("m", None, "one").await.ok();
        bench.make_model("m", None, "two").await.ok();
        let champion = "models/m/labels/champion";
        for version in ["1", "2", "1"] {
            let set = bench
                .call("PUT", champion, json!({"version": version}))
                .await;
            assert_eq!(set.status, StatusCode::NO_CONTENT, "{:?}", set.body);
            assert_eq!(bench.version_at(champion).await, version);
        }
        let shown = bench.get("models/m/versions/1").await.ok();
        assert_eq!(shown["aliases"], json!(["champion"]));
        let mut problems = Vec::new();
        for (label, body) in [
            ("champion", json!({"version": "9"})),
            ("champion", json!({})),
            ("latest", json!({"version": "1"})),
            ("v1", json!({"version": "1"})),
            ("a%20b", json!({"version": "1"})),
        ] {
            let path = format!("models/m/labels/{label}");
            problems.push(bench.call("PUT", &path, body).await.problem());
        }
        assert_eq!(bench.version_at(champion).await, "1");
        let gone = bench.call("DELETE", champion, json!({})).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        problems.push(bench.get(champion).await.problem());
        insta::assert_snapshot!("alias_refused", problems.join("\n"));
    });
}

#[test]
fn what_is_said_of_a_version_changes_under_its_etag() {
    each(|bench| async move {
        let made = bench.make_model("m", None, "one").await;
        let etag = made.header("etag").to_owned();
        bench.test.clock.advance(std::time::Duration::from_secs(1));
        let path = "models/m/versions/1";
        let change = json!({"description": "better", "stage": "production", "tags": {"a": "b"}, "properties": {"c": "d"}});
        let changed = bench
            .call_with("PATCH", path, &[("if-match", &etag)], change)
            .await;
        insta::assert_snapshot!("model_changed", shown(&changed.ok()));
        assert_ne!(changed.header("etag"), etag);
        let stale = [("if-match", etag.as_str())];
        let late = bench
            .call_with("PATCH", path, &stale, json!({"description": "late"}))
            .await;
        let problems = [
            late.problem(),
            bench
                .call("PATCH", path, json!({"stage": "Gold"}))
                .await
                .problem(),
            bench
                .call("PATCH", path, json!({"path": "x"}))
                .await
                .problem(),
            bench
                .call("PATCH", path, json!({"tags": {"../k": ""}}))
                .await
                .problem(),
            bench
                .call("PATCH", "models/m/versions/7", json!({}))
                .await
                .problem(),
        ];
        insta::assert_snapshot!("model_change_refused", problems.join("\n"));
        assert_eq!(bench.get(path).await.ok(), changed.json());
        let cleared = bench.call("PATCH", path, json!({"tags": {}})).await.ok();
        assert_eq!(cleared["tags"], json!({}));
    });
}

#[test]
fn archived_is_hidden_and_still_works() {
    each(|bench| async move {
        for (name, content) in [("a", "1"), ("a", "2"), ("b", "1")] {
            bench.make_model(name, None, content).await.ok();
        }
        let act = async |path: &str| bench.call("POST", path, json!({})).await;
        let listed = async |query: &str| {
            let list = bench.get(&format!("models{query}")).await.ok();
            lines(&list, &["name", "latest_version"])
        };
        assert_eq!(
            act("models/a/versions/2/archive").await.ok()["archived"],
            true
        );
        assert_eq!(act("models/b/archive").await.ok()["archived"], true);
        assert_eq!(bench.version_at("models/a").await, "1");
        let versions = bench.get("models/a/versions").await.ok();
        assert_eq!(lines(&versions, &["version"]), ["1"]);
        assert_eq!(listed("").await, ["a 1"]);
        assert_eq!(listed("?include_archived=true").await.len(), 2);
        assert_eq!(bench.version_at("models/a/versions/2").await, "2");
        assert_eq!(
            act("models/a/versions/2/restore").await.ok()["archived"],
            false
        );
        assert_eq!(act("models/b/restore").await.ok()["archived"], false);
        assert_eq!(listed("").await, ["a 2", "b 1"]);
        let nothing = act("models/none/archive").await;
        assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn bad_input_is_named() {
    each(|bench| async move {
        let path = format!("tree:{}", bench.upload(&[("a", "1")]).await);
        let bodies = [
            json!({"path": path}),
            json!({"name": "a/b", "path": path}),
            json!({"name": "x", "version": "latest", "path": path}),
            json!({"name": "x", "path": path, "type": "onnx"}),
            json!({"name": "x", "path": path, "type": "mlflow_model"}),
            json!({"name": "x", "path": path, "stage": "Gold"}),
            json!({"name": "x", "path": path, "tags": {"k": 1}}),
            json!({"name": "x", "path": path, "colour": "blue"}),
            json!({"name": "x", "path": "./local"}),
            json!({"name": "x", "path": "runs:/gone/model"}),
            json!({"name": "x", "path": format!("tree:{}", "0".repeat(64))}),
            json!({"name": "x", "path": format!("{path}/../a")}),
            json!({"name": "x"}),
        ];
        let mut problems = Vec::new();
        for body in bodies {
            problems.push(bench.call("POST", "models", body).await.problem());
        }
        let body = json!({"name": "y", "path": path});
        let put = bench.call("PUT", "models/x/versions/1", body).await;
        problems.push(put.problem());
        problems.push(bench.get("models/x").await.problem());
        insta::assert_snapshot!("model_bad_input", problems.join("\n"));
        assert_eq!(bench.get("models").await.ok()["items"], json!([]));
    });
}
