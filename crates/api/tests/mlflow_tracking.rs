//! MLflow's tracking endpoints through the router: shapes, words and limits that its clients rely on.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use lazuli_api::{AppState, Limits, surface};
use lazuli_core::testing::TestCore;
use lazuli_store::testing::run;
use serde_json::{Value, json};
use tower::ServiceExt;

struct Bench {
    test: TestCore,
    router: Router,
}

impl Bench {
    async fn start() -> Self {
        let test = TestCore::start().await;
        let state = AppState {
            core: test.core.clone(),
            limits: Limits::default(),
        };
        Self {
            router: surface(state).router,
            test,
        }
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.test.admin_token))
            .body(Body::from(body))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 64 << 20)
            .await
            .unwrap();
        (status, bytes.to_vec())
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let (status, bytes) = self
            .send(
                method,
                &format!("/api/2.0/mlflow/{path}"),
                body.to_string().into_bytes(),
            )
            .await;
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
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

#[test]
fn a_run_from_start_to_end() {
    run(async {
        let bench = Bench::start().await;
        let made = bench
            .post(
                "runs/create",
                json!({ "start_time": "7", "user_id": "ada", "run_name": "first" }),
            )
            .await;
        let info = &made["run"]["info"];
        let id = info["run_id"].as_str().unwrap();
        assert_eq!(info["run_uuid"], info["run_id"]);
        assert_eq!(
            info["artifact_uri"],
            json!(format!("mlflow-artifacts:/0/{id}/artifacts"))
        );
        assert_eq!(
            made["run"]["data"]["tags"],
            json!([{ "key": "mlflow.runName", "value": "first" }])
        );
        bench
            .post(
                "runs/log-parameter",
                json!({ "run_uuid": id, "key": "lr", "value": "0.1" }),
            )
            .await;
        bench
            .post(
                "runs/log-metric",
                json!({ "run_id": id, "key": "loss", "value": 0.25, "timestamp": 10, "step": 1 }),
            )
            .await;
        bench
            .post(
                "runs/log-metric",
                json!({ "run_id": id, "key": "odd", "value": "NaN", "timestamp": "11" }),
            )
            .await;
        bench
            .post(
                "runs/set-tag",
                json!({ "run_id": id, "key": "mlflow.runName", "value": "renamed" }),
            )
            .await;
        let updated = bench
            .post(
                "runs/update",
                json!({ "run_id": id, "status": "FINISHED", "end_time": 99 }),
            )
            .await;
        assert_eq!(updated["run_info"]["status"], "FINISHED");
        let run = bench.get(&format!("runs/get?run_id={id}")).await;
        let mut shown = run["run"].clone();
        for field in ["run_id", "run_uuid", "artifact_uri"] {
            assert!(shown["info"][field].as_str().unwrap().contains(id));
            shown["info"].as_object_mut().unwrap().remove(field);
        }
        let expected = json!({
            "info": {
                "experiment_id": "0", "run_name": "renamed", "user_id": "ada", "status": "FINISHED",
                "start_time": 7, "end_time": 99, "lifecycle_stage": "active"
            },
            "data": {
                "metrics": [
                    { "key": "loss", "value": 0.25, "timestamp": 10, "step": 1 },
                    { "key": "odd", "value": "NaN", "timestamp": 11, "step": 0 }
                ],
                "params": [{ "key": "lr", "value": "0.1" }],
                "tags": [{ "key": "mlflow.runName", "value": "renamed" }]
            },
            "inputs": {}
        });
        assert_eq!(shown, expected);
    });
}

