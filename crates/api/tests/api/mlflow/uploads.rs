//! Files that come in parts, and addresses that need no token.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Mlflow, each};
use crate::bench::{Answer, JSON};

const HOST: (&str, &str) = ("host", "ml.example.org");
const BASE: &str = "http://ml.example.org";

impl Mlflow {
    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let token = Some(self.0.test.admin_token.as_str());
        let path = format!("/api/2.0/{path}");
        let body = Body::from(body.to_string());
        let answer = self.0.request(token, method, &path, &[JSON, HOST], body);
        let answer = answer.await;
        let read = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status.as_u16(), read)
    }

    /// As somebody who has nothing but the address.
    async fn by_address(&self, method: &str, url: &str, body: &[u8]) -> Answer {
        let path = url.strip_prefix(BASE).unwrap();
        let body = Body::from(body.to_vec());
        self.0.request(None, method, path, &[], body).await
    }

    async fn sent(&self, url: &Value, bytes: &[u8]) -> String {
        let answer = self.by_address("PUT", url.as_str().unwrap(), bytes).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        answer.header("etag").to_owned()
    }
}

#[test]
fn a_file_in_parts() {
    each(|bench| async move {
        let id = bench.run().await;
        let folder = format!("0/{id}/artifacts/some");
        let create = format!("mlflow-artifacts/mpu/create/{folder}");
        let begin = json!({ "path": "/tmp/big file.bin", "num_parts": 2 });
        let (status, begun) = bench.ask("POST", &create, begin).await;
        assert_eq!(status, 200, "{begun}");
        let parts = begun["credentials"].as_array().unwrap();
        assert_eq!(parts[1]["part_number"], 2);
        let two = bench.sent(&parts[1]["url"], b"world").await;
        let one = bench.sent(&parts[0]["url"], b"hello ").await;
        let list = format!("mlflow-artifacts/artifacts?path={folder}");
        assert_eq!(bench.ask("GET", &list, Value::Null).await, (200, json!({})));

        let done = json!({
            "path": "/tmp/big file.bin", "upload_id": begun["upload_id"],
            "parts": [{ "part_number": 1, "etag": one }, { "part_number": 2, "etag": two }],
        });
        let complete = format!("mlflow-artifacts/mpu/complete/{folder}");
        let mut less = done.clone();
        less["parts"].as_array_mut().unwrap().pop();
        let (status, refused) = bench.ask("POST", &complete, less).await;
        assert_eq!(
            (status, refused["message"].as_str()),
            (400, Some("part 2: it is missing from the completion"))
        );
        for _ in 0..2 {
            let done = bench.ask("POST", &complete, done.clone()).await;
            assert_eq!(done, (200, json!({})));
        }
        let (_, listed) = bench.ask("GET", &list, Value::Null).await;
        let expected = json!([{ "path": "big file.bin", "is_dir": false, "file_size": 11 }]);
        assert_eq!(listed["files"], expected);

        let (status, begun) = bench.ask("POST", &create, json!({ "path": "x" })).await;
        assert_eq!((status, &begun["credentials"]), (200, &json!([])));
        let abort = format!("mlflow-artifacts/mpu/abort/{folder}");
        let gone = json!({ "path": "x", "upload_id": begun["upload_id"] });
        for _ in 0..2 {
            let aborted = bench.ask("POST", &abort, gone.clone()).await;
            assert_eq!(aborted, (200, json!({})));
        }
        let mut late = gone.clone();
        late["parts"] = json!([]);
        assert_eq!(bench.ask("POST", &complete, late).await.0, 404);
        for (path, body, expected) in [
            (&create, json!({}), 400),
            (&create, json!({ "path": "..", "num_parts": 1 }), 400),
            (&create, json!({ "path": "x", "num_parts": -1 }), 400),
            (&create, json!({ "path": "x", "num_parts": 10_001 }), 400),
            (&create, json!({ "path": "x", "num_parts": "many" }), 400),
            (&create, json!({ "path": "a\u{0}b", "num_parts": 1 }), 400),
            (&abort, json!({ "path": "x", "upload_id": "../../x" }), 400),
            (&abort, json!({ "path": "x" }), 400),
            (&complete, gone, 400),
        ] {
            let (status, answer) = bench.ask("POST", path, body.clone()).await;
            assert_eq!(status, expected, "{path} {body}: {answer}");
        }
        let nowhere = "mlflow-artifacts/mpu/create/0/gone/artifacts";
        let begin = json!({ "path": "x", "num_parts": 1 });
        assert_eq!(bench.ask("POST", nowhere, begin).await.0, 404);
    });
}

#[test]
fn one_file_by_an_address_that_needs_no_token() {
    each(|bench| async move {
        let id = bench.run().await;
        let to_write = "mlflow/artifacts/presigned-upload-url";
        let to_read = "mlflow/artifacts/presigned-download-url";
        let asked = json!({ "run_id": id, "path": "a/b c.txt", "expiration": 60 });
        let (status, made) = bench.ask("POST", to_write, asked.clone()).await;
        assert_eq!((status, &made["headers"]), (200, &json!({})));
        bench.sent(&made["presigned_url"], b"hello").await;
        let (_, made) = bench.ask("POST", to_read, asked).await;
        assert_eq!(made["file_size"], 5);
        let url = made["presigned_url"].as_str().unwrap();
        assert_eq!(bench.by_address("GET", url, b"").await.body, "hello");
        let other = bench.by_address("PUT", url, b"other").await;
        assert_eq!(other.status, StatusCode::FORBIDDEN);
        let path = format!("mlflow-artifacts/presigned/0/{id}/artifacts/a/b%20c.txt");
        let (_, made) = bench.ask("GET", &path, Value::Null).await;
        assert_eq!(made["file_size"], 5);
        let url = made["url"].as_str().unwrap();
        assert_eq!(bench.by_address("GET", url, b"").await.body, "hello");

        let model = json!({ "experiment_id": "0", "name": "m" });
        let model = bench.post("logged-models", model).await;
        let model_id = &model["model"]["info"]["model_id"];
        let asked = json!({ "model_id": model_id, "path": "MLmodel" });
        let (_, made) = bench.ask("POST", to_write, asked).await;
        bench.sent(&made["presigned_url"], b"flavors: {}").await;
        for (path, body, expected) in [
            (to_write, json!({ "path": "x" }), 400),
            (
                to_write,
                json!({ "run_id": id, "model_id": model_id, "path": "x" }),
                400,
            ),
            (to_write, json!({ "run_id": id }), 400),
            (to_write, json!({ "run_id": id, "path": "../x" }), 400),
            (
                to_write,
                json!({ "run_id": id, "path": "x", "expiration": 0 }),
                400,
            ),
            (to_write, json!({ "run_id": "gone", "path": "x" }), 404),
            (to_read, json!({ "run_id": id, "path": "none" }), 404),
            (
                to_read,
                json!({ "run_id": id, "path": "a/b c.txt", "expiration": 604_801 }),
                400,
            ),
        ] {
            let (status, answer) = bench.ask("POST", path, body.clone()).await;
            assert_eq!(status, expected, "{path} {body}: {answer}");
        }
    });
}
