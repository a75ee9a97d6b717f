//! Runs: one execution that is tracked. A submitted job is a run too, with the same id.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::experiments::{ExperimentId, Lifecycle};
use crate::invalid::Invalid;
use crate::limits;
use crate::metrics::{Metric, Point};

/// The tag that holds a run's name; always equal to the name.
pub const TAG_RUN_NAME: &str = "mlflow.runName";
/// The tag that names a run's parent.
pub const TAG_PARENT_RUN: &str = "mlflow.parentRunId";
/// The tag that lists the models a run logged in the older protocol.
pub const TAG_LOGGED_MODELS: &str = "mlflow.log-model.history";
/// The tag of a run's data set that says what it was used for.
pub const TAG_DATASET_CONTEXT: &str = "mlflow.data.context";

/// A key and a text: a parameter or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The text.
    #[serde(default)]
    pub value: String,
}

impl KeyValue {
    /// A pair.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// Under way.
    Running,
    /// Waiting to start.
    Scheduled,
    /// Ended well.
    Finished,
    /// Ended in error.
    Failed,
    /// Ended by someone.
    Killed,
}

impl RunStatus {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Reads the word, or the protocol's number for it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "RUNNING" | "1" => Some(Self::Running),
            "SCHEDULED" | "2" => Some(Self::Scheduled),
            "FINISHED" | "3" => Some(Self::Finished),
            "FAILED" | "4" => Some(Self::Failed),
            "KILLED" | "5" => Some(Self::Killed),
            _ => None,
        }
    }

    /// Whether nothing more is to come.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

/// What a run is, without what it logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunInfo {
    /// Its id: 32 hexadecimal digits, or the name of the job.
    pub run_id: String,
    /// Its name for people.
    pub run_name: String,
    /// The experiment it belongs to.
    pub experiment_id: ExperimentId,
    /// Who the client says started it.
    pub user_id: String,
    /// Where it stands.
    pub status: RunStatus,
    /// When it started.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Where its artifacts are.
    pub artifact_uri: String,
    /// In use or deleted.
    pub lifecycle_stage: Lifecycle,
}

/// The newest point of one of a run's series.
#[derive(Clone, Debug, PartialEq)]
pub struct LatestMetric {
    /// The name of the series.
    pub key: String,
    /// Its newest point.
    pub point: Point,
}

/// A data set that a run read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetInput {
    /// What it is.
    pub dataset: Dataset,
    /// Tags of this use of it, such as its context.
    pub tags: Vec<KeyValue>,
}

/// A data set as clients describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// A digest of its content.
    pub digest: String,
    /// What kind of place it came from.
    pub source_type: String,
    /// The place, as JSON.
    pub source: String,
    /// Its columns, as JSON.
    pub schema: Option<String>,
    /// Statistics, as JSON.
    pub profile: Option<String>,
}

/// A logged model that a run wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelOutput {
    /// The model's id.
    pub model_id: String,
    /// The step at which it was written.
    pub step: i64,
}

/// A run with all that it logged.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What it is.
    pub info: RunInfo,
    /// The newest point of every series, by key.
    pub metrics: Vec<LatestMetric>,
    /// Its parameters, by key.
    pub params: Vec<KeyValue>,
    /// Its tags, by key.
    pub tags: Vec<KeyValue>,
    /// The data sets it read.
    pub datasets: Vec<DatasetInput>,
    /// The logged models it read.
    pub model_inputs: Vec<String>,
    /// The logged models it wrote.
    pub model_outputs: Vec<ModelOutput>,
}

/// Several values logged together, all or none.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Points.
    pub metrics: Vec<Metric>,
    /// Parameters.
    pub params: Vec<KeyValue>,
    /// Tags.
    pub tags: Vec<KeyValue>,
}

/// A run's id: starts with a letter or digit, then up to 255 of those, `_` and `-`.
pub fn validate_id(run_id: &str) -> Result<(), Invalid> {
    let mut chars = run_id.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let goes_on_well = chars
        .clone()
        .all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if starts_well && goes_on_well && chars.count() <= 255 {
        return Ok(());
    }
    Err(Invalid::value("run_id", run_id, ""))
}

/// Checks a parameter and cuts its value to what is kept; `path` is empty or like `params[3]`.
pub fn clean_param(param: KeyValue, path: &str) -> Result<KeyValue, Invalid> {
    limits::key(&within(path, "key"), "Param key", &param.key)?;
    Ok(KeyValue {
        key: param.key,
        value: limits::cut(param.value, limits::PARAM_VALUE),
    })
}

/// Checks a tag and cuts its value to what is kept; `path` is empty or like `tags[3]`.
pub fn clean_tag(tag: KeyValue, path: &str) -> Result<KeyValue, Invalid> {
    let key_path = within(path, "key");
    limits::key(&key_path, &key_path, &tag.key)?;
    Ok(KeyValue {
        key: tag.key,
        value: limits::cut(tag.value, limits::TAG_VALUE),
    })
}

/// Checks a tag that a run is made with. Those keys were never held to the rules for paths, and clients rely on it.
pub fn clean_first_tag(tag: KeyValue) -> Result<KeyValue, Invalid> {
    if tag.key.is_empty() || tag.key.contains('\0') {
        return Err(Invalid::value("key", &tag.key, "A tag needs a key."));
    }
    limits::length("key", limits::KEY, &tag.key)?;
    Ok(KeyValue {
        key: tag.key,
        value: limits::cut(tag.value, limits::TAG_VALUE),
    })
}

