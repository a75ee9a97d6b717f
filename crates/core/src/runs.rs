//! Runs: one execution that is tracked. A submitted job is a run with a job's row beside it; it is made and ended by the
//! `…_in` functions here, inside the job's own transactions.

use lazuli_spec::experiments::{ExperimentId, Lifecycle};
use lazuli_spec::run_names::random_run_name;
use lazuli_spec::runs::{
    DatasetInput, KeyValue, ModelOutput, Run, RunInfo, RunStatus, TAG_LOGGED_MODELS,
    TAG_PARENT_RUN, TAG_RUN_NAME, clean_tag, validate_dataset,
};
use lazuli_spec::{Action, ErrorCode, Timestamp};
use lazuli_store::experiments::ExperimentRow;
use lazuli_store::runs::RunRef;
use lazuli_store::{Tx, datasets, run_tags, runs};

use crate::experiments::{find as find_experiment, must_be_active, not_found};
use crate::{Access, Caller, Core, Error, Result};

/// A run to be made.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id; for a job, the job's name.
    pub run_id: String,
    /// Its name.
    pub name: String,
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Who the client says it is.
    pub user_id: String,
    /// Where it stands at first.
    pub status: RunStatus,
    /// When it starts, or was submitted.
    pub start_time: Timestamp,
    /// Its tags.
    pub tags: Vec<KeyValue>,
}

/// What a client asks of a new run.
#[derive(Clone, Debug, Default)]
pub struct CreateRun {
    /// Its name; one is made up when absent.
    pub name: Option<String>,
    /// Its experiment; the default one when absent.
    pub experiment_id: Option<ExperimentId>,
    /// Who the client says it is.
    pub user_id: String,
    /// When it starts; now when absent.
    pub start_time: Option<Timestamp>,
    /// Its tags.
    pub tags: Vec<KeyValue>,
}

/// What is to change of a run. Absent values stay.
#[derive(Clone, Debug, Default)]
pub struct RunUpdate {
    /// Where it stands.
    pub status: Option<RunStatus>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Its name.
    pub name: Option<String>,
}

/// Who writes, as far as the run's own rules go: a job's token speaks for that job's run and the runs below it.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) workspace_id: String,
    job: Option<String>,
}

impl Writer {
    pub(crate) fn of(access: &Access) -> Self {
        let job = access.caller().job().map(|identity| identity.job.clone());
        Self {
            workspace_id: access.workspace_id().to_owned(),
            job,
        }
    }

    /// The run, if this writer may write to it and it is in use.
    pub(crate) fn active(&self, tx: &mut Tx<'_>, run_id: &str) -> Result<RunRef> {
        let run = self.any(tx, run_id)?;
        if run.lifecycle_stage == Lifecycle::Active {
            return Ok(run);
        }
        let message = format!(
            "The run {run_id} must be in the 'active' state. Current state is {}.",
            run.lifecycle_stage.as_str()
        );
        Err(Error::new(ErrorCode::InvalidArgument, message))
    }

    /// The run, if this writer may write to it.
    pub(crate) fn any(&self, tx: &mut Tx<'_>, run_id: &str) -> Result<RunRef> {
        let run = runs::find(tx, &self.workspace_id, run_id, true)?
            .ok_or_else(|| run_not_found(run_id))?;
        match &self.job {
            Some(job) if job != run_id && !is_below(tx, &self.workspace_id, &run, job)? => {
                Err(Error::new(
                    ErrorCode::PermissionDenied,
                    format!(
                        "the job `{job}` may write to its own run and the runs below it, not to `{run_id}`"
                    ),
                ))
            }
            _ => Ok(run),
        }
    }
}

/// Whether a run is below another, by the tags that name parents.
fn is_below(tx: &mut Tx<'_>, workspace_id: &str, run: &RunRef, ancestor: &str) -> Result<bool> {
    let mut current = run.clone();
    for _ in 0..16 {
        let Some(parent) = run_tags::get(tx, &current, TAG_PARENT_RUN)? else {
            return Ok(false);
        };
        if parent == ancestor {
            return Ok(true);
        }
        match runs::find(tx, workspace_id, &parent, false)? {
            Some(next) => current = next,
            None => return Ok(false),
        }
    }
    Ok(false)
}

