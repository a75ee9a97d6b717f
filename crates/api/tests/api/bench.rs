//! The server without its sockets, and what its answers say.

use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use lazuli_api::routing::RouteTable;
use lazuli_api::{AppState, Limits, surface};
use lazuli_core::testing::TestCore;
use lazuli_store::testing::each_backend;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// The server without its sockets.
pub(crate) struct Bench {
    pub(crate) test: TestCore,
    pub(crate) table: RouteTable,
    router: Router,
}

/// Runs a test on both back ends, each time on a fresh server.
pub(crate) fn each<F: Future<Output = ()>>(body: impl Fn(Bench) -> F) {
    each_backend(|store| async {
        body(Bench::over(TestCore::over(store).await)).await;
    });
}

impl Bench {
    /// On SQLite.
    pub(crate) async fn start() -> Self {
        Self::over(TestCore::start().await)
    }

    fn over(test: TestCore) -> Self {
        let limits = Limits {
            upload: 1_000_000,
            ..Limits::default()
        };
        let surface = surface(AppState {
            core: test.core.clone(),
            limits,
        });
        Self {
            test,
            table: surface.table,
            router: surface.router,
        }
    }

    /// A request to any path, with or without somebody's token.
    pub(crate) async fn request(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            headers,
            body,
        }
    }

    /// JSON to a path below `/api/v1`, as the administrator; null is no body.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        self.as_user(&self.test.admin_token, method, path, body)
            .await
    }

    /// The same with another token.
    pub(crate) async fn as_user(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        let path = format!("/api/v1/{path}");
        let (headers, body) = match body {
            Value::Null => (Vec::new(), Body::empty()),
            body => (vec![JSON], Body::from(body.to_string())),
        };
        self.request(Some(token), method, &path, &headers, body)
            .await
    }

    /// Something of a workspace, with somebody's token.
    pub(crate) async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let path = format!("/api/v1/workspaces/{path}");
        self.request(Some(token), method, &path, headers, body)
            .await
    }

    /// JSON to the default workspace, as the administrator.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_with(method, path, &[], body).await
    }

    /// The same with more headers.
    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let (path, headers) = (format!("default/{path}"), [headers, &[JSON]].concat());
        let body = Body::from(body.to_string());
        self.send(&self.test.admin_token, method, &path, &headers, body)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let path = format!("default/{path}");
        self.send(&self.test.admin_token, "GET", &path, headers, Body::empty())
            .await
    }

    pub(crate) fn admin_id(&self) -> String {
        self.test.admin.principal_id().to_owned()
    }
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    /// The JSON of a request that went well.
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{:?}", self.body);
        self.json()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The status, code and words of an error, one in a line.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        let kind = self.header("content-type");
        assert_eq!(kind, "application/problem+json", "{json}");
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

/// Some fields of each item of a list, in a line each.
pub(crate) fn lines(list: &Value, fields: &[&str]) -> Vec<String> {
    let item = |item: &Value| {
        let values = fields
            .iter()
            .map(|field| item[*field].as_str().unwrap_or("-").to_owned());
        values.collect::<Vec<_>>().join(" ")
    };
    list["items"].as_array().unwrap().iter().map(item).collect()
}

/// JSON for a snapshot.
pub(crate) fn shown(json: &Value) -> String {
    settled(&serde_json::to_string_pretty(json).unwrap())
}

/// A text for a snapshot: ids, hashes and tokens are replaced, for they depend on how many were drawn before.
pub(crate) fn settled(text: &str) -> String {
    let mut settled = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || "_-".contains(c) {
            word.push(c);
            continue;
        }
        settled.push_str(settled_word(&word));
        word.clear();
        settled.push(c);
    }
    settled.trim_end().to_owned()
}

fn settled_word(word: &str) -> &str {
    let hex = word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    match word.len() {
        _ if word.starts_with("lzt_") => "<token>",
        12 | 32 | 36 if hex => "<id>",
        64 if hex => "<hash>",
        _ => word,
    }
}
