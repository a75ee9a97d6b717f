//! Runs for the tests of the tables they log into.

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::metrics::Metric;
use lazuli_spec::runs::RunStatus;

use crate::experiments::{find, insert_default};
use crate::runs::{NewRun, RunRef, insert};
use crate::{Store, StoreError, Tx};

pub(crate) const WS: &str = "w";

/// A run in the default experiment.
pub(crate) fn run(tx: &mut Tx<'_>, run_id: &str, start: i64) -> Result<RunRef, StoreError> {
    insert_default(tx, WS, Timestamp(0))?;
    let experiment = find(tx, WS, ExperimentId::DEFAULT)?.ok_or(StoreError::NotFound)?;
    let new = NewRun {
        run_id: run_id.to_owned(),
        name: format!("name of {run_id}"),
        user_id: "someone".to_owned(),
        status: RunStatus::Running,
        start_time: Timestamp::from_millis(start),
        artifact_uri: format!("mlflow-artifacts:/0/{run_id}/artifacts"),
    };
    insert(
        tx,
        WS,
        experiment.experiment_no,
        ExperimentId::DEFAULT,
        &new,
    )
}

pub(crate) fn metric(key: &str, value: f64, timestamp_ms: i64, step: i64) -> Metric {
    Metric {
        key: key.to_owned(),
        value,
        timestamp_ms,
        step,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    }
}

pub(crate) async fn with<T: Send + 'static>(
    store: &Store,
    body: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(body).await.unwrap()
}
