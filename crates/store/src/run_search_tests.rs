use lazuli_spec::Timestamp;
use lazuli_spec::experiments::Lifecycle;
use lazuli_spec::filters::vocabularies::RUNS;
use lazuli_spec::filters::{parse_filter, parse_order_by};
use lazuli_spec::runs::{Dataset, DatasetInput, KeyValue, RunStatus};

use super::*;
use crate::testing::{Scratch, each_backend, run as block_on};
use crate::tracking_fixture::{metric, run, with};
use crate::{Store, datasets, metrics, run_params, run_tags, runs};

/// Runs r00 to r39: `acc` on all but every fifth, NaN on r01; `kind` even or odd; `rare` on r07; every tenth deleted.
async fn populate(store: &Store) {
    with(store, |tx| {
        for number in 0..40_i64 {
            let id = format!("r{number:02}");
            let one = run(tx, &id, number)?;
            if number % 5 != 0 {
                let value = if number == 1 {
                    f64::NAN
                } else {
                    (number * 7 % 13) as f64
                };
                metrics::append(tx, &one, &[metric("acc", value, 1, 1)])?;
            }
            let kind = if number % 2 == 0 { "even" } else { "odd" };
            run_params::log(
                tx,
                &one,
                &[
                    KeyValue::new("kind", kind),
                    KeyValue::new("n", number.to_string()),
                ],
            )?;
            if number == 7 {
                run_tags::set(tx, &one, &[KeyValue::new("rare", "Yes")])?;
                datasets::log_input(tx, &one, &iris())?;
            }
            if number % 2 == 0 {
                runs::update(
                    tx,
                    &one,
                    Some(RunStatus::Finished),
                    Some(Timestamp::from_millis(100 + number)),
                    None,
                )?;
            }
            if number % 10 == 0 {
                runs::set_lifecycle(tx, &one, Lifecycle::Deleted, Timestamp(1))?;
            }
        }
        Ok(())
    })
    .await;
}

fn iris() -> DatasetInput {
    let dataset = Dataset {
        name: "iris".into(),
        digest: "abc".into(),
        source_type: "local".into(),
        source: "{}".into(),
        schema: None,
        profile: None,
    };
    DatasetInput {
        dataset,
        tags: vec![KeyValue::new("mlflow.data.context", "train")],
    }
}

async fn ids(store: &Store, view: View, filter: &str, order: &[&str], limit: u32) -> Vec<String> {
    let order: Vec<String> = order.iter().map(|o| (*o).to_owned()).collect();
    let mut request = RunSearch {
        experiments: vec![1],
        view,
        filter: parse_filter(&RUNS, filter).unwrap(),
        order: parse_order_by(&RUNS, &order).unwrap(),
        limit,
        after: None,
    };
    let mut ids = Vec::new();
    loop {
        let asked = request.clone();
        let found = with(store, move |tx| search(tx, &asked)).await;
        assert!(found.runs.len() <= limit as usize);
        ids.extend(found.runs.into_iter().map(|(_, info)| info.run_id));
        let Some(next) = found.next else { return ids };
        request.after = Some(next);
    }
}

#[test]
fn filters_find_what_fulfils_them() {
    each_backend(|store| async move {
        populate(&store).await;
        let found = |filter: &'static str| {
            let store = store.clone();
            async move { ids(&store, View::All, filter, &["run_id"], 7).await }
        };
        assert_eq!(found("").await.len(), 40);
        assert_eq!(found("metrics.acc = 12").await, ["r11", "r24", "r37"]);
        assert_eq!(
            found("metrics.acc > 11 AND params.kind = 'odd'").await,
            ["r11", "r37"]
        );
        assert_eq!(found("metrics.acc != 12").await.len(), 29);
        assert_eq!(found("metrics.acc < 0").await, [""; 0]);
        assert_eq!(found("tags.rare = 'Yes'").await, ["r07"]);
        assert_eq!(found("tags.rare LIKE 'y%'").await, [""; 0]);
        assert_eq!(found("tags.rare ILIKE 'y_s'").await, ["r07"]);
        assert_eq!(found("tags.rare IS NULL").await.len(), 39);
        assert_eq!(
            found("params.n != '3' AND params.n LIKE '3%'").await.len(),
            10
        );
        assert_eq!(
            found("run_id IN ('r05', 'r06', 'gone')").await,
            ["r05", "r06"]
        );
        assert_eq!(
            found("run_id = 'r09' AND status = 'RUNNING'").await,
            ["r09"]
        );
        assert_eq!(found("start_time >= 38").await, ["r38", "r39"]);
        assert_eq!(found("end_time <= 102").await, ["r00", "r02"]);
        assert_eq!(found("run_name = 'name of r12'").await, ["r12"]);
        assert_eq!(
            found("dataset.name = 'iris' AND dataset.context LIKE 'tr%'").await,
            ["r07"]
        );
        assert_eq!(found("dataset.digest IN ('x')").await, [""; 0]);
        assert_eq!(
            ids(&store, View::Deleted, "", &["run_id"], 9).await,
            ["r00", "r10", "r20", "r30"]
        );
        assert_eq!(
            ids(&store, View::Active, "params.kind = 'even'", &[], 9)
                .await
                .len(),
            16
        );
    });
}

