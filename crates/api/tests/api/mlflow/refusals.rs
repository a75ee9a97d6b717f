//! What is refused, in the words that MLflow's clients know.

use serde_json::json;

use super::each;

#[test]
fn mistakes_are_told_in_the_clients_words() {
    each(|bench| async move {
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
