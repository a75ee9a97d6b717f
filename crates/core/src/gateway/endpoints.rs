//! Endpoints: their models and tags.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::gateway::Stamps;
use lazuli_spec::gateway::endpoints::{
    self as rules, Endpoint, Fallback, Linkage, Mapping, ModelConfig, RoutingStrategy,
};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::{Action, ErrorCode, Timestamp};
use lazuli_store::experiments::{self, NewExperiment};
use lazuli_store::gateway::{endpoints as rows, model_definitions};
use lazuli_store::{StoreError, Tx};

pub use lazuli_store::gateway::endpoints::Key;

use super::{alone, full, invalid, missing, noted, taken};
use crate::{Caller, Core, Error, Result};

/// An endpoint to be made, or what of one is to change. Absent fields stay, or are what a new endpoint has.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    /// Its name.
    pub name: Option<String>,
    /// Its models, in place of all.
    pub models: Option<Vec<ModelConfig>>,
    /// How calls are spread.
    pub routing: Option<RoutingStrategy>,
    /// What happens when a model fails.
    pub fallback: Option<Fallback>,
    /// Where traces of its calls belong.
    pub experiment_id: Option<ExperimentId>,
    /// Whether there are to be such traces.
    pub usage_tracking: Option<bool>,
    /// Who makes or changes it, as the client tells.
    pub by: Option<String>,
}

/// What a change comes to in its transaction.
struct Edit {
    workspace_id: String,
    models: Option<Vec<(String, ModelConfig)>>,
    change: EndpointChange,
    by: String,
    now: Timestamp,
}

impl Core {
    /// Makes an endpoint.
    pub async fn create_gateway_endpoint(
        &self,
        caller: &Caller,
        workspace: &str,
        change: EndpointChange,
    ) -> Result<Endpoint> {
        let change = EndpointChange {
            name: Some(change.name.unwrap_or_default()),
            models: Some(change.models.unwrap_or_default()),
            usage_tracking: Some(change.usage_tracking.unwrap_or(true)),
            ..change
        };
        let (access, edit) = self.edit(caller, workspace, change).await?;
        let endpoint = Endpoint {
            id: format!("e-{}", self.ids().uuid_hex()),
            name: edit.change.name.clone().unwrap_or_default(),
            routing: None,
            fallback: None,
            experiment_id: None,
            usage_tracking: false,
            mappings: Vec::new(),
            tags: Vec::new(),
            stamps: Stamps::new(edit.now, &edit.by),
        };
        access
            .write(target(&endpoint.id), move |tx, _| {
                alone(tx, &edit.workspace_id)?;
                if rows::count(tx, &edit.workspace_id)? >= rules::PER_WORKSPACE {
                    return Err(full("endpoints", rules::PER_WORKSPACE));
                }
                rows::insert(tx, &edit.workspace_id, &endpoint)
                    .map_err(|error| taken(error, || exists(&endpoint.name)))?;
                edit.apply(tx, endpoint, true)
            })
            .await
    }

