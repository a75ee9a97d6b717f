//! Runs: one execution that is tracked. A submitted job is a run with a job's row beside it; it is made and ended by the
//! `…_in` functions, inside the job's own transactions.

use lazuli_spec::experiments::{ExperimentId, Lifecycle};
use lazuli_spec::run_names::random_run_name;
use lazuli_spec::runs::{
    DatasetInput, KeyValue, ModelOutput, Run, RunInfo, RunStatus, TAG_LOGGED_MODELS,
    TAG_PARENT_RUN, TAG_RUN_NAME, clean_tag, validate_dataset,
};
use lazuli_spec::{Action, ErrorCode, Timestamp, python_json};
use lazuli_store::{datasets, run_tags, runs};

use crate::{Access, Caller, Core, Error, Result};

pub use crate::run_rows::{NewRun, advance_run_in, create_run_in, finish_run_in, set_run_tags_in};
pub(crate) use crate::run_rows::{Writer, run_not_found};

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
                let tag = KeyValue::new(TAG_LOGGED_MODELS, python_json::text(&models.into()));
                Ok(run_tags::set(tx, &run, &[clean_tag(tag, "")?])?)
            })
            .await
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
