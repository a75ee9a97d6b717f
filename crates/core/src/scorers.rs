//! Scorers: registered in versions within an experiment, read, deleted. The server never runs one. Part of the MLflow dialect.

use lazuli_spec::experiments::{ExperimentId, Lifecycle};
use lazuli_spec::scorers::{self as rules, OnlineConfig, ScorerVersion};
use lazuli_spec::{Action, ErrorCode, limits};
use lazuli_store::{Tx, experiments, scorers as rows};

use crate::{Access, Caller, Core, Error, Result};

/// Most scorers in one answer.
const LISTED: u32 = 10_000;
/// Most scorers whose rules are asked for at once.
const CONFIGS: usize = 1_000;

/// Which scorers to list.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Those of all active experiments.
    All,
    /// Those of one experiment, which must be there and active.
    One(ExperimentId),
    /// Those of the active ones among some experiments.
    Some(Vec<ExperimentId>),
}

impl Core {
    /// Registers a scorer, or its next version.
    pub async fn register_scorer(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment: ExperimentId,
        name: &str,
        serialized: String,
    ) -> Result<ScorerVersion> {
        rules::name(name)?;
        rules::serialized(&serialized)?;
        let access = self.access(caller, workspace, Action::ScorersWrite).await?;
        let (id, name, new_id) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            self.ids().uuid(),
        );
        access
            .write(target(experiment, &name), move |tx, change| {
                let number = active(tx, &id, experiment)?;
                let scorer_id = rows::named(tx, &id, number, &name, &new_id)?;
                if scorer_id == new_id && rows::count(tx, number)? > rules::PER_EXPERIMENT {
                    return Err(full("an experiment", "scorers", rules::PER_EXPERIMENT));
                }
                let (count, highest) = rows::versions_of(tx, &scorer_id)?;
                if count >= rules::VERSIONS {
                    return Err(full("a scorer", "versions", rules::VERSIONS));
                }
                let version = highest + 1;
                rows::insert_version(tx, &scorer_id, version, &serialized, change.now())?;
                Ok(ScorerVersion {
                    scorer_id,
                    experiment_id: experiment,
                    name,
                    version,
                    serialized,
                    created_at: change.now(),
                })
            })
            .await
    }

    /// The latest version of every scorer, by experiment and name.
    pub async fn list_scorers(
        &self,
        caller: &Caller,
        workspace: &str,
        scope: Scope,
    ) -> Result<Vec<ScorerVersion>> {
        let access = self.access(caller, workspace, Action::ScorersRead).await?;
        let id = access.workspace_id().to_owned();
        access
            .read(move |tx| {
                let experiments = match scope {
                    Scope::All => None,
                    Scope::One(experiment) => {
                        active(tx, &id, experiment)?;
                        Some(vec![experiment])
                    }
                    Scope::Some(experiments) => Some(experiments),
                };
                Ok(rows::latest(tx, &id, experiments.as_deref(), LISTED)?)
            })
            .await
    }

    /// All versions of a scorer, oldest first.
    pub async fn list_scorer_versions(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment: ExperimentId,
        name: &str,
    ) -> Result<Vec<ScorerVersion>> {
        self.read_scorer(caller, workspace, experiment, name, |tx, scorer_id| {
            let versions = rows::versions(tx, scorer_id)?;
            Ok((!versions.is_empty()).then_some(versions))
        })
        .await
    }

    /// One version of a scorer, or its latest.
    pub async fn get_scorer(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment: ExperimentId,
        name: &str,
        version: Option<i64>,
    ) -> Result<ScorerVersion> {
        let wanted = name.to_owned();
        self.read_scorer(caller, workspace, experiment, name, move |tx, scorer_id| {
            let found = rows::version(tx, scorer_id, version)?;
            if found.is_none() && version.is_some() {
                return Err(missing(&wanted, version, experiment));
            }
            Ok(found)
        })
        .await
    }

    /// Deletes one version of a scorer, or all of it with its scoring rule.
    pub async fn delete_scorer(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment: ExperimentId,
        name: &str,
        version: Option<i64>,
    ) -> Result<()> {
        let action = Action::ScorersDelete;
        let access = self.access(caller, workspace, action).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(target(experiment, &name), move |tx, _| {
                let scorer_id = find(tx, &id, experiment, &name)?;
                if rows::delete(tx, &scorer_id, version)? {
                    return Ok(());
                }
                Err(missing(&name, version, experiment))
            })
            .await
    }

    /// The scoring rules of some scorers; those without one are left out.
    pub async fn online_scoring_configs(
        &self,
        caller: &Caller,
        workspace: &str,
        scorer_ids: Vec<String>,
    ) -> Result<Vec<OnlineConfig>> {
        if scorer_ids.len() > CONFIGS {
            let message = format!("at most {CONFIGS} `scorer_ids` may be asked for at once");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let access = self.access(caller, workspace, Action::ScorersRead).await?;
        let id = access.workspace_id().to_owned();
        access
            .read(move |tx| Ok(rows::configs(tx, &id, &scorer_ids)?))
            .await
    }

    /// Sets how much of an experiment's traffic a scorer judges by itself. Only "none of it" can be set: judging by itself
    /// needs a model behind a gateway, and this server has none.
    pub async fn set_online_scoring_config(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment: ExperimentId,
        name: &str,
        sample_rate: f64,
        filter: Option<String>,
    ) -> Result<OnlineConfig> {
        rules::sample_rate(sample_rate)?;
        let filter = filter.filter(|text| !text.is_empty());
        if let Some(filter) = &filter {
            limits::length("filter_string", rules::FILTER, filter)?;
        }
        let access = self.access(caller, workspace, Action::ScorersWrite).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        let config_id = self.ids().uuid_hex();
        access
            .write(target(experiment, &name), move |tx, _| {
                let config = OnlineConfig {
                    config_id,
                    scorer_id: find(tx, &id, experiment, &name)?,
                    experiment_id: experiment,
                    sample_rate,
                    filter,
                };
                if sample_rate > 0.0 {
                    return Err(not_by_itself(&name));
                }
                rows::set_config(tx, &config)?;
                Ok(config)
            })
            .await
    }

    async fn read_scorer<T: Send + 'static>(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment: ExperimentId,
        name: &str,
        read: impl FnOnce(&mut Tx<'_>, &str) -> Result<Option<T>> + Send + 'static,
    ) -> Result<T> {
        let access: Access = self.access(caller, workspace, Action::ScorersRead).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .read(move |tx| {
                let scorer_id = find(tx, &id, experiment, &name)?;
                read(tx, &scorer_id)?.ok_or_else(|| missing(&name, None, experiment))
            })
            .await
    }
}

