use lazuli_spec::runs::{Dataset, DatasetInput, KeyValue, ModelOutput};

use super::*;
use crate::experiments::{self, set_lifecycle as set_experiment_lifecycle};
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, metric, run, with};

fn dataset(name: &str, context: &str) -> DatasetInput {
    DatasetInput {
        dataset: Dataset {
            name: name.into(),
            digest: "d1".into(),
            source_type: "local".into(),
            source: "{}".into(),
            schema: None,
            profile: Some("{\"rows\":1}".into()),
        },
        tags: vec![KeyValue::new("mlflow.data.context", context)],
    }
}

#[test]
fn a_run_comes_back_with_all_it_logged() {
    each_backend(|store| async move {
        let loaded = with(&store, |tx| {
            let one = run(tx, "r1", 5)?;
            run_params::log(
                tx,
                &one,
                &[KeyValue::new("b", "2"), KeyValue::new("a", "1")],
            )?;
            run_tags::set(
                tx,
                &one,
                &[KeyValue::new("t", "x"), KeyValue::new("t", "y")],
            )?;
            metrics::append(
                tx,
                &one,
                &[metric("loss", 0.5, 1, 1), metric("loss", f64::NAN, 2, 2)],
            )?;
            datasets::log_input(tx, &one, &dataset("iris", "train"))?;
            datasets::log_input(tx, &one, &dataset("iris", "again"))?;
            datasets::log_input(tx, &one, &dataset("moons", "test"))?;
            datasets::log_model_input(tx, &one, "m-1")?;
            datasets::log_model_output(
                tx,
                &one,
                &ModelOutput {
                    model_id: "m-2".into(),
                    step: 3,
                },
            )?;
            let other = run(tx, "r2", 6)?;
            datasets::log_input(tx, &other, &dataset("iris", "train"))?;
            update(
                tx,
                &one,
                Some(RunStatus::Finished),
                Some(Timestamp::from_millis(9)),
                Some("renamed"),
            )?;
            load(tx, WS, "r1")
        })
        .await
        .unwrap();
        assert_eq!(loaded.info.run_name, "renamed");
        assert_eq!(
            (loaded.info.status, loaded.info.end_time),
            (RunStatus::Finished, Some(Timestamp(9_000)))
        );
        assert_eq!(
            loaded.params,
            [KeyValue::new("a", "1"), KeyValue::new("b", "2")]
        );
        assert_eq!(
            loaded.tags,
            [
                KeyValue::new("mlflow.runName", "renamed"),
                KeyValue::new("t", "y")
            ]
        );
        assert!(loaded.metrics[0].point.value.is_nan());
        assert_eq!(
            loaded.datasets,
            [dataset("iris", "train"), dataset("moons", "test")]
        );
        assert_eq!(loaded.model_inputs, ["m-1"]);
        assert_eq!(
            loaded.model_outputs,
            [ModelOutput {
                model_id: "m-2".into(),
                step: 3
            }]
        );
        let summaries = with(&store, |tx| {
            let experiment = experiments::find(tx, WS, ExperimentId::DEFAULT)?.unwrap();
            datasets::summaries(tx, experiment.experiment_no)
        })
        .await;
        let shown: Vec<_> = summaries
            .iter()
            .map(|s| (s.name.as_str(), s.context.as_deref()))
            .collect();
        assert_eq!(shown, [("iris", Some("train")), ("moons", Some("test"))]);
    });
}

#[test]
fn params_are_written_once_and_a_change_writes_nothing() {
    each_backend(|store| async move {
        let (again, changed, params) = with(&store, |tx| {
            let one = run(tx, "r1", 5)?;
            run_params::log(tx, &one, &[KeyValue::new("a", "1")])?;
            let again = run_params::log(
                tx,
                &one,
                &[KeyValue::new("a", "1"), KeyValue::new("b", "1")],
            )?;
            let changed = run_params::log(
                tx,
                &one,
                &[KeyValue::new("c", "3"), KeyValue::new("a", "2")],
            )?;
            Ok((again, changed, load(tx, WS, "r1")?.unwrap().params))
        })
        .await;
        assert_eq!(again, []);
        let expected = run_params::Changed {
            key: "a".into(),
            old: "1".into(),
            new: "2".into(),
        };
        assert_eq!(changed, [expected]);
        assert_eq!(params, [KeyValue::new("a", "1"), KeyValue::new("b", "1")]);
    });
}

#[test]
fn an_experiments_stage_is_that_of_its_runs_and_workspaces_do_not_mix() {
    each_backend(|store| async move {
        let (stage, elsewhere, removed) = with(&store, |tx| {
            let one = run(tx, "r1", 5)?;
            set_experiment_lifecycle(tx, one.experiment_no, Lifecycle::Deleted, Timestamp(1))?;
            run_tags::set(tx, &one, &[KeyValue::new("t", "x")])?;
            let removed = (
                run_tags::delete(tx, &one, "t")?,
                run_tags::get(tx, &one, "t")?,
            );
            Ok((
                find(tx, WS, "r1", true)?.unwrap().lifecycle_stage,
                find(tx, "elsewhere", "r1", false)?,
                removed,
            ))
        })
        .await;
        assert_eq!((stage, elsewhere), (Lifecycle::Deleted, None));
        assert_eq!(removed, (true, None));
        let taken: Result<RunRef, StoreError> = store.write(|tx| run(tx, "r1", 5)).await;
        assert!(taken.unwrap_err().is_unique_violation());
        let place = with(&store, |tx| place(tx, "r1")).await;
        assert_eq!(place, Some((WS.to_owned(), ExperimentId::DEFAULT)));
    });
}
