use lazuli_spec::experiments::Lifecycle;
use lazuli_spec::runs::KeyValue;

use super::*;
use crate::experiments::{self, NewExperiment};
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, metric, run, with};
use crate::{metrics, run_tags, runs};

const DELETED_AT: Timestamp = Timestamp(1_000);
const LATER: Timestamp = Timestamp(2_000);

fn ids(found: &[Dead]) -> Vec<(&'static str, &str)> {
    found
        .iter()
        .map(|dead| (dead.kind.as_str(), dead.id.as_str()))
        .collect()
}

#[test]
fn only_what_was_deleted_long_enough_ago_goes() {
    each_backend(|store| async move {
        let found = with(&store, |tx| {
            let (gone, _kept) = (run(tx, "gone", 1)?, run(tx, "kept", 2)?);
            metrics::append(tx, &gone, &[metric("loss", 0.5, 1, 1)])?;
            run_tags::set(tx, &gone, &[KeyValue::new("a", "b")])?;
            runs::set_lifecycle(tx, &gone, Lifecycle::Deleted, DELETED_AT)?;
            let early = list(tx, WS, Timestamp(999), 10)?;
            assert_eq!(ids(&early), []);
            list(tx, WS, LATER, 10)
        })
        .await;
        assert_eq!(ids(&found), [("run", "gone")]);
        assert_eq!(found[0].location, "mlflow-artifacts:/0/gone/artifacts");
        let dead = found[0].clone();
        let left = with(&store, move |tx| {
            assert!(is_dead(tx, WS, LATER, &dead)?);
            remove(tx, WS, &dead)?;
            assert!(!is_dead(tx, WS, LATER, &dead)?);
            let mut counts = Vec::new();
            for table in ["metric_points", "metric_series", "run_tags", "runs"] {
                let sql = format!("SELECT COUNT(*) FROM {table}");
                counts.push(tx.query_one(&sql, params![], |row| row.get::<i64>(0))?);
            }
            Ok(counts)
        })
        .await;
        assert_eq!(left, [0, 0, 0, 1]);
    });
}

#[test]
fn an_experiment_goes_after_its_runs_and_frees_its_name() {
    each_backend(|store| async move {
        with(&store, |tx| {
            let new = NewExperiment {
                name: "old".to_owned(),
                artifact_location: None,
                tags: vec![KeyValue::new("k", "v")],
            };
            let id = experiments::insert(tx, WS, &new, Timestamp(1))?;
            let number = experiments::numbers(tx, WS, &[id])?[0];
            let row = runs::NewRun {
                run_id: "r".to_owned(),
                name: "n".to_owned(),
                user_id: String::new(),
                status: lazuli_spec::runs::RunStatus::Finished,
                start_time: Timestamp(1),
                artifact_uri: "mlflow-artifacts:/1/r/artifacts".to_owned(),
            };
            runs::insert(tx, WS, number, id, &row)?;
            experiments::set_lifecycle(tx, number, Lifecycle::Deleted, DELETED_AT)?;
            let found = list(tx, WS, LATER, 10)?;
            assert_eq!(ids(&found), [("run", "r"), ("experiment", "1")]);
            assert!(
                !is_dead(tx, WS, LATER, &found[1])?,
                "its run is still there"
            );
            remove(tx, WS, &found[0])?;
            assert!(is_dead(tx, WS, LATER, &found[1])?);
            assert_eq!(remove_some_traces(tx, WS, id, 10)?, 0);
            remove(tx, WS, &found[1])?;
            assert!(experiments::find_by_name(tx, WS, "old")?.is_none());
            // the default experiment stays, deleted or not
            experiments::insert_default(tx, WS, Timestamp(1))?;
            let default = experiments::numbers(tx, WS, &[ExperimentId::DEFAULT])?[0];
            experiments::set_lifecycle(tx, default, Lifecycle::Deleted, DELETED_AT)?;
            assert_eq!(ids(&list(tx, WS, LATER, 10)?), []);
            Ok(())
        })
        .await;
    });
}
