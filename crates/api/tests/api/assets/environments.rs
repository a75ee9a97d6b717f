//! Environments and code.

use axum::http::StatusCode;
use serde_json::json;

use super::{each, lines};

#[test]
fn a_definition_is_kept_by_its_content() {
    each(|bench| async move {
        let conda = "dependencies:\n- python=3.11\n- pip:\n  - scikit-learn\n";
        let body = json!({"name": "train", "conda_file": conda, "image": null, "requirements": null, "os_type": "Linux", "tags": {"a": "b"}});
        let made = bench.call("POST", "environments", body.clone()).await;
        assert_eq!(made.status, StatusCode::CREATED);
        insta::assert_snapshot!(
            "environment_view",
            serde_json::to_string_pretty(&made.json())
                .unwrap()
                .replace(&bench.admin_id(), "<admin>")
        );
        let same = bench
            .call(
                "PUT",
                "environments/train/versions/1",
                json!({"conda_file": conda}),
            )
            .await;
        assert_eq!(same.status, StatusCode::OK);
        let mapping = json!({"conda_file": {"dependencies": ["pip"]}});
        assert_eq!(
            bench
                .call("PUT", "environments/train/versions/1", mapping.clone())
                .await
                .status,
            StatusCode::CONFLICT
        );
        let second = bench
            .call("PUT", "environments/train/versions/2", mapping)
            .await
            .json();
        assert_eq!(second["conda_file"], r#"{"dependencies":["pip"]}"#);
        assert_eq!(
            lines(
                &bench.get("environments").await.json(),
                &["name", "version"]
            ),
            ["train 2"]
        );
        let problems = [
            bench
                .call("POST", "environments", json!({"name": "x"}))
                .await
                .problem(),
            bench
                .call(
                    "POST",
                    "environments",
                    json!({"name": "x", "conda_file": "./conda.yml"}),
                )
                .await
                .problem(),
            bench
                .call(
                    "POST",
                    "environments",
                    json!({"name": "x", "image": "y", "os_type": "windows"}),
                )
                .await
                .problem(),
            bench
                .call(
                    "POST",
                    "environments",
                    json!({"name": "x", "build": {"path": "."}}),
                )
                .await
                .problem(),
        ];
        insta::assert_snapshot!("environment_refused", problems.join("\n"));
    });
}

#[test]
fn code_without_a_name_is_named_by_its_content() {
    each(|bench| async move {
        let tree = bench.upload(&[("train.py", "print(1)")]).await;
        let body = json!({"path": format!("tree:{tree}")});
        let made = bench.call("POST", "code", body.clone()).await;
        assert_eq!(made.status, StatusCode::CREATED);
        assert_eq!(
            (
                made.json()["name"].as_str(),
                made.json()["version"].as_str()
            ),
            (Some(tree.as_str()), Some("1"))
        );
        assert_eq!(
            bench.call("POST", "code", body).await.status,
            StatusCode::OK
        );
        let named = bench
            .call(
                "POST",
                "code",
                json!({"name": "src", "path": format!("tree:{tree}")}),
            )
            .await;
        assert_eq!(named.json()["tree"], json!(tree));
        assert_eq!(
            bench.get("code/src/labels/latest").await.json()["version"],
            "1"
        );
        let refused = bench
            .call("POST", "code", json!({"path": "https://example.org/x"}))
            .await;
        assert_eq!(
            refused.problem(),
            "400 invalid_argument [path] `https://example.org/x` is not a stored tree"
        );
    });
}