impl Core {
    /// Makes a run. One that a job makes is a child of the job's run.
    pub async fn create_run(
        &self,
        caller: &Caller,
        workspace: &str,
        asked: CreateRun,
    ) -> Result<Run> {
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let new = self.plan_run(&access, asked)?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .log(move |tx| create_run_in(tx, &workspace_id, new))
            .await
    }

    fn plan_run(&self, access: &Access, asked: CreateRun) -> Result<NewRun> {
        let mut tags = asked.tags;
        let tag = tags
            .iter()
            .find(|tag| tag.key == TAG_RUN_NAME)
            .map(|tag| tag.value.clone());
        let name = asked.name.filter(|name| !name.is_empty());
        if let (Some(name), Some(tag)) = (&name, &tag)
            && name != tag
            && !tag.is_empty()
        {
            let message = format!(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='{name}', mlflow.runName='{tag}')."
            );
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let name = name
            .or(tag.filter(|tag| !tag.is_empty()))
            .unwrap_or_else(|| random_run_name(self.ids()));
        if let Some(job) = access.caller().job()
            && !tags.iter().any(|tag| tag.key == TAG_PARENT_RUN)
        {
            tags.push(KeyValue::new(TAG_PARENT_RUN, &job.job));
        }
        Ok(NewRun {
            run_id: self.ids().uuid_hex(),
            name,
            experiment_id: asked.experiment_id.unwrap_or(ExperimentId::DEFAULT),
            user_id: asked.user_id,
            status: RunStatus::Running,
            start_time: asked.start_time.unwrap_or_else(|| self.now()),
            tags,
        })
    }

    /// A run with all it logged.
    pub async fn get_run(&self, caller: &Caller, workspace: &str, run_id: &str) -> Result<Run> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let (workspace_id, run_id) = (access.workspace_id().to_owned(), run_id.to_owned());
        access
            .read(move |tx| {
                runs::load(tx, &workspace_id, &run_id)?.ok_or_else(|| run_not_found(&run_id))
            })
            .await
    }

    /// Changes a run's state or name.
    pub async fn update_run(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        update: RunUpdate,
    ) -> Result<RunInfo> {
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let (writer, run_id) = (Writer::of(&access), run_id.to_owned());
        access
            .log(move |tx| {
                let run = writer.active(tx, &run_id)?;
                let name = update.name.as_deref().filter(|name| !name.is_empty());
                runs::update(tx, &run, update.status, update.end_time, name)?;
                runs::info(tx, &writer.workspace_id, &run_id)?.ok_or_else(|| run_not_found(&run_id))
            })
            .await
    }

    /// Deletes or restores a run.
    pub async fn set_run_lifecycle(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        stage: Lifecycle,
    ) -> Result<()> {
        let access = self.access(caller, workspace, Action::RunsDelete).await?;
        let (writer, run_id) = (Writer::of(&access), run_id.to_owned());
        access
            .write(format!("runs/{run_id}"), move |tx, change| {
                let run = writer.any(tx, &run_id)?;
                Ok(runs::set_lifecycle(tx, &run, stage, change.now())?)
            })
            .await
    }

    /// Says what a run read.
    pub async fn log_inputs(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        inputs: Vec<DatasetInput>,
        models: Vec<String>,
    ) -> Result<()> {
        lazuli_spec::runs::validate_id(run_id)?;
        inputs.iter().try_for_each(validate_dataset)?;
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let (writer, run_id) = (Writer::of(&access), run_id.to_owned());
        access
            .log(move |tx| {
                let run = writer.active(tx, &run_id)?;
                inputs
                    .iter()
                    .try_for_each(|input| datasets::log_input(tx, &run, input))?;
                Ok(models
                    .iter()
                    .try_for_each(|model| datasets::log_model_input(tx, &run, model))?)
            })
            .await
    }

    /// Says which logged models a run wrote.
    pub async fn log_outputs(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        models: Vec<ModelOutput>,
    ) -> Result<()> {
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let (writer, run_id) = (Writer::of(&access), run_id.to_owned());
        access
            .log(move |tx| {
                let run = writer.active(tx, &run_id)?;
                Ok(models
                    .iter()
                    .try_for_each(|model| datasets::log_model_output(tx, &run, model))?)
            })
            .await
    }

    /// Adds a model to a run's history of logged models, as older clients do; `model` is a JSON object.
    pub async fn record_logged_model(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        model: serde_json::Value,
    ) -> Result<()> {
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let (writer, run_id) = (Writer::of(&access), run_id.to_owned());
        access
            .log(move |tx| {
                let run = writer.active(tx, &run_id)?;
                let before = run_tags::get(tx, &run, TAG_LOGGED_MODELS)?;
                let mut models: Vec<serde_json::Value> = before
                    .and_then(|text| serde_json::from_str(&text).ok())
                    .unwrap_or_default();
                models.push(model);
                let tag = KeyValue::new(
                    TAG_LOGGED_MODELS,
                    serde_json::Value::from(models).to_string(),
                );
                Ok(run_tags::set(tx, &run, &[clean_tag(tag, "")?])?)
            })
            .await
    }
}

