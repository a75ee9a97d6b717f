//! `/mlflow/scorers/…`

use axum::Json;
use axum::http::Method;
use lazuli_core::scorers::Scope;
use lazuli_spec::Action;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::scorers::{OnlineConfig, ScorerVersion};
use serde_json::{Value, json};

use super::errors::MlflowResult;
use super::json::{Message, invalid, missing};
use super::registered_models::{given, paged};
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::ScorersRead);
const WRITE: Permission = Permission::Workspace(Action::ScorersWrite);
const DELETE: Permission = Permission::Workspace(Action::ScorersDelete);

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "3.0/mlflow/scorers/");
    paths.add(Method::POST, "register", WRITE, register);
    paths.add(Method::GET, "list", READ, list);
    paths.add(Method::GET, "versions", READ, versions);
    paths.add(Method::GET, "get", READ, get);
    paths.add(Method::DELETE, "delete", DELETE, delete);
    paths.add(Method::GET, "online-configs", READ, online_configs);
    paths.add(Method::PUT, "online-config", WRITE, set_online_config);
}

async fn register(call: Call) -> Answer {
    let (experiment, name) = (experiment(&call.fields)?, name(&call.fields)?);
    let text = call.fields.required("serialized_scorer")?.to_owned();
    let scorer = call
        .core
        .register_scorer(&call.caller, &call.workspace, experiment, name, text)
        .await?;
    Ok(Json(json!({
        "version": scorer.version,
        "scorer_id": scorer.scorer_id,
        "experiment_id": scorer.experiment_id,
        "name": scorer.name,
        "serialized_scorer": scorer.serialized,
        "creation_time": scorer.created_at.as_millis(),
    })))
}

async fn list(call: Call) -> Answer {
    let scorers = call
        .core
        .list_scorers(&call.caller, &call.workspace, scope(&call.fields)?)
        .await?;
    let scorers = scorers.iter().map(shown).collect();
    Ok(Json(paged("scorers", scorers, None)))
}

async fn versions(call: Call) -> Answer {
    let (experiment, name) = (experiment(&call.fields)?, name(&call.fields)?);
    let versions = call
        .core
        .list_scorer_versions(&call.caller, &call.workspace, experiment, name)
        .await?;
    let versions = versions.iter().map(shown).collect();
    Ok(Json(paged("scorers", versions, None)))
}

async fn get(call: Call) -> Answer {
    let (experiment, name) = (experiment(&call.fields)?, name(&call.fields)?);
    let version = call.fields.int("version")?;
    let scorer = call
        .core
        .get_scorer(&call.caller, &call.workspace, experiment, name, version)
        .await?;
    Ok(Json(json!({ "scorer": shown(&scorer) })))
}

async fn delete(call: Call) -> Answer {
    let (experiment, name) = (experiment(&call.fields)?, name(&call.fields)?);
    let version = call.fields.int("version")?;
    call.core
        .delete_scorer(&call.caller, &call.workspace, experiment, name, version)
        .await?;
    Ok(Json(json!({})))
}

async fn online_configs(call: Call) -> Answer {
    let ids = call.fields.query_texts("scorer_ids")?;
    if ids.is_empty() {
        return Err(missing("scorer_ids"));
    }
    let configs = call
        .core
        .online_scoring_configs(&call.caller, &call.workspace, ids)
        .await?;
    let configs: Vec<Value> = configs.into_iter().map(config_shown).collect();
    Ok(Json(json!({ "configs": configs })))
}

async fn set_online_config(call: Call) -> Answer {
    let (experiment, name) = (experiment(&call.fields)?, name(&call.fields)?);
    let rate = call.fields.float("sample_rate")?;
    let rate = rate.ok_or_else(|| missing("sample_rate"))?;
    let filter = given(&call.fields, "filter_string")?;
    let config = call
        .core
        .set_online_scoring_config(
            &call.caller,
            &call.workspace,
            experiment,
            name,
            rate,
            filter,
        )
        .await?;
    Ok(Json(json!({ "config": config_shown(config) })))
}

fn scope(fields: &Message) -> MlflowResult<Scope> {
    let one = given(fields, "experiment_id")?;
    let many = fields.get("experiment_ids").is_some();
    match one {
        Some(_) if many => Err(invalid(
            "Cannot specify both 'experiment_id' and 'experiment_ids': the first names one experiment, the second several",
        )),
        Some(id) => Ok(Scope::One(ExperimentId::parse(&id)?)),
        None if many => {
            let ids = fields.query_texts("experiment_ids")?;
            Ok(Scope::Some(lazuli_spec::evaluation_datasets::experiments(
                &ids,
            )?))
        }
        None => Ok(Scope::All),
    }
}

fn experiment(fields: &Message) -> MlflowResult<ExperimentId> {
    Ok(ExperimentId::parse(fields.required("experiment_id")?)?)
}

fn name(fields: &Message) -> MlflowResult<&str> {
    // an empty name has a complaint of its own
    fields.text("name")?.ok_or_else(|| missing("name"))
}

/// A scorer as clients read it; here the experiment's id is a number.
fn shown(scorer: &ScorerVersion) -> Value {
    json!({
        "experiment_id": scorer.experiment_id.0,
        "scorer_name": scorer.name,
        "scorer_version": scorer.version,
        "serialized_scorer": scorer.serialized,
        "creation_time": scorer.created_at.as_millis(),
        "scorer_id": scorer.scorer_id,
    })
}

fn config_shown(config: OnlineConfig) -> Value {
    let mut answer = json!({
        "online_scoring_config_id": config.config_id,
        "scorer_id": config.scorer_id,
        "sample_rate": config.sample_rate,
        "experiment_id": config.experiment_id,
    });
    if let Some(filter) = config.filter {
        answer["filter_string"] = filter.into();
    }
    answer
}