#[test]
fn orders_put_nan_and_missing_last_in_both_directions_and_page_by_key() {
    each_backend(|store| async move {
        populate(&store).await;
        for way in ["ASC", "DESC"] {
            let order = format!("metrics.acc {way}");
            let all = ids(&store, View::All, "", &[&order], 1_000).await;
            assert_eq!(all.len(), 40);
            assert_eq!(all[31], "r01", "NaN comes after the numbers");
            let missing: Vec<_> = (0..8).rev().map(|n| format!("r{:02}", n * 5)).collect();
            assert_eq!(all[32..], missing[..], "then runs without it, newest first");
            for limit in [1, 3, 7, 39, 40] {
                assert_eq!(
                    ids(&store, View::All, "", &[&order], limit).await,
                    all,
                    "pages of {limit}"
                );
            }
        }
        for order in [
            &["params.kind DESC", "metrics.acc ASC"][..],
            &["end_time ASC", "params.n DESC"],
            &["tags.rare"],
            &["status", "end_time DESC", "tags.rare DESC"],
            &["start_time ASC"],
        ] {
            let all = ids(&store, View::All, "", order, 1_000).await;
            assert_eq!(all.len(), 40, "{order:?}");
            assert_eq!(ids(&store, View::All, "", order, 3).await, all, "{order:?}");
        }
        let ended_first = ids(&store, View::All, "", &["end_time ASC"], 1_000).await;
        assert_eq!(
            (ended_first[0].as_str(), ended_first[20].as_str()),
            ("r00", "r39")
        );
    });
}

/// Searches over many runs read little: each statement must walk an index, not sort or scan the table.
#[test]
fn an_index_serves_the_common_searches() {
    block_on(async {
        let scratch = Scratch::sqlite();
        let store = scratch.open().await;
        populate(&store).await;
        let plan = |order: &'static [&'static str], filter: &'static str, after: bool| {
            let store = store.clone();
            async move {
                let order: Vec<String> = order.iter().map(|o| (*o).to_owned()).collect();
                let request = RunSearch {
                    experiments: vec![1],
                    view: View::Active,
                    filter: parse_filter(&RUNS, filter).unwrap(),
                    order: parse_order_by(&RUNS, &order).unwrap(),
                    limit: 100,
                    after: None,
                };
                with(&store, move |tx| explain(tx, &request, after)).await
            }
        };
        for after in [false, true] {
            let by_start = plan(&[], "", after).await;
            assert!(by_start.contains("runs_by_start"), "{by_start}");
            assert!(!by_start.contains("TEMP B-TREE"), "{by_start}");
            let by_metric = plan(&["metrics.acc DESC"], "params.kind = 'even'", after).await;
            assert!(
                by_metric.starts_with("SEARCH k0 USING COVERING INDEX metric_series_by_value"),
                "{by_metric}"
            );
            assert!(
                by_metric.contains("LAST 2 TERMS"),
                "only ties are sorted: {by_metric}"
            );
            assert!(!by_metric.contains("SCAN r"), "{by_metric}");
        }
        let narrow = plan(
            &["start_time"],
            "tags.rare = 'Yes' AND metrics.acc > 1",
            false,
        )
        .await;
        assert!(narrow.contains("run_tags_by_value"), "{narrow}");
    });
}

/// The plan of the first phase, at the start of the list or after a row.
fn explain(tx: &mut Tx<'_>, request: &RunSearch, after: bool) -> Result<String, StoreError> {
    let plan = order::plan(&request.order);
    let phase = plan.phases.first().ok_or(StoreError::NotFound)?;
    let number = |key: &SortKey| {
        if key.expression == "r.run_id" {
            Value::Text("r".into())
        } else {
            Value::Integer(5)
        }
    };
    let place = Place {
        phase: 0,
        key: phase.keys.iter().map(number).collect(),
    };
    let driver = request
        .filter
        .iter()
        .position(|comparison| comparison.key == "rare");
    let (sql, values) = compose(
        tx.dialect(),
        request,
        driver,
        phase,
        Some(&place).filter(|_| after),
        101,
    );
    let steps = tx.query(
        &format!("EXPLAIN QUERY PLAN {sql}"),
        &as_params(&values),
        |row| row.get::<String>(3),
    )?;
    Ok(steps.join("; "))
}
