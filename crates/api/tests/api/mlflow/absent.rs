//! What is absent answers in words, to those who may ask.

use axum::http::{Method, StatusCode};

use super::{each, json};

#[test]
fn what_is_absent_is_told_with_what_to_do_instead() {
    each(|mlflow| async move {
        for (method, path, words) in [
            (
                Method::POST,
                "/api/3.0/mlflow/issues/invoke",
                "in a job of your own",
            ),
            (
                Method::GET,
                "/api/3.0/mlflow/gateway/budgets/list",
                "passes no calls on to model providers",
            ),
            (
                Method::POST,
                "/gateway/openai/v1/chat/completions",
                "passes no calls on to model providers",
            ),
            (
                Method::POST,
                "/ajax-api/3.0/mlflow/scorer/invoke",
                "mlflow.genai.evaluate",
            ),
            (Method::POST, "/ajax-api/3.0/jobs/", "lazuli job create"),
        ] {
            let body = json!({}).to_string().into_bytes();
            let (status, answer) = mlflow.send(method, path, body).await;
            assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{path}");
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["error_code"], "NOT_IMPLEMENTED", "{path}");
            assert!(
                answer["message"].as_str().unwrap().contains(words),
                "{answer}"
            );
        }
    });
}