impl Batch {
    /// One point.
    pub fn of_metric(metric: Metric) -> Self {
        Self {
            metrics: vec![metric],
            ..Self::default()
        }
    }

    /// One parameter.
    pub fn of_param(param: KeyValue) -> Self {
        Self {
            params: vec![param],
            ..Self::default()
        }
    }

    /// One tag.
    pub fn of_tag(tag: KeyValue) -> Self {
        Self {
            tags: vec![tag],
            ..Self::default()
        }
    }

    /// Checks everything, cuts long values, and drops points that are given twice.
    pub fn clean(self) -> Result<Self, Invalid> {
        for (index, metric) in self.metrics.iter().enumerate() {
            crate::metrics::validate(metric, &format!("metrics[{index}]"))?;
        }
        let clean = Self {
            metrics: self.metrics,
            params: each(self.params, "params", clean_param)?,
            tags: each(self.tags, "tags", clean_tag)?,
        };
        limits::batch(clean.metrics.len(), clean.params.len(), clean.tags.len())?;
        refuse_repeated_params(&clean.params)?;
        Ok(clean)
    }
}

fn each(
    items: Vec<KeyValue>,
    what: &str,
    clean: impl Fn(KeyValue, &str) -> Result<KeyValue, Invalid>,
) -> Result<Vec<KeyValue>, Invalid> {
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| clean(item, &format!("{what}[{index}]")))
        .collect()
}

fn refuse_repeated_params(params: &[KeyValue]) -> Result<(), Invalid> {
    let mut seen = std::collections::HashSet::new();
    let repeated: Vec<String> = params
        .iter()
        .filter(|p| !seen.insert(p.key.as_str()))
        .map(|p| format!("'{}'", p.key))
        .collect();
    if repeated.is_empty() {
        return Ok(());
    }
    Err(Invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param value per param key.",
        repeated.join(", ")
    )))
}

fn within(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}

/// The limits on a data set's description, and on the tags of its use.
pub fn validate_dataset(input: &DatasetInput) -> Result<(), Invalid> {
    let dataset = &input.dataset;
    for (name, text) in [("name", &dataset.name), ("digest", &dataset.digest)] {
        if text.is_empty() {
            return Err(Invalid(format!("Dataset {name} cannot be None")));
        }
    }
    limits::length("name", 500, &dataset.name)?;
    limits::length("digest", 36, &dataset.digest)?;
    limits::length("source", 65_535, &dataset.source)?;
    limits::length("schema", 1_048_575, dataset.schema.as_deref().unwrap_or(""))?;
    limits::length(
        "profile",
        16_777_215,
        dataset.profile.as_deref().unwrap_or(""),
    )?;
    for tag in &input.tags {
        limits::length("key", 255, &tag.key)?;
        limits::length("value", 500, &tag.value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids() {
        assert_eq!(validate_id("0123456789abcdef0123456789abcdef"), Ok(()));
        assert_eq!(validate_id("my_job-1"), Ok(()));
        for bad in ["", "_x", "a/b", "a b", &"a".repeat(257)] {
            assert!(validate_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_batch_is_refused_whole_with_the_place_of_the_fault() {
        let batch = Batch {
            params: vec![KeyValue::new("a", "1"), KeyValue::new("b\n", "2")],
            ..Batch::default()
        };
        assert!(batch.clean().unwrap_err().0.contains("'params[1].key'"));
        let twice = Batch {
            params: vec![KeyValue::new("a", "1"), KeyValue::new("a", "2")],
            ..Batch::default()
        };
        assert!(
            twice
                .clean()
                .unwrap_err()
                .0
                .starts_with("Duplicate parameter keys have been submitted: ['a'].")
        );
    }

    #[test]
    fn long_values_are_cut_and_long_keys_refused() {
        let param = clean_param(KeyValue::new("a", "v".repeat(7_000)), "").unwrap();
        assert_eq!(param.value.len(), 6_000);
        let error = clean_param(KeyValue::new("k".repeat(251), ""), "").unwrap_err();
        assert_eq!(
            error.0,
            "'Param key' exceeds the maximum length of 250 characters"
        );
    }

    #[test]
    fn a_run_may_be_made_with_any_key_that_is_not_too_long() {
        let clean = |key: &str| clean_first_tag(KeyValue::new(key, "v"));
        assert_eq!(clean("a*b#c/../d").unwrap().key, "a*b#c/../d");
        assert!(clean("").is_err() && clean("a\0b").is_err() && clean(&"k".repeat(251)).is_err());
        assert!(clean_tag(KeyValue::new("a*b", "v"), "").is_err());
    }

    #[test]
    fn statuses_read_back() {
        for status in [
            RunStatus::Running,
            RunStatus::Scheduled,
            RunStatus::Finished,
            RunStatus::Failed,
            RunStatus::Killed,
        ] {
            assert_eq!(RunStatus::parse(status.as_str()), Some(status));
        }
        assert_eq!(RunStatus::parse("DONE"), None);
    }
}
