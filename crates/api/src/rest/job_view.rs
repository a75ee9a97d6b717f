//! A job as shown: what was submitted, where it stands, the clock of each phase, and what it read and made.

use std::collections::BTreeMap;

use lazuli_core::jobs::{InputRow, JobDetails, OutputRow};
use lazuli_spec::runner::{EnvironmentReport, RunnerError, Usage};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobView {
    #[schema(example = "brave_lemon_4k2j9d0x1q")]
    name: String,
    display_name: String,
    description: String,
    /// `command`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// By Azure ML's names: `Queued`, `Running`, `Completed`, …
    #[schema(example = "Running")]
    status: &'static str,
    experiment_name: String,
    experiment_id: String,
    /// The MLflow run of this job: its name.
    run_id: String,
    compute: String,
    command: String,
    /// The code as submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The environment as submitted.
    #[schema(value_type = Object)]
    environment: Value,
    environment_variables: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    limits: Option<Value>,
    /// As submitted; assets also with what they were resolved to.
    #[schema(value_type = Object)]
    inputs: Map<String, Value>,
    #[schema(value_type = Object)]
    outputs: Map<String, Value>,
    tags: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    archived: bool,
    /// The clock of each phase.
    phases: Vec<PhaseView>,
    /// When the command started.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    /// When the job ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    /// What the environment turned out to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment_report: Option<JobEnvironmentView>,
    /// What its processes used when last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
    /// What it was made from, by content: for lineage.
    lineage: Vec<LineageView>,
    /// RFC 3339.
    created_at: String,
    created_by: String,
    /// RFC 3339.
    modified_at: String,
}

/// A phase and its clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct PhaseView {
    /// `queued`, `preparing`, `running` or `finalizing`.
    name: &'static str,
    seconds: f64,
}

/// Why a job failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorView {
    /// A stable word.
    #[schema(example = "command_failed")]
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// What an environment turned out to be.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobEnvironmentView {
    key: String,
    /// Whether it was there already.
    cached: bool,
    /// What had to be relaxed.
    notes: Vec<String>,
    seconds: f64,
}

/// What a job's processes use.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// Percent of one core.
    cpu_percent: f64,
    memory_bytes: u64,
    processes: u32,
}

/// Something a job was made from.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineageView {
    /// The input's name, or `code` or `environment`.
    name: String,
    /// `data`, `model`, `job`, `run`, `tree`, `uri`, `code`, `environment`.
    kind: String,
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    asset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The content's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<String>,
}

impl From<JobDetails> for JobView {
    fn from(details: JobDetails) -> Self {
        let JobDetails {
            job,
            inputs,
            outputs,
            now,
        } = details;
        let spec: Value = serde_json::from_str(&job.spec).unwrap_or_default();
        let progress = job.progress;
        let text = |at: Option<lazuli_spec::Timestamp>| at.map(|at| at.to_string());
        let phases = progress
            .phases
            .seconds(now)
            .into_iter()
            .map(|(phase, seconds)| PhaseView {
                name: phase.as_str(),
                seconds,
            });
        Self {
            run_id: job.name.clone(),
            outputs: outputs
                .into_iter()
                .map(|output| (output.name.clone(), output_view(&job.name, output)))
                .collect(),
            name: job.name,
            display_name: job.display_name,
            description: job.description,
            kind: "command",
            status: progress.state.as_str(),
            experiment_name: job.experiment_name,
            experiment_id: job.experiment_id,
            compute: job.compute,
            command: job.plan.command,
            code: spec.get("code").and_then(Value::as_str).map(str::to_owned),
            environment: spec.get("environment").cloned().unwrap_or_default(),
            environment_variables: job.plan.environment_variables,
            limits: spec.get("limits").cloned(),
            inputs: input_views(&spec, &inputs),
            tags: job.tags,
            properties: job.properties,
            archived: job.archived,
            phases: phases.collect(),
            started_at: text(progress.phases.running_at),
            ended_at: text(progress.phases.ended_at),
            exit_code: progress.exit_code,
            error: progress.error.map(ErrorView::from),
            environment_report: job.environment.map(JobEnvironmentView::from),
            usage: job.usage.map(UsageView::from),
            lineage: inputs.into_iter().map(LineageView::from).collect(),
            created_at: job.created_at.to_string(),
            created_by: job.created_by,
            modified_at: job.modified_at.to_string(),
        }
    }
}

/// Inputs as submitted, with what an asset was resolved to beside its path.
fn input_views(spec: &Value, rows: &[InputRow]) -> Map<String, Value> {
    let mut views = spec
        .get("inputs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for row in rows {
        let mut steps = row.name.split('.');
        let first = steps.next().and_then(|step| views.get_mut(step));
        let place =
            first.and_then(|first| steps.try_fold(first, |inside, step| inside.get_mut(step)));
        if let Some(Value::Object(view)) = place {
            let resolved = row
                .asset
                .as_ref()
                .zip(row.version.as_ref())
                .map(|(asset, version)| format!("{asset}:{version}"));
            view.extend(resolved.map(|resolved| ("resolved".to_owned(), Value::String(resolved))));
            view.extend(
                row.tree
                    .clone()
                    .map(|tree| ("tree".to_owned(), Value::String(tree))),
            );
        }
    }
    views
}

fn output_view(job: &str, output: OutputRow) -> Value {
    let mut view = Map::new();
    view.insert("type".to_owned(), Value::String(output.kind));
    view.insert(
        "path".to_owned(),
        Value::String(format!("azureml://jobs/{job}/outputs/{}", output.name)),
    );
    for (key, value) in [
        ("name", output.asset),
        ("version", output.version),
        ("tree", output.tree),
    ] {
        view.extend(value.map(|value| (key.to_owned(), Value::String(value))));
    }
    Value::Object(view)
}

impl From<RunnerError> for ErrorView {
    fn from(error: RunnerError) -> Self {
        Self {
            code: error.code,
            message: error.message,
            hint: error.hint,
        }
    }
}

impl From<EnvironmentReport> for JobEnvironmentView {
    fn from(report: EnvironmentReport) -> Self {
        Self {
            key: report.key,
            cached: report.cached,
            notes: report.notes,
            seconds: report.millis as f64 / 1_000.0,
        }
    }
}

impl From<Usage> for UsageView {
    fn from(usage: Usage) -> Self {
        Self {
            cpu_percent: usage.cpu_percent,
            memory_bytes: usage.memory_bytes,
            processes: usage.processes,
        }
    }
}

impl From<InputRow> for LineageView {
    fn from(row: InputRow) -> Self {
        let name = row.name.trim_start_matches('.').to_owned();
        Self {
            name,
            kind: row.kind,
            reference: row.reference,
            asset: row.asset,
            version: row.version,
            tree: row.tree,
        }
    }
}
