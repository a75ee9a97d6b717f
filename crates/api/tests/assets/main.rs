//! Data, environments, code and their content, over the router, on both back ends.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod archive;
mod content;
mod data;
mod environments;

use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use lazuli_api::{AppState, Limits, surface};
use lazuli_core::testing::TestCore;
use lazuli_spec::trees::{ContentHash, Tree, TreeEntry};
use lazuli_store::testing::each_backend;
use serde_json::{Value, json};
use tower::ServiceExt;

/// The server without its sockets.
struct Bench {
    test: TestCore,
    router: Router,
}

/// An answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The status, code and words of an error, one in a line.
    fn problem(&self) -> String {
        let json = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json");
        let text = |field: &str| json[field].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} [{}] {}",
            self.status.as_u16(),
            text("code"),
            text("field"),
            text("detail")
        )
    }
}

/// Runs a test on both back ends, each time on a fresh server.
fn each<F: Future<Output = ()>>(body: impl Fn(Bench) -> F) {
    each_backend(|store| async {
        let test = TestCore::over(store).await;
        let limits = Limits {
            upload: 1_000_000,
            ..Limits::default()
        };
        let state = AppState {
            core: test.core.clone(),
            limits,
        };
        let router = surface(state).router;
        body(Bench { test, router }).await;
    });
}

impl Bench {
    async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/workspaces/{path}"))
            .header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .router
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            headers,
            body,
        }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let path = format!("default/{path}");
        let json = [("content-type", "application/json")];
        self.send(
            &self.test.admin_token,
            method,
            &path,
            &json,
            Body::from(body.to_string()),
        )
        .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let path = format!("default/{path}");
        self.send(&self.test.admin_token, "GET", &path, headers, Body::empty())
            .await
    }

    async fn put_bytes(&self, content: &[u8]) -> Answer {
        let path = format!("default/content/{}", ContentHash::of(content));
        let body = Body::from(content.to_vec());
        self.send(&self.test.admin_token, "PUT", &path, &[], body)
            .await
    }

    /// Uploads a folder as a client does, and returns its tree's id.
    async fn upload(&self, files: &[(&str, &str)]) -> String {
        for (_, content) in files {
            assert_eq!(
                self.put_bytes(content.as_bytes()).await.status,
                StatusCode::OK
            );
        }
        let tree = tree(files);
        let path = format!("trees/{}", tree.id());
        let answer = self
            .call("PUT", &path, serde_json::to_value(&tree).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        tree.id().to_string()
    }

    /// Makes a version of a data asset of one file with this content.
    async fn make_data(&self, name: &str, version: Option<&str>, content: &str) -> Answer {
        let tree = self.upload(&[("file.csv", content)]).await;
        let body =
            json!({"name": name, "version": version, "path": format!("tree:{tree}/file.csv")});
        self.call("POST", "data", body).await
    }
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let entry = |(path, content): &(&str, &str)| TreeEntry {
        path: (*path).into(),
        size: content.len() as u64,
        sha256: ContentHash::of(content.as_bytes()),
    };
    Tree::new(files.iter().map(entry).collect()).unwrap()
}

/// Some fields of each item of a list, in a line each.
fn lines(list: &Value, fields: &[&str]) -> Vec<String> {
    let item = |item: &Value| {
        let values = fields
            .iter()
            .map(|field| item[*field].as_str().unwrap_or("-").to_owned());
        values.collect::<Vec<_>>().join(" ")
    };
    list["items"].as_array().unwrap().iter().map(item).collect()
}