    /// One endpoint.
    pub async fn get_gateway_endpoint(
        &self,
        caller: &Caller,
        workspace: &str,
        key: Key,
    ) -> Result<Endpoint> {
        let access = self.gateway(caller, workspace, Action::GatewayRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        access.read(move |tx| find(tx, &workspace_id, &key)).await
    }

    /// A workspace's endpoints by name, or those with a model of one provider.
    pub async fn list_gateway_endpoints(
        &self,
        caller: &Caller,
        workspace: &str,
        provider: Option<String>,
    ) -> Result<Vec<Endpoint>> {
        let access = self.gateway(caller, workspace, Action::GatewayRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| Ok(rows::list(tx, &workspace_id, provider.as_deref())?))
            .await
    }

    /// Changes an endpoint.
    pub async fn update_gateway_endpoint(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        change: EndpointChange,
    ) -> Result<Endpoint> {
        let (access, edit) = self.edit(caller, workspace, change).await?;
        let key = Key::Id(id.to_owned());
        access
            .write(target(id), move |tx, _| {
                alone(tx, &edit.workspace_id)?;
                let endpoint = find(tx, &edit.workspace_id, &key)?;
                edit.apply(tx, endpoint, false)
            })
            .await
    }

    /// Deletes an endpoint, with what notes that it is used.
    pub async fn delete_gateway_endpoint(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
    ) -> Result<()> {
        let action = Action::GatewayDelete;
        let access = self.gateway(caller, workspace, action).await?;
        let (workspace_id, key) = (access.workspace_id().to_owned(), Key::Id(id.to_owned()));
        access
            .write(target(id), move |tx, _| {
                let endpoint = find(tx, &workspace_id, &key)?;
                Ok(rows::delete(tx, &endpoint.id)?)
            })
            .await
    }

    /// Puts another model behind an endpoint.
    pub async fn attach_gateway_model(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        config: ModelConfig,
        by: Option<String>,
    ) -> Result<Mapping> {
        config.check()?;
        let action = Action::GatewayWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let (workspace_id, key) = (access.workspace_id().to_owned(), Key::Id(id.to_owned()));
        let (by, mapping_id) = (noted(caller, by)?, self.mapping_id());
        access
            .write(target(id), move |tx, record| {
                alone(tx, &workspace_id)?;
                let mut endpoint = find(tx, &workspace_id, &key)?;
                super::model_definitions::find(tx, &workspace_id, &config.definition_id)?;
                if endpoint.mappings.len() >= rules::MODELS {
                    return Err(rules::too_many_models().into());
                }
                let models = [(mapping_id.clone(), config)];
                rows::add_models(tx, &endpoint.id, &models, record.now(), &by)
                    .map_err(|error| attached(error, &models[0].1, &endpoint.id))?;
                endpoint.stamps.touch(record.now(), &by);
                rows::update(tx, &workspace_id, &endpoint)?;
                let mappings = find(tx, &workspace_id, &key)?.mappings;
                let mut made = mappings.into_iter().filter(|made| made.id == mapping_id);
                made.next()
                    .ok_or_else(|| Error::internal("a model was not attached"))
            })
            .await
    }

    /// Takes a model away from an endpoint: its first part there, when it has two.
    pub async fn detach_gateway_model(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        definition_id: &str,
    ) -> Result<()> {
        let action = Action::GatewayWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let (workspace_id, key) = (access.workspace_id().to_owned(), Key::Id(id.to_owned()));
        let (by, definition_id) = (caller.name().to_owned(), definition_id.to_owned());
        access
            .write(target(id), move |tx, record| {
                let mut endpoint = find(tx, &workspace_id, &key)?;
                let found = endpoint
                    .mappings
                    .iter()
                    .find(|m| m.definition.id == definition_id);
                let Some(mapping) = found else {
                    let message = format!(
                        "Model definition '{definition_id}' is not attached to endpoint '{}'",
                        endpoint.id
                    );
                    return Err(Error::new(ErrorCode::NotFound, message));
                };
                rows::remove_model(tx, &mapping.id)?;
                endpoint.stamps.touch(record.now(), &by);
                Ok(rows::update(tx, &workspace_id, &endpoint)?)
            })
            .await
    }

    /// Sets a tag of an endpoint.
    pub async fn set_gateway_endpoint_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        tag: KeyValue,
    ) -> Result<()> {
        rules::tag(&tag)?;
        let action = Action::GatewayWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let (workspace_id, key) = (access.workspace_id().to_owned(), Key::Id(id.to_owned()));
        access
            .write(target(id), move |tx, _| {
                alone(tx, &workspace_id)?;
                let endpoint = find(tx, &workspace_id, &key)?;
                rows::set_tag(tx, &endpoint.id, &tag)?;
                if rows::count_tags(tx, &endpoint.id)? > rules::TAGS {
                    let message = format!("an endpoint has at most {} tags", rules::TAGS);
                    return Err(invalid(message));
                }
                Ok(())
            })
            .await
    }

    /// Removes a tag of an endpoint, if it is there.
    pub async fn delete_gateway_endpoint_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        tag: &str,
    ) -> Result<()> {
        let action = Action::GatewayWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let (workspace_id, key) = (access.workspace_id().to_owned(), Key::Id(id.to_owned()));
        let tag = tag.to_owned();
        access
            .write(target(id), move |tx, _| {
                let endpoint = find(tx, &workspace_id, &key)?;
                Ok(rows::delete_tag(tx, &endpoint.id, &tag)?)
            })
            .await
    }

    /// Looks at a change before its transaction.
    async fn edit(
        &self,
        caller: &Caller,
        workspace: &str,
        change: EndpointChange,
    ) -> Result<(crate::Access, Edit)> {
        if let Some(name) = &change.name {
            rules::name(name)?;
        }
        if let Some(models) = &change.models {
            rules::models(models)?;
        }
        if let Some(fallback) = &change.fallback {
            fallback.check()?;
        }
        let action = Action::GatewayWrite;
        let access = self.gateway(caller, workspace, action).await?;
        if change.usage_tracking == Some(true) && change.experiment_id.is_none() {
            // an experiment may have to be made
            self.access(caller, workspace, Action::ExperimentsWrite)
                .await?;
        }
        let named = |models: &Vec<ModelConfig>| {
            let named = models
                .iter()
                .map(|model| (self.mapping_id(), model.clone()));
            named.collect()
        };
        let edit = Edit {
            workspace_id: access.workspace_id().to_owned(),
            models: change.models.as_ref().map(named),
            by: noted(caller, change.by.clone())?,
            now: self.now(),
            change,
        };
        Ok((access, edit))
    }

    fn mapping_id(&self) -> String {
        format!("m-{}", self.ids().uuid_hex())
    }
}