#[test]
fn mistakes_are_told_in_the_clients_words() {
    run(async {
        let bench = Bench::start().await;
        let id = bench.run().await;
        bench
            .post(
                "runs/log-parameter",
                json!({ "run_id": id, "key": "p", "value": "1" }),
            )
            .await;
        let bad = "INVALID_PARAMETER_VALUE";
        for (path, body, status, code, part) in [
            (
                "runs/log-metric",
                json!({ "run_id": id, "key": "m", "timestamp": 1 }),
                400,
                bad,
                "Missing value for required parameter 'value'",
            ),
            (
                "runs/log-metric",
                json!({ "run_id": 5, "key": "m", "value": 1, "timestamp": 1 }),
                400,
                bad,
                "Value was of type 'int'",
            ),
            (
                "runs/log-metric",
                json!({ "run_id": id, "key": "../m", "value": 1, "timestamp": 1 }),
                400,
                bad,
                "would resolve to",
            ),
            (
                "runs/log-metric",
                json!({ "run_id": "gone", "key": "m", "value": 1, "timestamp": 1 }),
                404,
                "RESOURCE_DOES_NOT_EXIST",
                "Run with id=gone not found",
            ),
            (
                "runs/log-parameter",
                json!({ "run_id": id, "key": "p", "value": "2" }),
                400,
                bad,
                "Param with key='p' was already logged with value='1'",
            ),
            (
                "runs/log-batch",
                json!({ "run_id": id, "metrics": [{ "key": "m", "value": 1 }] }),
                400,
                bad,
                "'metrics[0].timestamp'",
            ),
            (
                "runs/log-batch",
                json!({ "run_id": id, "params": [{ "key": "p", "value": "2" }], "tags": [{ "key": "t", "value": "x" }] }),
                400,
                bad,
                "Changing param values",
            ),
            (
                "runs/delete-tag",
                json!({ "run_id": id, "key": "none" }),
                404,
                "RESOURCE_DOES_NOT_EXIST",
                "No tag with name: none",
            ),
            (
                "runs/create",
                json!({ "experiment_id": "77" }),
                404,
                "RESOURCE_DOES_NOT_EXIST",
                "No Experiment with id=77 exists",
            ),
            (
                "runs/create",
                json!({ "experiment_id": "x" }),
                400,
                bad,
                "must be a valid integer",
            ),
            (
                "runs/create",
                json!({ "run_name": "a", "tags": [{ "key": "mlflow.runName", "value": "b" }] }),
                400,
                bad,
                "different values",
            ),
            (
                "runs/update",
                json!({ "run_id": id, "status": "DONE" }),
                400,
                bad,
                "RUNNING, SCHEDULED",
            ),
            (
                "runs/search",
                json!({ "experiment_ids": ["0"], "filter": "metrics.a > 1 OR metrics.b > 1" }),
                400,
                bad,
                "Invalid clause(s) in filter string: 'OR'",
            ),
            (
                "runs/search",
                json!({ "experiment_ids": ["0"], "max_results": 50001 }),
                400,
                bad,
                "at most 50000",
            ),
            (
                "runs/search",
                json!({ "experiment_ids": ["0"], "page_token": "zzz" }),
                400,
                bad,
                "Invalid page token",
            ),
            (
                "experiments/create",
                json!({ "name": "" }),
                400,
                bad,
                "Missing value for required parameter 'name'",
            ),
            (
                "experiments/create",
                json!({ "name": "Default" }),
                400,
                "RESOURCE_ALREADY_EXISTS",
                "Experiment(name=Default) already exists",
            ),
            (
                "experiments/create",
                json!({ "name": "x", "artifact_location": "s3://b/../c" }),
                400,
                bad,
                "may not contain '..'",
            ),
            (
                "experiments/search",
                json!({ "max_results": 0 }),
                400,
                bad,
                "max_results",
            ),
        ] {
            let (got, error_code, message) = bench.refused(path, body.clone()).await;
            assert_eq!(
                (got, error_code.as_str()),
                (status, code),
                "{path} {body}: {message}"
            );
            assert!(message.contains(part), "{path} {body}: {message}");
        }
        let run = bench.get(&format!("runs/get?run_id={id}")).await;
        assert_eq!(
            run["run"]["data"]["params"],
            json!([{ "key": "p", "value": "1" }])
        );
        assert_eq!(
            run["run"]["data"].get("metrics"),
            None,
            "a refused batch leaves nothing"
        );
    });
}

