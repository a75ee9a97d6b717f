//! Submitting a job: everything is looked up and checked first, then run and job are written in one transaction.

use std::collections::BTreeMap;

use lazuli_spec::experiments::{ExperimentId, Lifecycle};
use lazuli_spec::jobs::{
    CommandJob, DEFAULT_EXPERIMENT, JobOutput, JobState, Phases, PortType, generate_name,
};
use lazuli_spec::runner::{PROTOCOL, PlanOutput, RunnerPlan};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::{Action, Timestamp, computes as compute_words};
use lazuli_store::experiments::NewExperiment;
use lazuli_store::jobs::{self, JobRow, OutputRow, Progress};
use lazuli_store::lists::ListSearch;
use lazuli_store::runs::NewRun;
use lazuli_store::{Tx, computes, experiments, run_tags, runs};

use super::{JobDetails, details, find, resolve, resolve_content};
use crate::{Caller, Core, Error, Result};

/// A job that is ready to be written.
struct Prepared {
    name: String,
    spec: CommandJob,
    staged: resolve_content::Staged,
    environment: lazuli_spec::runner::PlanEnvironment,
    workspace: String,
    workspace_id: String,
    by: String,
    by_name: String,
}

impl Core {
    /// Submits a command job. Nothing is written unless all of it can run: data, code, environment and compute are there.
    pub async fn submit_job(
        &self,
        caller: &Caller,
        workspace: &str,
        spec: CommandJob,
    ) -> Result<JobDetails> {
        let access = self.access(caller, workspace, Action::JobsWrite).await?;
        let name = spec
            .name
            .clone()
            .unwrap_or_else(|| generate_name(self.ids()));
        let (workspace_id, wanted, asked) =
            (access.workspace_id().to_owned(), name.clone(), spec.clone());
        let known = access
            .read(move |tx| {
                if runs::place(tx, &wanted)?.is_some()
                    || jobs::find(tx, &workspace_id, &wanted)?.is_some()
                {
                    return Err(Error::already_exists("job", &wanted)
                        .in_field("name")
                        .hint("leave `name` out to get a new one"));
                }
                compute(tx, &workspace_id, &asked)?;
                resolve::look_up(tx, &workspace_id, &asked)
            })
            .await?;
        let staged = resolve_content::stage(&access, &spec, &known).await?;
        let prepared = Prepared {
            name: name.clone(),
            spec,
            staged,
            environment: known.environment,
            workspace: access.workspace().to_owned(),
            workspace_id: access.workspace_id().to_owned(),
            by: caller.principal_id().to_owned(),
            by_name: caller.name().to_owned(),
        };
        let made = access
            .write(format!("jobs/{name}"), move |tx, change| {
                write(tx, &prepared, change.now())
            })
            .await?;
        self.jobs().wake.notify_one();
        Ok(made)
    }
}

/// The compute the job is for. Azure's names for computes nobody made mean the workspace's own.
fn compute(tx: &mut Tx<'_>, workspace_id: &str, spec: &CommandJob) -> Result<String> {
    let asked = spec.compute_name().unwrap_or(compute_words::DEFAULT);
    if computes::find(tx, workspace_id, asked)?.is_some() {
        return Ok(asked.to_owned());
    }
    if compute_words::ALIASES.contains(&asked)
        && computes::find(tx, workspace_id, compute_words::DEFAULT)?.is_some()
    {
        return Ok(compute_words::DEFAULT.to_owned());
    }
    let known: Vec<String> = computes::list(tx, workspace_id, &ListSearch::first(10))?
        .into_iter()
        .map(|(compute, _)| format!("`{}`", compute.spec.name))
        .collect();
    let hint = match known.as_slice() {
        [] => "make one with `lazuli compute create`".to_owned(),
        known => format!("this workspace has {}", known.join(", ")),
    };
    Err(Error::not_found("compute", asked)
        .in_field("compute")
        .hint(hint))
}