impl Edit {
    /// Changes an endpoint's rows and reads them again.
    fn apply(self, tx: &mut Tx<'_>, mut endpoint: Endpoint, new: bool) -> Result<Endpoint> {
        let change = &self.change;
        if let Some(name) = &change.name {
            name.clone_into(&mut endpoint.name);
        }
        endpoint.routing = change.routing.or(endpoint.routing);
        endpoint.fallback = self.fallback(&endpoint, new);
        endpoint.usage_tracking = change.usage_tracking.unwrap_or(endpoint.usage_tracking);
        endpoint.experiment_id = self.experiment(tx, &endpoint)?;
        endpoint.stamps.touch(self.now, &self.by);
        rows::update(tx, &self.workspace_id, &endpoint)
            .map_err(|error| taken(error, || exists(&endpoint.name)))?;
        if let Some(models) = &self.models {
            self.known(tx, models)?;
            rows::clear_models(tx, &endpoint.id)?;
            rows::add_models(tx, &endpoint.id, models, self.now, &self.by)?;
        }
        find(tx, &self.workspace_id, &Key::Id(endpoint.id))
    }

    /// New models bring their own rule for failures, if it is an empty one; a new endpoint without any has no rule.
    fn fallback(&self, endpoint: &Endpoint, new: bool) -> Option<Fallback> {
        let Some(models) = &self.change.models else {
            return self.change.fallback.or(endpoint.fallback);
        };
        let any = models.iter().any(|m| m.linkage == Linkage::Fallback);
        let given = self.change.fallback;
        given.or_else(|| (any || !new).then(Fallback::default))
    }

    /// Where traces of calls belong: where the client says, where they belong already, or an experiment named like the endpoint.
    fn experiment(&self, tx: &mut Tx<'_>, endpoint: &Endpoint) -> Result<Option<ExperimentId>> {
        if let Some(id) = self.change.experiment_id {
            if experiments::find(tx, &self.workspace_id, id)?.is_none() {
                let message = format!("No Experiment with id={id} exists");
                return Err(Error::new(ErrorCode::NotFound, message));
            }
            return Ok(Some(id));
        }
        if self.change.usage_tracking != Some(true) || endpoint.experiment_id.is_some() {
            return Ok(endpoint.experiment_id);
        }
        let new = NewExperiment {
            name: format!("gateway/{}", endpoint.name),
            artifact_location: None,
            tags: vec![
                KeyValue::new("mlflow.experiment.sourceType", "GATEWAY"),
                KeyValue::new("mlflow.experiment.sourceId", &endpoint.id),
                KeyValue::new("mlflow.experiment.isGateway", "true"),
            ],
        };
        if let Some(found) = experiments::find_by_name(tx, &self.workspace_id, &new.name)? {
            return Ok(Some(found.experiment.experiment_id));
        }
        crate::experiments::create_in(tx, &self.workspace_id, &new, self.now).map(Some)
    }

    /// All models must be there.
    fn known(&self, tx: &mut Tx<'_>, models: &[(String, ModelConfig)]) -> Result<()> {
        let wanted: Vec<String> = models
            .iter()
            .map(|(_, m)| m.definition_id.clone())
            .collect();
        let found = model_definitions::existing(tx, &self.workspace_id, &wanted)?;
        let absent: Vec<String> = wanted
            .into_iter()
            .filter(|id| !found.contains(id))
            .collect();
        if absent.is_empty() {
            return Ok(());
        }
        let message = format!("Model definitions not found: {}", absent.join(", "));
        Err(Error::new(ErrorCode::NotFound, message))
    }
}

pub(super) fn target(id: &str) -> String {
    format!("gateway/endpoints/{id}")
}

pub(super) fn find(tx: &mut Tx<'_>, workspace_id: &str, key: &Key) -> Result<Endpoint> {
    rows::find(tx, workspace_id, key)?.ok_or_else(|| {
        let keys = match key {
            Key::Id(id) => format!("endpoint_id='{id}'"),
            Key::Name(name) => format!("name='{name}'"),
        };
        missing("GatewayEndpoint", &keys)
    })
}

fn exists(name: &str) -> String {
    format!("Endpoint with name '{name}' already exists")
}

fn attached(error: StoreError, config: &ModelConfig, endpoint_id: &str) -> Error {
    taken(error, || {
        format!(
            "Model definition '{}' is already attached to endpoint '{endpoint_id}'",
            config.definition_id
        )
    })
}
