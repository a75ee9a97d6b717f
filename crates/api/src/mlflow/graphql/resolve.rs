//! What the root fields answer: each asks the core as the REST endpoint of the same name does, with the same checks.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use lazuli_core::models::SearchRequest;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::runs::Run;
use serde_json::{Map, Value, json};

use super::plan::Picked;
use super::schema::Source;
use crate::mlflow::errors::MlflowResult;
use crate::mlflow::json::{Message, invalid, missing};
use crate::mlflow::views::{ExperimentView, PointView, RunView};
use crate::mlflow::{Call, artifacts, experiments, metric_history, model_versions, runs};

/// Items of a list, made one at a time: a page of runs is held once, not twice.
type Items = Box<dyn Fn(usize) -> Option<Value> + Send + Sync>;

/// What a root field answers.
#[derive(Default)]
pub(super) struct Answer {
    /// The fields.
    pub fields: Value,
    /// The list among them that may be long.
    pub items: Option<(&'static str, Items)>,
    /// What belongs to the runs in it.
    pub beside: Beside,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// What runs are shown with, by experiment and by run.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub experiments: HashMap<String, Value>,
    /// None where they could not be read.
    pub versions: Option<HashMap<String, Vec<Value>>>,
    /// What could not be read, and why.
    pub errors: Vec<String>,
}

impl From<Value> for Answer {
    fn from(fields: Value) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }
}

/// Answers a root field.
pub(super) async fn resolve(call: &Call, picked: &Picked) -> MlflowResult<Answer> {
    let name = picked.field.name;
    if let "test" | "testMutation" = name {
        let said = picked.arguments.get("inputString");
        let said = said.ok_or_else(|| missing("inputString"))?;
        return Ok(json!({ "output": said }).into());
    }
    let Some(Value::Object(input)) = picked.arguments.get("input") else {
        return Err(missing("input"));
    };
    let call = asking(call, input.clone());
    match name {
        "mlflowGetExperiment" => {
            let found = experiments::found(&call).await?;
            Ok(json!({ "experiment": ExperimentView::from(&found) }).into())
        }
        "mlflowGetRun" => {
            let run = runs::found(&call).await?;
            let mut answer = Answer::from(json!({ "run": RunView::from(&run) }));
            answer.beside = beside(&call, picked, std::slice::from_ref(&run)).await;
            Ok(answer)
        }
        "mlflowSearchRuns" => search_runs(&call, picked).await,
        "mlflowListArtifacts" => Ok(artifacts::listed(&call).await?.into()),
        "mlflowSearchDatasets" => {
            let summaries = experiments::dataset_summaries(&call).await?;
            Ok(json!({ "dataset_summaries": summaries }).into())
        }
        "mlflowSearchModelVersions" => Ok(model_versions::searched(&call).await?.into()),
        "mlflowGetMetricHistoryBulkInterval" => metric_histories(&call).await,
        _ => Err(invalid(format!("`{name}` is not served"))),
    }
}

/// The same caller's request with other fields.
fn asking(call: &Call, fields: Map<String, Value>) -> Call {
    Call {
        core: call.core.clone(),
        caller: call.caller.clone(),
        workspace: call.workspace.clone(),
        fields: Message::new(fields),
    }
}

async fn search_runs(call: &Call, picked: &Picked) -> MlflowResult<Answer> {
    let page = runs::searched(call).await?;
    let beside = beside(call, picked, &page.items).await;
    let runs = page.items;
    let items: Items = Box::new(move |place| Some(json!(RunView::from(runs.get(place)?))));
    Ok(Answer {
        fields: json!({ "next_page_token": page.next_page_token.unwrap_or_default() }),
        items: Some(("runs", items)),
        beside,
    })
}

async fn metric_histories(call: &Call) -> MlflowResult<Answer> {
    let (key, curves) = metric_history::bulk_interval(call).await?;
    let places = curves.iter().enumerate();
    let places = places.flat_map(|(curve, of)| (0..of.points.len()).map(move |at| (curve, at)));
    let places: Vec<(usize, usize)> = places.collect();
    let items: Items = Box::new(move |place| {
        let (curve, at) = places.get(place)?;
        let curve = curves.get(*curve)?;
        let point = curve.points.get(*at)?;
        Some(json!(PointView::new(&key, *point, Some(&curve.run_id))))
    });
    Ok(Answer {
        fields: json!({}),
        items: Some(("metrics", items)),
        beside: Beside::default(),
    })
}

/// Reads what runs are to be shown with: each experiment once, and the model versions of all runs together.
async fn beside(call: &Call, picked: &Picked, runs: &[Run]) -> Beside {
    let chosen = |source| {
        let of_runs = picked.below.iter().flat_map(|list| &list.below);
        of_runs
            .into_iter()
            .any(|field| field.field.source == source)
    };
    let mut beside = Beside::default();
    if chosen(Source::ExperimentOfRun) {
        let ids: BTreeSet<_> = runs
            .iter()
            .map(|run| run.info.experiment_id.to_string())
            .collect();
        for id in ids {
            match experiment(call, &id).await {
                Ok(found) => drop(beside.experiments.insert(id, found)),
                Err(error) => beside.errors.push(error.told()),
            }
        }
    }
    if chosen(Source::VersionsOfRun) {
        match versions(call, runs).await {
            Ok(found) => beside.versions = Some(found),
            Err(error) => beside.errors.push(error.told()),
        }
    }
    beside
}

async fn experiment(call: &Call, id: &str) -> MlflowResult<Value> {
    let id = ExperimentId::parse(id)?;
    let found = call
        .core
        .get_experiment(&call.caller, &call.workspace, id)
        .await?;
    Ok(json!(ExperimentView::from(&found)))
}

/// Runs that one search of versions asks about.
const RUNS_AT_ONCE: usize = 500;
/// Versions on a page of that search, and in one answer at the most.
const PAGE: u32 = 10_000;
const MOST_VERSIONS: usize = 100_000;

async fn versions(call: &Call, runs: &[Run]) -> MlflowResult<HashMap<String, Vec<Value>>> {
    let mut found: HashMap<String, Vec<Value>> = HashMap::new();
    let mut count = 0;
    for some in runs.chunks(RUNS_AT_ONCE) {
        let ids: Vec<String> = some
            .iter()
            .map(|run| format!("'{}'", run.info.run_id.replace('\'', "")))
            .collect();
        let mut request = SearchRequest {
            filter: format!("run_id IN ({})", ids.join(", ")),
            max_results: PAGE,
            ..SearchRequest::default()
        };
        loop {
            let page = call
                .core
                .search_model_versions(&call.caller, &call.workspace, request.clone())
                .await?;
            count += page.items.len();
            if count > MOST_VERSIONS {
                return Err(invalid(format!(
                    "these runs have more than {MOST_VERSIONS} model versions: ask for fewer runs"
                )));
            }
            for version in page.items {
                let run = version.run_id.clone().unwrap_or_default();
                found
                    .entry(run)
                    .or_default()
                    .push(model_versions::shown(version));
            }
            match page.next_page_token {
                Some(token) => request.page_token = Some(token),
                None => break,
            }
        }
    }
    Ok(found)
}