/// Adds a run to an experiment in use. The run's name becomes a tag as well.
pub fn create_run_in(tx: &mut Tx<'_>, workspace_id: &str, new: NewRun) -> Result<Run> {
    if new.experiment_id == ExperimentId::DEFAULT {
        lazuli_store::experiments::insert_default(tx, workspace_id, new.start_time)?;
    }
    let experiment = find_experiment(
        tx,
        workspace_id,
        new.experiment_id,
        lazuli_spec::experiments::View::All,
    )?;
    must_be_active(&experiment)?;
    let mut tags = clean_tags(new.tags)?;
    tags.retain(|tag| tag.key != TAG_RUN_NAME);
    tags.push(KeyValue::new(TAG_RUN_NAME, &new.name));
    let row = runs::NewRun {
        artifact_uri: artifact_uri(&experiment, &new.run_id),
        run_id: new.run_id,
        name: new.name,
        user_id: new.user_id,
        status: new.status,
        start_time: Timestamp::from_millis(new.start_time.as_millis()),
    };
    let run = runs::insert(
        tx,
        workspace_id,
        experiment.experiment_no,
        new.experiment_id,
        &row,
    )
    .map_err(|error| {
        if error.is_unique_violation() {
            Error::already_exists("run", &row.run_id)
        } else {
            error.into()
        }
    })?;
    run_tags::set(tx, &run, &tags)?;
    runs::load(tx, workspace_id, &row.run_id)?.ok_or_else(|| run_not_found(&row.run_id))
}

/// Moves a run on: to `RUNNING` when its job starts, to an end state with the time when it ends.
pub fn advance_run_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
    status: RunStatus,
    now: Timestamp,
) -> Result<()> {
    let run = runs::find(tx, workspace_id, run_id, true)?.ok_or_else(|| run_not_found(run_id))?;
    let now = Timestamp::from_millis(now.as_millis());
    if status == RunStatus::Running && run.status == RunStatus::Scheduled {
        runs::set_start(tx, &run, now)?;
    }
    Ok(runs::update(
        tx,
        &run,
        Some(status),
        status.is_terminal().then_some(now),
        None,
    )?)
}

/// Ends a run.
pub fn finish_run_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
    status: RunStatus,
    now: Timestamp,
) -> Result<()> {
    advance_run_in(tx, workspace_id, run_id, status, now)
}

/// Sets tags of a run, whatever its stage.
pub fn set_run_tags_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    run_id: &str,
    tags: Vec<KeyValue>,
) -> Result<()> {
    let run = runs::find(tx, workspace_id, run_id, true)?.ok_or_else(|| run_not_found(run_id))?;
    Ok(run_tags::set(tx, &run, &clean_tags(tags)?)?)
}

fn clean_tags(tags: Vec<KeyValue>) -> Result<Vec<KeyValue>> {
    let clean = tags
        .into_iter()
        .map(|tag| clean_tag(tag, ""))
        .collect::<Result<_, _>>();
    Ok(clean?)
}

