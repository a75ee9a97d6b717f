//! Experiments: named groups of runs.

use lazuli_spec::experiments::{
    Experiment, ExperimentId, Lifecycle, View, validate_name, validate_tag,
};
use lazuli_spec::filters::{
    Comparison, OrderBy, Vocabulary, parse_filter, parse_order_by, vocabularies,
};
use lazuli_spec::invalid::Invalid;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::{Action, ErrorCode, Page, Timestamp};
use lazuli_store::Tx;
use lazuli_store::experiments::{self, ExperimentRow, ExperimentSearch};

pub use lazuli_store::experiments::NewExperiment;

use crate::tracking_pages::{read_place, write_place};
use crate::{Caller, Core, Error, Result};

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::new(ErrorCode::InvalidArgument, invalid.0)
    }
}

/// A search as a client words it.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// Which stages.
    pub view: View,
    /// The filter's text; empty for all.
    pub filter: String,
    /// The order's clauses.
    pub order_by: Vec<String>,
    /// How many at most.
    pub limit: u32,
    /// Where the page before ended.
    pub page_token: Option<String>,
}

impl SearchRequest {
    pub(crate) fn parsed(
        &self,
        vocabulary: &Vocabulary,
    ) -> Result<(Vec<Comparison>, Vec<OrderBy>)> {
        Ok((
            parse_filter(vocabulary, &self.filter)?,
            parse_order_by(vocabulary, &self.order_by)?,
        ))
    }

    /// What a page token must agree with.
    pub(crate) fn fingerprint(&self, kind: &str) -> Vec<String> {
        let view = format!("{:?}", self.view);
        let mut parts = vec![kind.to_owned(), view, self.filter.clone()];
        parts.extend(self.order_by.iter().cloned());
        parts
    }
}

impl Core {
    /// Makes an experiment.
    pub async fn create_experiment(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewExperiment,
    ) -> Result<ExperimentId> {
        validate_name(&new.name)?;
        new.tags.iter().try_for_each(validate_tag)?;
        let access = self
            .access(caller, workspace, Action::ExperimentsWrite)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .write(format!("experiments/{}", new.name), move |tx, change| {
                create_in(tx, &workspace_id, &new, change.now())
            })
            .await
    }

