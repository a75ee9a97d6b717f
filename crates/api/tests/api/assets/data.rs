//! Data assets.

use axum::http::StatusCode;
use serde_json::json;

use super::{each, lines};

#[test]
fn a_folder_is_registered_shown_listed_and_downloaded() {
    each(|bench| async move {
        let tree = bench
            .upload(&[("train/a.csv", "a,b\n1,2\n"), ("readme.txt", "hello")])
            .await;
        let body = json!({
            "name": "cancer", "type": "uri_folder", "path": format!("tree:{tree}"),
            "description": "Wisconsin breast cancer", "tags": {"task": "classification"}, "properties": {"rows": "569"}
        });
        let made = bench.call("POST", "data", body.clone()).await;
        assert_eq!(made.status, StatusCode::CREATED);
        insta::assert_snapshot!(
            "data_view",
            serde_json::to_string_pretty(&made.json())
                .unwrap()
                .replace(&bench.admin_id(), "<admin>")
        );
        let shown = bench.get("data/cancer/versions/1").await;
        assert_eq!(shown.json(), made.json());
        assert_eq!(
            bench.get("data/cancer/labels/latest").await.json(),
            made.json()
        );
        assert_eq!(
            bench.get("data/cancer/versions/latest").await.json(),
            made.json()
        );

        let files = bench.get("data/cancer/versions/1/files").await.json();
        assert_eq!(files["files"][1]["path"], "train/a.csv");
        let file = bench
            .get("data/cancer/versions/1/content?path=train/a.csv")
            .await;
        assert_eq!(file.body, "a,b\n1,2\n");
        assert_eq!(
            file.header("content-disposition"),
            "attachment; filename=a.csv"
        );
        let part = bench
            .get_with(
                "data/cancer/versions/1/content?path=train/a.csv",
                &[("range", "bytes=-4")],
            )
            .await;
        assert_eq!(
            (part.status, part.body.as_ref()),
            (StatusCode::PARTIAL_CONTENT, b"1,2\n".as_slice())
        );
        let problems = [
            bench.get("data/cancer/versions/1/content").await.problem(),
            bench
                .get("data/cancer/versions/1/content?path=../../etc/passwd")
                .await
                .problem(),
            bench.get("data/cancer/versions/7").await.problem(),
            bench.get("data/nothing/versions/1").await.problem(),
            bench.get("data/cancer/labels/champion").await.problem(),
        ];
        insta::assert_snapshot!("data_not_found", problems.join("\n"));
    });
}

#[test]
fn one_file_needs_no_path_and_a_part_of_a_tree_is_a_tree() {
    each(|bench| async move {
        let made = bench.make_data("iris", None, "x\n").await;
        assert_eq!(made.json()["type"], "uri_file");
        assert_eq!(bench.get("data/iris/versions/1/content").await.body, "x\n");
        let tree = bench
            .upload(&[("a/one.csv", "1"), ("a/two.csv", "2"), ("b.csv", "3")])
            .await;
        let part = bench
            .call(
                "POST",
                "data",
                json!({"name": "part", "path": format!("tree:{tree}/a")}),
            )
            .await;
        assert_eq!(
            (part.json()["type"].clone(), part.json()["files"].clone()),
            (json!("uri_folder"), json!(2))
        );
        let files = bench.get("data/part/versions/1/files").await.json();
        assert_eq!(files["files"][0]["path"], "one.csv");
    });
}

#[test]
fn content_never_changes_and_the_same_again_is_no_mistake() {
    each(|bench| async move {
        let first = bench.make_data("iris", Some("1"), "one").await;
        let again = bench.make_data("iris", Some("1"), "one").await;
        assert_eq!(
            (first.status, again.status),
            (StatusCode::CREATED, StatusCode::OK)
        );
        assert_eq!(first.json(), again.json());
        let other = bench.make_data("iris", Some("1"), "two").await;
        insta::assert_snapshot!(
            "data_immutable",
            serde_json::to_string_pretty(&other.json()).unwrap()
        );
        assert_eq!(other.status, StatusCode::CONFLICT);
        assert_eq!(
            bench.make_data("iris", None, "two").await.json()["version"],
            "2"
        );
        assert_eq!(
            bench.make_data("iris", Some("10"), "ten").await.json()["version"],
            "10"
        );
        assert_eq!(
            bench.make_data("iris", None, "more").await.json()["version"],
            "11"
        );
        assert_eq!(
            bench.make_data("iris", Some("v1.0"), "named").await.json()["version"],
            "v1.0"
        );
        assert_eq!(
            bench.get("data/iris/labels/latest").await.json()["version"],
            "v1.0"
        );
        let versions = bench.get("data/iris/versions").await.json();
        assert_eq!(
            lines(&versions, &["version"]),
            ["v1.0", "11", "10", "2", "1"]
        );
    });
}

#[test]
fn an_address_is_kept_and_not_fetched() {
    each(|bench| async move {
        let body = json!({"type": "uri_file", "path": "https://example.org/iris.csv"});
        let made = bench.call("PUT", "data/far/versions/3", body.clone()).await;
        assert_eq!(made.status, StatusCode::CREATED);
        assert_eq!(made.json()["path"], "https://example.org/iris.csv");
        assert_eq!(
            bench.call("PUT", "data/far/versions/3", body).await.status,
            StatusCode::OK
        );
        let content = bench.get("data/far/versions/3/content").await;
        assert_eq!(
            content.problem(),
            "501 unsupported [-] the data asset `far:3` is not stored here: it names `https://example.org/iris.csv`"
        );
    });
}

#[test]
fn bad_input_is_named() {
    each(|bench| async move {
        let tree = bench.upload(&[("a", "1"), ("b", "2")]).await;
        let path = format!("tree:{tree}");
        let bodies = [
            json!({"name": "a/b", "path": path}),
            json!({"path": path}),
            json!({"name": "x", "version": "latest", "path": path}),
            json!({"name": "x", "type": "uri_file", "path": path}),
            json!({"name": "x", "type": "mltable", "path": path}),
            json!({"name": "x", "path": "./local.csv"}),
            json!({"name": "x", "path": "file:///etc/passwd"}),
            json!({"name": "x", "path": format!("tree:{}", "0".repeat(64))}),
            json!({"name": "x", "path": format!("tree:{tree}/nowhere")}),
            json!({"name": "x", "path": format!("tree:{tree}/../x")}),
            json!({"name": "x", "path": path, "tags": {"": "x"}}),
            json!({"name": "x", "path": path, "tags": {"k": 1}}),
            json!({"name": "x", "path": path, "colour": "blue"}),
            json!([1]),
        ];
        let mut problems = Vec::new();
        for body in bodies {
            problems.push(bench.call("POST", "data", body).await.problem());
        }
        problems.push(
            bench
                .call(
                    "PUT",
                    "data/x/versions/1",
                    json!({"name": "y", "path": path}),
                )
                .await
                .problem(),
        );
        insta::assert_snapshot!("data_bad_input", problems.join("\n"));
        assert_eq!(bench.get("data?view=all").await.json()["items"], json!([]));
    });
}
