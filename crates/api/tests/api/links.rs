//! Signed links over HTTP: made with a token, opened without one.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, each};

impl Bench {
    async fn link(&self, body: Value) -> String {
        let made = self.call("POST", "links", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
        made.json()["url"].as_str().unwrap().to_owned()
    }

    /// As somebody who has nothing but the address.
    async fn open(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(None, "GET", url, headers, Body::empty()).await
    }
}

#[test]
fn a_link_needs_no_token() {
    each(|bench| async move {
        bench.make_data("iris", Some("1"), "a,b\n1,2\n").await;
        let url = bench.link(json!({"data": "iris", "version": "1"})).await;
        assert!(url.contains("/data/iris/1/file.csv?lz-expires="), "{url}");
        let file = bench.open(&url, &[]).await;
        assert_eq!(
            (file.status, &file.body[..]),
            (StatusCode::OK, b"a,b\n1,2\n".as_slice())
        );
        assert_eq!(
            file.header("content-disposition"),
            "attachment; filename=file.csv"
        );
        assert_eq!(file.header("cache-control"), "private, no-store");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        let etag = file.header("etag").to_owned();

        let part = bench.open(&url, &[("range", "bytes=4-")]).await;
        assert_eq!(
            (part.status, &part.body[..]),
            (StatusCode::PARTIAL_CONTENT, b"1,2\n".as_slice())
        );
        let older = [("range", "bytes=4-"), ("if-range", "\"other\"")];
        assert_eq!(bench.open(&url, &older).await.status, StatusCode::OK);
        let known = bench.open(&url, &[("if-none-match", &etag)]).await;
        assert_eq!(known.status, StatusCode::NOT_MODIFIED);
        let outside = bench.open(&url, &[("range", "bytes=100-")]).await;
        assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
        let head = bench.request(None, "HEAD", &url, &[], Body::empty()).await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (StatusCode::OK, "8")
        );
    });
}

#[test]
fn what_was_changed_or_has_expired_is_refused_in_words() {
    each(|bench| async move {
        for (name, text) in [("iris", "mine"), ("other", "not for all")] {
            bench.make_data(name, Some("1"), text).await;
        }
        let url = bench
            .link(json!({"data": "iris", "version": "latest", "expires_in_seconds": 60}))
            .await;
        let bare = url.split('?').next().unwrap();
        let later = url.replace("lz-expires=1", "lz-expires=3");
        let changed = [
            bench
                .open(&url.replace("/iris/", "/other/"), &[])
                .await
                .problem(),
            bench.open(&later, &[]).await.problem(),
            bench.open(bare, &[]).await.problem(),
            bench
                .open(&format!("{bare}?lz-signature=%"), &[])
                .await
                .problem(),
            bench
                .request(None, "DELETE", &url, &[], Body::empty())
                .await
                .problem(),
        ];
        bench.test.clock.advance(std::time::Duration::from_mins(1));
        let expired = bench.open(&url, &[]).await.problem();
        let shown = format!("{}\n{expired}", changed.join("\n"));
        let place = bare.to_owned();
        // the same on both back ends
        insta::allow_duplicates! {
        insta::assert_snapshot!(shown.replace(&place, "<path>"), @r#"
        403 permission_denied [-] the link's signature is not valid for this request
        403 permission_denied [-] the link's signature is not valid for this request
        401 unauthenticated [-] the link is not signed
        403 permission_denied [-] the link's signature is malformed
        405 method_not_allowed [-] `<path>` does not take DELETE
        403 permission_denied [-] the link has expired; ask for a new one
        "#);
        }
    });
}

#[test]
fn a_link_is_made_with_the_callers_rights() {
    each(|bench| async move {
        bench.make_data("iris", Some("1"), "a").await;
        let body = json!({"data": "iris", "version": "1"});
        let (_, stranger) = bench.test.user("stranger", None).await;
        let role = Some(("default", "AzureML Metrics Writer"));
        let (_, writer) = bench.test.user("writer", role).await;
        let path = "workspaces/default/links";
        let hidden = bench.as_user(&stranger, "POST", path, body.clone()).await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND);
        let denied = bench.as_user(&writer, "POST", path, body.clone()).await;
        assert_eq!(denied.status, StatusCode::FORBIDDEN);
        let problems = [
            bench.call("POST", "links", json!({})).await.problem(),
            bench
                .call("POST", "links", json!({"data": "iris"}))
                .await
                .problem(),
            bench
                .call(
                    "POST",
                    "links",
                    json!({"job": "none", "log": "user_logs/std_log.txt"}),
                )
                .await
                .problem(),
            bench
                .call("POST", "links", json!({"artifact": "../x"}))
                .await
                .problem(),
            bench
                .call(
                    "POST",
                    "links",
                    json!({"data": "iris", "version": "1", "expires_in_seconds": 604_801}),
                )
                .await
                .problem(),
        ];
        // the same on both back ends
        insta::allow_duplicates! {
        insta::assert_snapshot!(problems.join("\n"), @r#"
        400 invalid_argument [artifact] a link is for exactly one of `artifact`, `run`, `data` and `job`
        400 invalid_argument [version] `version` is missing
        404 not_found [-] there is no job `none`
        400 invalid_argument [path] Invalid path
        400 invalid_argument [expires_in_seconds] 604801 is not from 1 to 604800 (seven days)
        "#);
        }
    });
}