    /// The experiment with this id.
    pub async fn get_experiment(
        &self,
        caller: &Caller,
        workspace: &str,
        id: ExperimentId,
    ) -> Result<Experiment> {
        let access = self
            .access(caller, workspace, Action::ExperimentsRead)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| Ok(find(tx, &workspace_id, id, View::All)?.experiment))
            .await
    }

    /// The experiment with this name.
    pub async fn get_experiment_by_name(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<Experiment> {
        let access = self
            .access(caller, workspace, Action::ExperimentsRead)
            .await?;
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .read(move |tx| {
                let found = experiments::find_by_name(tx, &workspace_id, &name)?;
                let missing = || not_found(format!("Could not find experiment with name '{name}'"));
                Ok(found.ok_or_else(missing)?.experiment)
            })
            .await
    }

    /// Deletes or restores an experiment, and its runs with it.
    pub async fn set_experiment_lifecycle(
        &self,
        caller: &Caller,
        workspace: &str,
        id: ExperimentId,
        stage: Lifecycle,
    ) -> Result<()> {
        let access = self
            .access(caller, workspace, Action::ExperimentsDelete)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        let before = if stage == Lifecycle::Deleted {
            View::Active
        } else {
            View::Deleted
        };
        access
            .write(format!("experiments/{id}"), move |tx, change| {
                let found = find(tx, &workspace_id, id, before)?;
                Ok(experiments::set_lifecycle(
                    tx,
                    found.experiment_no,
                    stage,
                    change.now(),
                )?)
            })
            .await
    }

    /// Gives an experiment another name.
    pub async fn rename_experiment(
        &self,
        caller: &Caller,
        workspace: &str,
        id: ExperimentId,
        name: &str,
    ) -> Result<()> {
        validate_name(name)?;
        let access = self
            .access(caller, workspace, Action::ExperimentsWrite)
            .await?;
        if let Some(job) = access.caller().job() {
            let message = format!("the job `{}` may not rename experiments", job.job);
            return Err(Error::new(ErrorCode::PermissionDenied, message));
        }
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("experiments/{id}"), move |tx, change| {
                let found = find(tx, &workspace_id, id, View::All)?;
                if found.experiment.lifecycle_stage != Lifecycle::Active {
                    return Err(Error::conflict("Cannot rename a non-active experiment."));
                }
                let taken = experiments::find_by_name(tx, &workspace_id, &name)?;
                if taken.is_some_and(|other| other.experiment_no != found.experiment_no) {
                    return Err(already_exists(&name));
                }
                Ok(experiments::rename(
                    tx,
                    found.experiment_no,
                    &name,
                    change.now(),
                )?)
            })
            .await
    }

    /// Sets a tag of an experiment in use.
    pub async fn set_experiment_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        id: ExperimentId,
        tag: KeyValue,
    ) -> Result<()> {
        validate_tag(&tag)?;
        let access = self
            .access(caller, workspace, Action::ExperimentsWrite)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .log(move |tx| {
                let found = find(tx, &workspace_id, id, View::All)?;
                must_be_active(&found)?;
                Ok(experiments::set_tag(tx, found.experiment_no, &tag)?)
            })
            .await
    }

    /// Removes a tag of an experiment in use.
    pub async fn delete_experiment_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        id: ExperimentId,
        key: &str,
    ) -> Result<()> {
        let access = self
            .access(caller, workspace, Action::ExperimentsWrite)
            .await?;
        let (workspace_id, key) = (access.workspace_id().to_owned(), key.to_owned());
        access
            .log(move |tx| {
                let found = find(tx, &workspace_id, id, View::All)?;
                must_be_active(&found)?;
                if experiments::delete_tag(tx, found.experiment_no, &key)? {
                    return Ok(());
                }
                Err(not_found(format!(
                    "No tag with name: {key} in experiment with id {id}"
                )))
            })
            .await
    }

    /// A page of the experiments that fulfil a filter.
    pub async fn search_experiments(
        &self,
        caller: &Caller,
        workspace: &str,
        request: SearchRequest,
    ) -> Result<Page<Experiment>> {
        let (filter, order) = request.parsed(&vocabularies::EXPERIMENTS)?;
        let query = request.fingerprint("experiments");
        let after = request
            .page_token
            .as_deref()
            .map(|token| read_place(&query, token))
            .transpose()?;
        let access = self
            .access(caller, workspace, Action::ExperimentsRead)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        let (view, limit) = (request.view, request.limit);
        let search = ExperimentSearch {
            view,
            filter,
            order,
            limit,
            after,
        };
        let (items, next) = access
            .read(move |tx| Ok(experiments::search(tx, &workspace_id, &search)?))
            .await?;
        Ok(Page {
            items,
            next_page_token: next.map(|place| write_place(&query, &place)),
        })
    }
}

/// Adds an experiment, unless its name is taken.
pub fn create_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    new: &NewExperiment,
    now: Timestamp,
) -> Result<ExperimentId> {
    experiments::insert_default(tx, workspace_id, now)?;
    if experiments::find_by_name(tx, workspace_id, &new.name)?.is_some() {
        return Err(already_exists(&new.name));
    }
    // two at once in PostgreSQL: the second meets the unique index
    experiments::insert(tx, workspace_id, new, now).map_err(|error| {
        if error.is_unique_violation() {
            already_exists(&new.name)
        } else {
            error.into()
        }
    })
}

/// The experiment of that name, made when there is none: for jobs, which name theirs.
pub fn ensure_in(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    now: Timestamp,
) -> Result<ExperimentId> {
    validate_name(name)?;
    if let Some(found) = experiments::find_by_name(tx, workspace_id, name)? {
        must_be_active(&found)?;
        return Ok(found.experiment.experiment_id);
    }
    let new = NewExperiment {
        name: name.to_owned(),
        artifact_location: None,
        tags: Vec::new(),
    };
    create_in(tx, workspace_id, &new, now)
}

pub(crate) fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    id: ExperimentId,
    view: View,
) -> Result<ExperimentRow> {
    let found = experiments::find(tx, workspace_id, id)?;
    let shown = found.filter(|row| view.shows(row.experiment.lifecycle_stage));
    shown.ok_or_else(|| not_found(format!("No Experiment with id={id} exists")))
}

pub(crate) fn must_be_active(row: &ExperimentRow) -> Result<()> {
    let experiment = &row.experiment;
    if experiment.lifecycle_stage == Lifecycle::Active {
        return Ok(());
    }
    let message = format!(
        "The experiment {} must be in the 'active' state. Current state is {}.",
        experiment.experiment_id,
        experiment.lifecycle_stage.as_str()
    );
    Err(Error::new(ErrorCode::InvalidArgument, message))
}

pub(crate) fn not_found(message: String) -> Error {
    Error::new(ErrorCode::NotFound, message)
}

fn already_exists(name: &str) -> Error {
    Error::new(
        ErrorCode::AlreadyExists,
        format!("Experiment(name={name}) already exists."),
    )
}
