//! Histories of metrics.

use serde_json::{Value, json};

use super::each;

#[test]
fn histories_come_whole_and_in_pages() {
    each(|bench| async move {
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
