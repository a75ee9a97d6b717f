//! A run from its making to its end, and searches of runs.

use serde_json::{Value, json};

use super::each;

#[test]
fn a_run_from_start_to_end() {
    each(|bench| async move {
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
fn searches_page_through_everything_once() {
    each(|bench| async move {
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
