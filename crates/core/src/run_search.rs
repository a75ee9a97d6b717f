//! Searching runs, and summaries over the runs of experiments.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::vocabularies;
use lazuli_spec::runs::Run;
use lazuli_spec::{Action, Page};
use lazuli_store::datasets;
use lazuli_store::run_search::{Place, RunSearch};
use lazuli_store::{Value, experiments, run_search, runs};

use crate::experiments::SearchRequest;
use crate::tracking_pages::{read_place, write_place};
use crate::{Caller, Core, Result};

pub use lazuli_store::datasets::DatasetSummary;

impl Core {
    /// A page of the runs of some experiments that fulfil a filter. Experiments that do not exist have none.
    pub async fn search_runs(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment_ids: Vec<ExperimentId>,
        request: SearchRequest,
    ) -> Result<Page<Run>> {
        let (filter, order) = request.parsed(&vocabularies::RUNS)?;
        let mut query = request.fingerprint("runs");
        query.extend(experiment_ids.iter().map(ToString::to_string));
        let after = request
            .page_token
            .as_deref()
            .map(|token| read_place(&query, token))
            .transpose()?;
        let after = after.and_then(to_place);
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        let (view, limit) = (request.view, request.limit);
        let (items, next) = access
            .read(move |tx| {
                let experiments = experiments::numbers(tx, &workspace_id, &experiment_ids)?;
                let search = RunSearch {
                    experiments,
                    view,
                    filter,
                    order,
                    limit,
                    after,
                };
                let found = run_search::search(tx, &search)?;
                Ok((runs::fill(tx, found.runs)?, found.next))
            })
            .await?;
        Ok(Page {
            items,
            next_page_token: next.map(|place| write_place(&query, &from_place(place))),
        })
    }

    /// The data sets that runs of some experiments read.
    pub async fn search_datasets(
        &self,
        caller: &Caller,
        workspace: &str,
        experiment_ids: Vec<ExperimentId>,
    ) -> Result<Vec<(ExperimentId, DatasetSummary)>> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| {
                let mut found = Vec::new();
                for id in experiment_ids {
                    for number in experiments::numbers(tx, &workspace_id, &[id])? {
                        let summaries = datasets::summaries(tx, number)?;
                        found.extend(summaries.into_iter().map(|summary| (id, summary)));
                    }
                }
                Ok(found)
            })
            .await
    }
}

/// The first value of a token is the phase.
fn to_place(mut values: Vec<Value>) -> Option<Place> {
    let phase = match values.first() {
        Some(Value::Integer(phase)) => usize::try_from(*phase).ok()?,
        _ => return None,
    };
    values.remove(0);
    Some(Place { phase, key: values })
}

fn from_place(place: Place) -> Vec<Value> {
    let mut values = vec![Value::Integer(place.phase as i64)];
    values.extend(place.key);
    values
}