fn write(tx: &mut Tx<'_>, prepared: &Prepared, now: Timestamp) -> Result<JobDetails> {
    let compute = compute(tx, &prepared.workspace_id, &prepared.spec)?;
    let experiment_name = prepared
        .spec
        .experiment_name
        .clone()
        .unwrap_or_else(|| DEFAULT_EXPERIMENT.to_owned());
    let experiment = experiment(tx, &prepared.workspace_id, &experiment_name, now)?;
    let display_name = prepared
        .spec
        .display_name
        .clone()
        .unwrap_or_else(|| prepared.name.clone());
    write_run(tx, prepared, experiment, &display_name, now)?;
    let outputs: BTreeMap<String, JobOutput> = prepared
        .spec
        .outputs
        .iter()
        .map(|(name, output)| (name.clone(), output.clone().unwrap_or_default()))
        .collect();
    let plan = plan(
        prepared,
        experiment.1,
        &experiment_name,
        &display_name,
        &outputs,
    );
    let spec = serde_json::to_string(&prepared.spec)
        .map_err(|error| Error::internal("a job cannot be written as JSON").caused_by(error))?;
    let row = JobRow {
        workspace_id: prepared.workspace_id.clone(),
        name: prepared.name.clone(),
        experiment_id: experiment.1.to_string(),
        experiment_name,
        display_name,
        description: prepared.spec.description.clone().unwrap_or_default(),
        compute,
        archived: false,
        spec,
        plan,
        properties: prepared.spec.properties.clone(),
        tags: prepared.spec.tags.clone(),
        created_at: now,
        created_by: prepared.by.clone(),
        modified_at: now,
        revision: 1,
        progress: Progress {
            state: JobState::Queued,
            phases: Phases {
                queued_at: Some(now),
                ..Phases::default()
            },
            node: None,
            handle: None,
            sequence: 0,
            seen_at: None,
            cancel_at: None,
            timeout_seconds: prepared
                .spec
                .timeout()
                .and_then(|seconds| i64::try_from(seconds).ok()),
            exit_code: None,
            error: None,
        },
        usage: None,
        environment: None,
        settled: false,
    };
    jobs::insert(tx, &row)?;
    for input in &prepared.staged.rows {
        jobs::insert_input(tx, &row.workspace_id, &row.name, input)?;
    }
    for (name, output) in outputs {
        let kind = output.kind.unwrap_or(PortType::UriFolder);
        let made = OutputRow {
            name,
            kind: kind.as_str().to_owned(),
            tree: None,
            asset: output.name,
            version: output.version,
        };
        jobs::insert_output(tx, &row.workspace_id, &row.name, &made)?;
    }
    let row = find(tx, &row.workspace_id, &row.name)?;
    details(tx, row, now)
}

/// The experiment of that name, made when there is none.
fn experiment(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    now: Timestamp,
) -> Result<(i64, ExperimentId)> {
    experiments::insert_default(tx, workspace_id, now)?;
    let row = if let Some(row) = experiments::find_by_name(tx, workspace_id, name)? {
        row
    } else {
        let new = NewExperiment {
            name: name.to_owned(),
            artifact_location: None,
            tags: Vec::new(),
        };
        let id = experiments::insert(tx, workspace_id, &new, now)?;
        experiments::find(tx, workspace_id, id)?
            .ok_or_else(|| Error::internal("an experiment just made is not there"))?
    };
    if row.experiment.lifecycle_stage == Lifecycle::Deleted {
        return Err(
            Error::conflict(format!("the experiment `{name}` is deleted"))
                .in_field("experiment_name")
                .hint("restore it, or name another"),
        );
    }
    Ok((row.experiment_no, row.experiment.experiment_id))
}

fn write_run(
    tx: &mut Tx<'_>,
    prepared: &Prepared,
    experiment: (i64, ExperimentId),
    display_name: &str,
    now: Timestamp,
) -> Result<()> {
    let new = NewRun {
        run_id: prepared.name.clone(),
        name: display_name.to_owned(),
        user_id: prepared.by_name.clone(),
        status: JobState::Queued.run_status(),
        start_time: now,
        artifact_uri: format!(
            "mlflow-artifacts:/{}/{}/artifacts",
            experiment.1, prepared.name
        ),
    };
    let run = runs::insert(tx, &prepared.workspace_id, experiment.0, experiment.1, &new)?;
    let own = [
        KeyValue::new(lazuli_spec::runs::TAG_RUN_NAME, display_name),
        KeyValue::new("mlflow.user", &prepared.by_name),
        KeyValue::new("mlflow.source.type", "JOB"),
        KeyValue::new("mlflow.source.name", first_line(&prepared.spec.command)),
    ];
    let given = prepared
        .spec
        .tags
        .iter()
        .map(|(key, value)| KeyValue::new(key, value));
    let tags: Vec<KeyValue> = own.into_iter().chain(given).collect();
    run_tags::set(tx, &run, &tags)?;
    Ok(())
}

fn first_line(command: &str) -> String {
    command
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(250)
        .collect()
}

fn plan(
    prepared: &Prepared,
    experiment: ExperimentId,
    experiment_name: &str,
    display_name: &str,
    outputs: &BTreeMap<String, JobOutput>,
) -> RunnerPlan {
    let file = |output: &JobOutput| output.kind == Some(PortType::UriFile);
    RunnerPlan {
        protocol: PROTOCOL,
        workspace: prepared.workspace.clone(),
        job: prepared.name.clone(),
        run_id: prepared.name.clone(),
        experiment_id: experiment.to_string(),
        experiment_name: experiment_name.to_owned(),
        display_name: display_name.to_owned(),
        command: prepared.spec.command.clone(),
        code_tree: prepared.staged.code_tree.clone(),
        environment: prepared.environment.clone(),
        environment_variables: prepared.spec.environment_variables.clone(),
        inputs: prepared.staged.inputs.clone(),
        outputs: outputs
            .iter()
            .map(|(name, output)| (name.clone(), PlanOutput { file: file(output) }))
            .collect(),
        timeout_seconds: prepared.spec.timeout(),
    }
}
