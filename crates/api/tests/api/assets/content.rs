//! Content and trees.

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures::stream;
use lazuli_core::workspaces::WorkspaceChange;
use lazuli_spec::trees::ContentHash;
use serde_json::json;

use super::{each, tree};

#[test]
fn bytes_come_back_whole_and_in_part() {
    each(|bench| async move {
        let content = b"0123456789";
        let stored = bench.put_bytes(content).await;
        assert_eq!(stored.status, StatusCode::OK);
        assert_eq!(stored.json()["size"], 10);
        let path = format!("content/{}", ContentHash::of(content));
        let whole = bench.get(&path).await;
        assert_eq!(
            (whole.status, whole.body.as_ref()),
            (StatusCode::OK, content.as_slice())
        );
        assert_eq!(whole.header("content-length"), "10");
        assert_eq!(whole.header("x-content-type-options"), "nosniff");

        for (range, expected, shown) in [
            ("bytes=2-4", "234", "bytes 2-4/10"),
            ("bytes=7-", "789", "bytes 7-9/10"),
            ("bytes=-2", "89", "bytes 8-9/10"),
        ] {
            let part = bench.get_with(&path, &[("range", range)]).await;
            assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
            assert_eq!(
                (part.body, part.headers["content-range"].to_str().unwrap()),
                (Bytes::from(expected), shown)
            );
        }
        let outside = bench.get_with(&path, &[("range", "bytes=10-")]).await;
        assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
        let again = bench
            .get_with(&path, &[("if-none-match", whole.header("etag"))])
            .await;
        assert_eq!(
            (again.status, again.body.len()),
            (StatusCode::NOT_MODIFIED, 0)
        );
    });
}

#[test]
fn what_is_not_as_announced_leaves_nothing() {
    each(|bench| async move {
        let hash = ContentHash::of(b"announced");
        let path = format!("default/content/{hash}");
        let token = &bench.test.admin_token;
        let put = async |body: Body| bench.send(token, "PUT", &path, &[], body).await;
        let broken = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "closed");
        let cut_off = stream::iter([Ok(Bytes::from("annou")), Err(broken)]);
        let mut problems = vec![
            put(Body::from("something else")).await.problem(),
            put(Body::from_stream(cut_off)).await.problem(),
            put(Body::from(vec![0; 1_000_001])).await.problem(),
            bench
                .send(token, "PUT", "default/content/ABC", &[], Body::empty())
                .await
                .problem(),
        ];
        problems.push(bench.get(&format!("content/{hash}")).await.problem());
        insta::assert_snapshot!("content_refused", problems.join("\n"));
        let missing = bench
            .call("POST", "content/missing", json!({"sha256s": [hash, hash]}))
            .await;
        assert_eq!(missing.json(), json!({"sha256s": [hash]}));
    });
}

#[test]
fn only_what_is_missing_is_asked_for() {
    each(|bench| async move {
        bench.put_bytes(b"one").await;
        let (one, two) = (ContentHash::of(b"one"), ContentHash::of(b"two"));
        let missing = bench
            .call("POST", "content/missing", json!({"sha256s": [one, two]}))
            .await;
        assert_eq!(missing.json(), json!({"sha256s": [two]}));
        let wrong = bench
            .call("POST", "content/missing", json!({"sha256s": ["../etc"]}))
            .await;
        assert_eq!(
            wrong.problem(),
            "400 invalid_argument [sha256s] `../etc` is not a SHA-256 in 64 lower-case hexadecimal digits"
        );
    });
}

#[test]
fn a_tree_needs_its_content_its_sizes_and_its_name() {
    each(|bench| async move {
        let good = tree(&[("a/one.csv", "1"), ("two.csv", "22")]);
        let path = format!("trees/{}", good.id());
        let document = serde_json::to_value(&good).unwrap();
        let mut problems = vec![bench.call("PUT", &path, document.clone()).await.problem()];
        bench.put_bytes(b"1").await;
        bench.put_bytes(b"22").await;
        problems.push(
            bench
                .call(
                    "PUT",
                    &format!("trees/{}", ContentHash::of(b"")),
                    document.clone(),
                )
                .await
                .problem(),
        );
        problems.push(bench.get(&path).await.problem());
        for (hostile, sha256, size) in [
            ("../x", "1", 1),
            ("/etc/passwd", "1", 1),
            ("a\\b", "1", 1),
            ("x", "1", 2),
        ] {
            let files = json!({"files": [{"path": hostile, "size": size, "sha256": ContentHash::of(sha256.as_bytes())}]});
            let text = format!(
                "lazuli-tree 1\n{} {size} {hostile}\n",
                ContentHash::of(sha256.as_bytes())
            );
            let path = format!("trees/{}", ContentHash::of(text.as_bytes()));
            problems.push(bench.call("PUT", &path, files).await.problem());
        }
        problems.push(
            bench
                .call("PUT", &path, json!({"files": [], "extra": 1}))
                .await
                .problem(),
        );
        insta::assert_snapshot!("tree_refused", problems.join("\n"));

        assert_eq!(
            bench.call("PUT", &path, document.clone()).await.status,
            StatusCode::OK
        );
        assert_eq!(
            bench.call("PUT", &path, document.clone()).await.status,
            StatusCode::OK
        );
        assert_eq!(bench.get(&path).await.json(), document);
    });
}

#[test]
fn content_does_not_cross_workspaces() {
    each(|bench| async move {
        let tree = bench.upload(&[("secret.csv", "secret")]).await;
        let made = bench
            .test
            .core
            .create_workspace(&bench.test.admin, "other", WorkspaceChange::default())
            .await;
        made.unwrap();
        let (_, token) = bench
            .test
            .user("outsider", Some(("other", "Contributor")))
            .await;
        let hash = ContentHash::of(b"secret");
        let json = [("content-type", "application/json")];
        let ask = async |method: &str, path: String, body: String| {
            bench
                .send(&token, method, &path, &json, Body::from(body))
                .await
        };

        assert_eq!(
            ask("GET", format!("other/content/{hash}"), String::new())
                .await
                .status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            ask("GET", format!("other/trees/{tree}"), String::new())
                .await
                .status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            ask("GET", format!("default/content/{hash}"), String::new())
                .await
                .status,
            StatusCode::NOT_FOUND
        );
        let missing = ask(
            "POST",
            "other/content/missing".into(),
            json!({"sha256s": [hash]}).to_string(),
        )
        .await;
        assert_eq!(
            missing.json(),
            json!({"sha256s": [hash]}),
            "what others have is not told"
        );
        let document = serde_json::to_value(super::tree(&[("secret.csv", "secret")])).unwrap();
        let stolen = ask("PUT", format!("other/trees/{tree}"), document.to_string()).await;
        assert_eq!(stolen.status, StatusCode::CONFLICT);
        let stolen = ask(
            "POST",
            "other/data".into(),
            json!({"name": "mine", "path": format!("tree:{tree}")}).to_string(),
        )
        .await;
        assert_eq!(stolen.status, StatusCode::NOT_FOUND);
        let honest = ask("PUT", format!("other/content/{hash}"), "secret".into()).await;
        assert_eq!(
            honest.status,
            StatusCode::OK,
            "who has the bytes may store them"
        );
    });
}