fn target(experiment: ExperimentId, name: &str) -> String {
    format!("experiments/{experiment}/scorers/{name}")
}

/// The number of an experiment, which must be there and in use.
fn active(tx: &mut Tx<'_>, workspace_id: &str, id: ExperimentId) -> Result<i64> {
    let found = experiments::find(tx, workspace_id, id)?.ok_or_else(|| {
        Error::new(
            ErrorCode::NotFound,
            format!("No Experiment with id={id} exists"),
        )
    })?;
    if found.experiment.lifecycle_stage == Lifecycle::Active {
        return Ok(found.experiment_no);
    }
    let message =
        format!("The experiment {id} must be in the 'active' state. Current state is deleted.");
    Err(Error::new(ErrorCode::InvalidArgument, message))
}

fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    experiment: ExperimentId,
    name: &str,
) -> Result<String> {
    let number = active(tx, workspace_id, experiment)?;
    rows::find(tx, number, name)?.ok_or_else(|| missing(name, None, experiment))
}

fn missing(name: &str, version: Option<i64>, experiment: ExperimentId) -> Error {
    let which = version.map_or_else(String::new, |version| format!(" and version {version}"));
    let message =
        format!("Scorer with name '{name}'{which} not found for experiment {experiment}.");
    Error::new(ErrorCode::NotFound, message)
}

fn full(what: &str, of: &str, limit: i64) -> Error {
    let message = format!("{what} has at most {limit} {of}: delete one first");
    Error::new(ErrorCode::InvalidArgument, message)
}

fn not_by_itself(name: &str) -> Error {
    let message = format!(
        "Scorer '{name}' does not use a gateway model. Automatic evaluation is only supported for scorers that use gateway models, and this server has no gateway"
    );
    Error::new(ErrorCode::InvalidArgument, message)
        .hint("run `mlflow.genai.evaluate` on the traces instead, for example in a job")
}

#[cfg(test)]
#[path = "scorers_tests.rs"]
mod tests;
