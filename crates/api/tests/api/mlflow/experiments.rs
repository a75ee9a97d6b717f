//! Experiments.

use serde_json::json;

use super::each;

#[test]
fn experiments_are_deleted_and_restored_with_their_runs() {
    each(|bench| async move {
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
