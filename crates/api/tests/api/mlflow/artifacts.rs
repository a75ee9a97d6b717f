//! Files of runs.

use axum::http::{Method, StatusCode};
use lazuli_store::testing::run;
use serde_json::{Value, json};

use super::Mlflow;

#[test]
fn artifacts_go_in_and_out_and_never_up() {
    run(async {
        let bench = Mlflow::start().await;
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