#[test]
fn searches_page_through_everything_once() {
    run(async {
        let bench = Bench::start().await;
        for number in 0..7 {
            let id = bench.run().await;
            let metric = json!({ "key": "acc", "value": f64::from(number % 4) / 3.0, "timestamp": 1, "step": 0 });
            bench.post("runs/log-batch", json!({ "run_id": id, "metrics": [metric], "params": [{ "key": "n", "value": number.to_string() }] })).await;
        }
        let mut seen = Vec::new();
        let mut token = Value::Null;
        loop {
            let ask = json!({ "experiment_ids": ["0"], "order_by": ["metrics.acc DESC"], "max_results": 2, "page_token": token });
            let page = bench.post("runs/search", ask).await;
            for run in page["runs"].as_array().unwrap() {
                seen.push(
                    run["data"]["params"][0]["value"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                );
            }
            token = page["next_page_token"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(seen[0], "3");
        seen.sort();
        assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(
            bench
                .post(
                    "runs/search",
                    json!({ "experiment_ids": ["0"], "filter": "params.n = '99'" })
                )
                .await,
            json!({})
        );
        assert_eq!(
            bench
                .post("runs/search", json!({ "experiment_ids": [] }))
                .await,
            json!({})
        );
    });
}

#[test]
fn histories_come_whole_and_in_pages() {
    run(async {
        let bench = Bench::start().await;
        let id = bench.run().await;
        for start in (0..51_000_i64).step_by(1_000) {
            let metrics: Vec<Value> = (start..start + 1_000)
                .map(|i| json!({ "key": "m", "value": i, "timestamp": i, "step": i }))
                .collect();
            bench
                .post(
                    "runs/log-batch",
                    json!({ "run_id": id, "metrics": metrics }),
                )
                .await;
        }
        let whole = bench
            .get(&format!("metrics/get-history?run_id={id}&metric_key=m"))
            .await;
        assert_eq!(whole["metrics"].as_array().unwrap().len(), 51_000);
        let page = bench
            .get(&format!(
                "metrics/get-history?run_id={id}&metric_key=m&max_results=3"
            ))
            .await;
        assert_eq!(
            page["metrics"][2],
            json!({ "key": "m", "value": 2.0, "timestamp": 2, "step": 2 })
        );
        let token = page["next_page_token"].as_str().unwrap();
        let next = bench
            .get(&format!(
                "metrics/get-history?run_id={id}&metric_key=m&max_results=3&page_token={token}"
            ))
            .await;
        assert_eq!(next["metrics"][0]["step"], 3);
        let curve = bench
            .get(&format!(
                "metrics/get-history-bulk-interval?run_ids={id}&metric_key=m&max_results=10"
            ))
            .await;
        let points = curve["metrics"].as_array().unwrap();
        assert_eq!(
            (points.len(), &points[9]["step"], &points[0]["run_id"]),
            (10, &json!(50_999), &json!(id))
        );
        let bulk = bench
            .get(&format!(
                "metrics/get-history-bulk?run_id={id}&metric_key=m&max_results=2"
            ))
            .await;
        assert_eq!(bulk["metrics"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn artifacts_go_in_and_out_and_never_up() {
    run(async {
        let bench = Bench::start().await;
        let id = bench.run().await;
        let root = format!("/api/2.0/mlflow-artifacts/artifacts/0/{id}/artifacts");
        let (status, _) = bench
            .send(
                Method::PUT,
                &format!("{root}/model/a%20b.txt"),
                b"hello".to_vec(),
            )
            .await;
        assert_eq!(status, StatusCode::OK);
        let (status, bytes) = bench
            .send(Method::GET, &format!("{root}/model/a%20b.txt"), Vec::new())
            .await;
        assert_eq!((status, bytes.as_slice()), (StatusCode::OK, &b"hello"[..]));
        let top = bench.get(&format!("artifacts/list?run_id={id}")).await;
        assert_eq!(top["files"], json!([{ "path": "model", "is_dir": true }]));
        let inner = bench
            .get(&format!("artifacts/list?run_id={id}&path=model"))
            .await;
        assert_eq!(
            inner["files"],
            json!([{ "path": "model/a b.txt", "is_dir": false, "file_size": 5 }])
        );
        let listing = format!("/api/2.0/mlflow-artifacts/artifacts?path=0/{id}/artifacts/model");
        let (_, bytes) = bench.send(Method::GET, &listing, Vec::new()).await;
        let listed: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(listed["files"][0]["path"], "a b.txt");
        for (path, expected) in [
            (format!("{root}/../../../x"), 400),
            (format!("{root}/%2e%2e/x"), 400),
            (format!("{root}//etc/passwd"), 400),
            (format!("{root}/a%00b"), 400),
            (
                "/api/2.0/mlflow-artifacts/artifacts/0/gone/artifacts/x".to_owned(),
                404,
            ),
            (
                format!("/api/2.0/mlflow-artifacts/artifacts/7/{id}/artifacts/x"),
                404,
            ),
        ] {
            let (status, bytes) = bench.send(Method::PUT, &path, b"x".to_vec()).await;
            assert_eq!(
                status.as_u16(),
                expected,
                "{path}: {}",
                String::from_utf8_lossy(&bytes)
            );
        }
        let (status, _) = bench
            .send(Method::DELETE, &format!("{root}/model"), Vec::new())
            .await;
        assert_eq!(status, StatusCode::OK);
        let (status, _) = bench
            .send(Method::GET, &format!("{root}/model/a%20b.txt"), Vec::new())
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn experiments_are_deleted_and_restored_with_their_runs() {
    run(async {
        let bench = Bench::start().await;
        let made = bench
            .post(
                "experiments/create",
                json!({ "name": "e", "tags": [{ "key": "k", "value": "v" }] }),
            )
            .await;
        let id = made["experiment_id"].as_str().unwrap().to_owned();
        let run = bench
            .post("runs/create", json!({ "experiment_id": id }))
            .await;
        let run_id = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        bench
            .post("experiments/delete", json!({ "experiment_id": id }))
            .await;
        let (_, _, message) = bench
            .refused(
                "runs/set-tag",
                json!({ "run_id": run_id, "key": "k", "value": "v" }),
            )
            .await;
        assert!(
            message.contains("must be in the 'active' state. Current state is deleted."),
            "{message}"
        );
        let found = bench
            .post(
                "experiments/search",
                json!({ "max_results": 10, "view_type": "DELETED_ONLY" }),
            )
            .await;
        assert_eq!(
            found["experiments"][0]["tags"],
            json!([{ "key": "k", "value": "v" }])
        );
        let (_, code, _) = bench
            .refused("experiments/create", json!({ "name": "e" }))
            .await;
        assert_eq!(code, "RESOURCE_ALREADY_EXISTS");
        bench
            .post("experiments/restore", json!({ "experiment_id": id }))
            .await;
        bench
            .post(
                "runs/set-tag",
                json!({ "run_id": run_id, "key": "k", "value": "v" }),
            )
            .await;
        let shown = bench.get("experiments/get-by-name?experiment_name=e").await;
        assert_eq!(shown["experiment"]["lifecycle_stage"], "active");
    });
}
