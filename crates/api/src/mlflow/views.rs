//! Runs and experiments as MLflow's protocol writes them: `snake_case`, unset fields left out, special numbers as text.

use lazuli_spec::experiments::Experiment;
use lazuli_spec::metrics::Point;
use lazuli_spec::runs::{DatasetInput, KeyValue, LatestMetric, Run, RunInfo};
use serde::{Serialize, Serializer};

/// An experiment.
#[derive(Debug, Serialize)]
pub struct ExperimentView<'a> {
    experiment_id: String,
    name: &'a str,
    artifact_location: &'a str,
    lifecycle_stage: &'static str,
    last_update_time: i64,
    creation_time: i64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [KeyValue],
}

impl<'a> From<&'a Experiment> for ExperimentView<'a> {
    fn from(experiment: &'a Experiment) -> Self {
        Self {
            experiment_id: experiment.experiment_id.to_string(),
            name: &experiment.name,
            artifact_location: &experiment.artifact_location,
            lifecycle_stage: experiment.lifecycle_stage.as_str(),
            last_update_time: experiment.updated_at.as_millis(),
            creation_time: experiment.created_at.as_millis(),
            tags: &experiment.tags,
        }
    }
}

/// What a run is.
#[derive(Debug, Serialize)]
pub struct RunInfoView<'a> {
    run_uuid: &'a str,
    experiment_id: String,
    run_name: &'a str,
    user_id: &'a str,
    status: &'static str,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: &'a str,
    lifecycle_stage: &'static str,
    run_id: &'a str,
}

impl<'a> From<&'a RunInfo> for RunInfoView<'a> {
    fn from(info: &'a RunInfo) -> Self {
        Self {
            run_uuid: &info.run_id,
            experiment_id: info.experiment_id.to_string(),
            run_name: &info.run_name,
            user_id: &info.user_id,
            status: info.status.as_str(),
            start_time: info.start_time.as_millis(),
            end_time: info.end_time.map(lazuli_spec::Timestamp::as_millis),
            artifact_uri: &info.artifact_uri,
            lifecycle_stage: info.lifecycle_stage.as_str(),
            run_id: &info.run_id,
        }
    }
}

/// A run with what it logged.
#[derive(Debug, Serialize)]
pub struct RunView<'a> {
    info: RunInfoView<'a>,
    data: RunDataView<'a>,
    inputs: RunInputsView<'a>,
    #[serde(skip_serializing_if = "RunOutputsView::is_empty")]
    outputs: RunOutputsView<'a>,
}

#[derive(Debug, Serialize)]
struct RunDataView<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<PointView<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    params: &'a [KeyValue],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [KeyValue],
}

#[derive(Debug, Serialize)]
struct RunInputsView<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_inputs: Vec<DatasetInputView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_inputs: Vec<ModelView<'a>>,
}

#[derive(Debug, Serialize)]
struct RunOutputsView<'a> {
    model_outputs: Vec<ModelView<'a>>,
}

impl RunOutputsView<'_> {
    fn is_empty(&self) -> bool {
        self.model_outputs.is_empty()
    }
}

#[derive(Debug, Serialize)]
struct ModelView<'a> {
    model_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<i64>,
}

#[derive(Debug, Serialize)]
struct DatasetInputView<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [KeyValue],
    dataset: DatasetView<'a>,
}

#[derive(Debug, Serialize)]
struct DatasetView<'a> {
    name: &'a str,
    digest: &'a str,
    source_type: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
}

impl<'a> From<&'a Run> for RunView<'a> {
    fn from(run: &'a Run) -> Self {
        let model = |model_id, step| ModelView { model_id, step };
        Self {
            info: RunInfoView::from(&run.info),
            data: RunDataView {
                metrics: run.metrics.iter().map(PointView::from).collect(),
                params: &run.params,
                tags: &run.tags,
            },
            inputs: RunInputsView {
                dataset_inputs: run.datasets.iter().map(DatasetInputView::from).collect(),
                model_inputs: run.model_inputs.iter().map(|id| model(id, None)).collect(),
            },
            outputs: RunOutputsView {
                model_outputs: run
                    .model_outputs
                    .iter()
                    .map(|m| model(&m.model_id, Some(m.step)))
                    .collect(),
            },
        }
    }
}

impl<'a> From<&'a DatasetInput> for DatasetInputView<'a> {
    fn from(input: &'a DatasetInput) -> Self {
        let dataset = &input.dataset;
        Self {
            tags: &input.tags,
            dataset: DatasetView {
                name: &dataset.name,
                digest: &dataset.digest,
                source_type: &dataset.source_type,
                source: &dataset.source,
                schema: dataset.schema.as_deref(),
                profile: dataset.profile.as_deref(),
            },
        }
    }
}

/// A point of a metric, with the run where several are shown.
#[derive(Debug, Serialize)]
pub struct PointView<'a> {
    key: &'a str,
    #[serde(serialize_with = "special_as_text")]
    value: f64,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

impl<'a> PointView<'a> {
    /// A point of a series.
    pub const fn new(key: &'a str, point: Point, run_id: Option<&'a str>) -> Self {
        Self {
            key,
            value: point.value,
            timestamp: point.timestamp_ms,
            step: point.step,
            run_id,
        }
    }
}

impl<'a> From<&'a LatestMetric> for PointView<'a> {
    fn from(metric: &'a LatestMetric) -> Self {
        Self::new(&metric.key, metric.point, None)
    }
}

/// JSON has no NaN and no infinity; protobuf's JSON writes them as text.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn special_as_text<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if value.is_infinite() {
        serializer.serialize_str(if *value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        })
    } else {
        serializer.serialize_f64(*value)
    }
}