fn artifact_uri(experiment: &ExperimentRow, run_id: &str) -> String {
    let location = experiment.experiment.artifact_location.as_str();
    let (location, query) = location
        .split_once('?')
        .map_or((location, None), |(path, query)| (path, Some(query)));
    let root = format!("{}/{run_id}/artifacts", location.trim_end_matches('/'));
    query.map_or(root.clone(), |query| format!("{root}?{query}"))
}

pub(crate) fn run_not_found(run_id: &str) -> Error {
    not_found(format!("Run with id={run_id} not found"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lazuli_store::testing::{each_backend, run};

    use super::*;
    use crate::caller::JobIdentity;
    use crate::testing::TestCore;

    const WS: &str = "default";

    async fn job_of(test: &TestCore, job: &str) -> Caller {
        let access = test
            .core
            .access(&test.admin, WS, Action::RunsWrite)
            .await
            .unwrap();
        let mut caller = test.admin.clone();
        caller.job = Some(Arc::new(JobIdentity {
            workspace_id: access.workspace_id().to_owned(),
            job: job.to_owned(),
        }));
        caller
    }

    #[test]
    fn a_job_writes_to_its_own_run_and_those_below_it() {
        run(async {
            let test = TestCore::start().await;
            let make = || test.core.create_run(&test.admin, WS, CreateRun::default());
            let (own, other) = (
                make().await.unwrap().info.run_id,
                make().await.unwrap().info.run_id,
            );
            let job = job_of(&test, &own).await;
            let log = async |run_id: &str| {
                let param = KeyValue::new("p", "1");
                test.core
                    .log_param(&job, WS, run_id, param)
                    .await
                    .map_err(|error| error.code)
            };
            assert_eq!(log(&own).await, Ok(()));
            assert_eq!(log(&other).await, Err(ErrorCode::PermissionDenied));
            let child = test
                .core
                .create_run(&job, WS, CreateRun::default())
                .await
                .unwrap();
            assert!(child.tags.contains(&KeyValue::new(TAG_PARENT_RUN, &own)));
            assert_eq!(log(&child.info.run_id).await, Ok(()));
            let path = format!("0/{other}/artifacts/x");
            let body =
                futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"x"))]);
            let refused = test
                .core
                .put_artifact(&job, WS, &path, body)
                .await
                .unwrap_err();
            assert_eq!(refused.code, ErrorCode::PermissionDenied);
        });
    }

    #[test]
    fn a_job_s_run_is_scheduled_started_and_ended_inside_its_own_transactions() {
        each_backend(|store| async move {
            let test = TestCore::over(store).await;
            let access = test
                .core
                .access(&test.admin, WS, Action::RunsWrite)
                .await
                .unwrap();
            let workspace_id = access.workspace_id().to_owned();
            let new = NewRun {
                run_id: "my-job".to_owned(),
                name: "My job".to_owned(),
                experiment_id: ExperimentId::DEFAULT,
                user_id: "ada".to_owned(),
                status: RunStatus::Scheduled,
                start_time: Timestamp::from_millis(1),
                tags: Vec::new(),
            };
            let again = new.clone();
            let id = workspace_id.clone();
            access
                .log(move |tx| {
                    create_run_in(tx, &id, new)?;
                    advance_run_in(
                        tx,
                        &id,
                        "my-job",
                        RunStatus::Running,
                        Timestamp::from_millis(5),
                    )?;
                    finish_run_in(
                        tx,
                        &id,
                        "my-job",
                        RunStatus::Failed,
                        Timestamp::from_millis(9),
                    )
                })
                .await
                .unwrap();
            let info = test
                .core
                .get_run(&test.admin, WS, "my-job")
                .await
                .unwrap()
                .info;
            assert_eq!(
                (info.status, info.start_time),
                (RunStatus::Failed, Timestamp::from_millis(5))
            );
            assert_eq!(info.end_time, Some(Timestamp::from_millis(9)));
            let taken = access
                .log(move |tx| create_run_in(tx, &workspace_id, again))
                .await
                .unwrap_err();
            assert_eq!(taken.code, ErrorCode::AlreadyExists);
        });
    }
}
