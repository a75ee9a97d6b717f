//! Files of runs.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::each;

#[test]
fn artifacts_go_in_and_out_and_never_up() {
    each(|bench| async move {
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
fn a_file_is_downloaded_by_its_run_its_version_and_its_logged_model() {
    each(|bench| async move {
        let id = bench.run().await;
        let root = format!("/api/2.0/mlflow-artifacts/artifacts/0/{id}/artifacts");
        let file = format!("{root}/model/MLmodel");
        bench
            .send(Method::PUT, &file, b"flavors: {}".to_vec())
            .await;
        let made = json!({ "experiment_id": "0", "name": "m", "source_run_id": id });
        let made = bench.post("logged-models", made).await;
        let model_id = made["model"]["info"]["model_id"].as_str().unwrap();
        let file =
            format!("/api/2.0/mlflow-artifacts/artifacts/0/models/{model_id}/artifacts/MLmodel");
        bench
            .send(Method::PUT, &file, b"flavors: {}".to_vec())
            .await;
        bench
            .post("registered-models/create", json!({ "name": "m" }))
            .await;
        let source = format!("runs:/{id}/model");
        let version = json!({ "name": "m", "source": source, "run_id": id, "model_id": model_id });
        bench.post("model-versions/create", version).await;
        let tagged = bench.get(&format!("logged-models/{model_id}")).await;
        assert_eq!(
            tagged["model"]["info"]["tags"],
            json!([{ "key": "mlflow.modelVersions", "value": r#"[{"name": "m", "version": 1}]"# }])
        );

        let of_model = format!("/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files");
        for path in [
            format!("/get-artifact?run_uuid={id}&path=model/MLmodel"),
            format!("//get-artifact?run_id={id}&path=model/MLmodel"),
            "/model-versions/get-artifact?name=m&version=1&path=MLmodel".to_owned(),
            "//model-versions/get-artifact?name=m&version=1&path=MLmodel".to_owned(),
            format!("{of_model}?artifact_file_path=MLmodel"),
        ] {
            let (status, bytes) = bench.send(Method::GET, &path, Vec::new()).await;
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!((status.as_u16(), &*text), (200, "flavors: {}"), "{path}");
        }
        for (path, expected) in [
            (format!("/get-artifact?run_uuid={id}"), 400),
            (format!("/get-artifact?run_uuid={id}&path=../x"), 400),
            (format!("/get-artifact?run_uuid={id}&path=none"), 404),
            (
                "/model-versions/get-artifact?name=m&version=1".to_owned(),
                400,
            ),
            (
                "/model-versions/get-artifact?name=m&version=1&path=%2Fetc%2Fpasswd".to_owned(),
                400,
            ),
            (
                "/model-versions/get-artifact?name=m&version=2&path=MLmodel".to_owned(),
                404,
            ),
            (of_model.clone(), 400),
            (format!("{of_model}?artifact_file_path=..%2F..%2Fx"), 400),
            (format!("{of_model}?artifact_file_path=none"), 404),
        ] {
            let (status, bytes) = bench.send(Method::GET, &path, Vec::new()).await;
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(status.as_u16(), expected, "{path}: {text}");
        }
    });
}
