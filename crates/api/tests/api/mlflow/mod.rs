//! MLflow's endpoints: shapes, words and limits that its clients rely on.

mod absent;
mod artifacts;
mod experiments;
mod metrics;
mod refusals;
mod runs;
mod uploads;

use std::future::Future;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bench::{self, Bench, JSON};

/// Runs a test on both back ends, each time on a fresh server.
fn each<F: Future<Output = ()>>(body: impl Fn(Mlflow) -> F) {
    bench::each(|server| body(Mlflow(server)));
}

/// A client of MLflow's, with the administrator's token.
struct Mlflow(Bench);

impl Mlflow {
    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        let token = Some(self.0.test.admin_token.as_str());
        let answer = self
            .0
            .request(token, method.as_str(), path, &[JSON], Body::from(body))
            .await;
        (answer.status, answer.body.to_vec())
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let path = format!("/api/2.0/mlflow/{path}");
        let (status, bytes) = self
            .send(method, &path, body.to_string().into_bytes())
            .await;
        let answer = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        (status, answer)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call(Method::GET, path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    async fn refused(&self, path: &str, body: Value) -> (u16, String, String) {
        let (status, answer) = self.call(Method::POST, path, body).await;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        (status.as_u16(), text("error_code"), text("message"))
    }

    async fn run(&self) -> String {
        let made = self.post("runs/create", json!({ "start_time": 5 })).await;
        made["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }
}
