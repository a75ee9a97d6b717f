//! Online deployments: what is wanted of them stands in the store; `serve` makes it so and reports back.
//!
//! ```text
//! put_deployment -> row (generation n) -> event -> serve's reconciler -> processes -> settle_deployment(n, outcome)
//! ```

mod lineage;
mod models;
mod runtime;
pub(crate) mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lazuli_spec::deployments::{Binding, Deployment, DeploymentSpec, DeploymentState, Outcome};
use lazuli_spec::endpoints::{Endpoint, EndpointKeys};
use lazuli_spec::lists::ListFilter;
use lazuli_spec::{Action, Page, PageRequest, Timestamp};
use lazuli_store::{deployments, endpoints};

pub use self::runtime::{DeploymentMetrics, InstanceStatus, Latency, LogContainer, ModelRuntime};
use crate::endpoints::{check_etag, find as find_endpoint, next_moment};
use crate::lists::Listing;
use crate::{Caller, Core, Error, Result};

/// What of a deployment is to change. Absent fields stay.
#[derive(Clone, Debug, Default)]
pub struct DeploymentChange {
    /// For people.
    pub description: Option<String>,
    /// They replace the ones there are.
    pub tags: Option<BTreeMap<String, String>>,
    /// How many instances.
    pub instance_count: Option<u32>,
}

/// All that the gateway and the reconciler need to know of one endpoint.
#[derive(Debug)]
pub struct Desired {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its keys.
    pub keys: EndpointKeys,
    /// Its deployments.
    pub deployments: Vec<Deployment>,
}

impl Core {
    /// Makes a deployment, or replaces the one of that name: its processes are exchanged without a gap. Says whether it is new.
    pub async fn put_deployment(
        &self,
        caller: &Caller,
        workspace: &str,
        spec: DeploymentSpec,
        if_match: Option<Timestamp>,
    ) -> Result<(Deployment, bool)> {
        let access = self
            .access(caller, workspace, Action::DeploymentsWrite)
            .await?;
        let binding = sources::bind(self, caller, &access, &spec).await?;
        let workspace_id = access.workspace_id().to_owned();
        let by = caller.principal_id().to_owned();
        access
            .write(
                target(&spec.endpoint_name, &spec.name),
                move |tx, change| {
                    find_endpoint(tx, &workspace_id, &spec.endpoint_name)?;
                    let found =
                        deployments::find(tx, &workspace_id, &spec.endpoint_name, &spec.name)?;
                    let is_new = found.is_none();
                    let deployment = match found {
                        None => fresh(workspace_id, spec, binding, by, change.now()),
                        Some(found) => {
                            check_etag(if_match, found.modified_at, "deployment")?;
                            revised(found, spec, binding, change.now())
                        }
                    };
                    deployments::put(tx, &deployment)?;
                    Ok((deployment, is_new))
                },
            )
            .await
    }

    /// Changes the description, the tags or the number of instances.
    pub async fn update_deployment(
        &self,
        caller: &Caller,
        workspace: &str,
        (endpoint, name): (&str, &str),
        change: DeploymentChange,
        if_match: Option<Timestamp>,
    ) -> Result<Deployment> {
        let access = self
            .access(caller, workspace, Action::DeploymentsWrite)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        let (endpoint, name) = (endpoint.to_owned(), name.to_owned());
        access
            .write(target(&endpoint, &name), move |tx, record| {
                let found = deployments::find(tx, &workspace_id, &endpoint, &name)?
                    .ok_or_else(|| missing(&name))?;
                check_etag(if_match, found.modified_at, "deployment")?;
                let mut spec = found.spec.clone();
                spec.description = change.description.unwrap_or(spec.description);
                spec.tags = change.tags.unwrap_or(spec.tags);
                spec.instance_count = change.instance_count.unwrap_or(spec.instance_count);
                spec.check()
                    .map_err(|(field, words)| Error::invalid(field, words))?;
                let binding = found.binding.clone();
                let revised = revised(found, spec, binding, record.now());
                deployments::put(tx, &revised)?;
                Ok(revised)
            })
            .await
    }

    /// One deployment.
    pub async fn get_deployment(
        &self,
        caller: &Caller,
        workspace: &str,
        endpoint: &str,
        name: &str,
    ) -> Result<Deployment> {
        self.deployment_for(caller, workspace, Action::DeploymentsRead, endpoint, name)
            .await
    }

    /// A page of an endpoint's deployments.
    pub async fn list_deployments(
        &self,
        caller: &Caller,
        workspace: &str,
        endpoint: &str,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<Deployment>> {
        let access = self
            .access(caller, workspace, Action::DeploymentsRead)
            .await?;
        let listing = Listing::read(&("deployments", endpoint), filter, &page)?;
        let (search, endpoint) = (listing.search.clone(), endpoint.to_owned());
        let workspace_id = access.workspace_id().to_owned();
        let rows = access
            .read(move |tx| {
                find_endpoint(tx, &workspace_id, &endpoint)?;
                Ok(deployments::list(tx, &workspace_id, &endpoint, &search)?)
            })
            .await?;
        Ok(listing.page(rows))
    }

    /// Deletes a deployment that takes no traffic; its processes end.
    pub async fn delete_deployment(
        &self,
        caller: &Caller,
        workspace: &str,
        endpoint: &str,
        name: &str,
    ) -> Result<()> {
        let access = self
            .access(caller, workspace, Action::DeploymentsDelete)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        let (endpoint, name) = (endpoint.to_owned(), name.to_owned());
        access
            .write(target(&endpoint, &name), move |tx, _| {
                let found = find_endpoint(tx, &workspace_id, &endpoint)?;
                let share = found.spec.traffic.get(&name).copied().unwrap_or(0);
                if share > 0 {
                    let message = format!("the deployment `{name}` takes {share} percent of the traffic of `{endpoint}`");
                    return Err(Error::conflict(message).hint("set its traffic to 0 first, or delete the endpoint"));
                }
                if !deployments::delete(tx, &workspace_id, &endpoint, &name)? {
                    return Err(missing(&name));
                }
                Ok(())
            })
            .await
    }

    /// The end of what a deployment's processes wrote.
    pub async fn deployment_logs(
        &self,
        caller: &Caller,
        workspace: &str,
        (endpoint, name): (&str, &str),
        container: LogContainer,
        lines: usize,
    ) -> Result<String> {
        self.deployment_for(caller, workspace, Action::DeploymentsLogs, endpoint, name)
            .await?;
        self.runtime()?.logs(endpoint, name, container, lines).await
    }

    /// What a deployment's processes do now and what they have done.
    pub async fn deployment_metrics(
        &self,
        caller: &Caller,
        workspace: &str,
        endpoint: &str,
        name: &str,
    ) -> Result<DeploymentMetrics> {
        self.deployment_for(caller, workspace, Action::DeploymentsRead, endpoint, name)
            .await?;
        Ok(self.runtime()?.metrics(endpoint, name))
    }

    /// All endpoints and deployments of the server. Only for `serve`: nothing is authorized here.
    pub async fn desired_deployments(&self) -> Result<Vec<Desired>> {
        let (endpoints, mut rows) = self
            .system(Action::DeploymentsRead)
            .read(|tx| Ok((endpoints::all(tx)?, deployments::all(tx)?)))
            .await?;
        let desired = endpoints.into_iter().map(|(endpoint, keys)| {
            let (own, others) = std::mem::take(&mut rows).into_iter().partition(|row| {
                row.spec.endpoint_name == endpoint.spec.name
                    && row.workspace_id == endpoint.workspace_id
            });
            rows = others;
            Desired {
                endpoint,
                keys,
                deployments: own,
            }
        });
        Ok(desired.collect())
    }

    /// `serve` reports how an attempt ended. A report on a wish that has changed meanwhile is dropped.
    pub async fn settle_deployment(&self, deployment: &Deployment, outcome: Outcome) -> Result<()> {
        let deployment = deployment.clone();
        let target = target(&deployment.spec.endpoint_name, &deployment.spec.name);
        let workspace_id = deployment.workspace_id.clone();
        let workspace = self.workspace_name(&workspace_id).await?;
        self.system_in(&workspace_id, &workspace, Action::DeploymentsWrite)
            .write(target, move |tx, change| {
                let at = next_moment(change.now(), deployment.modified_at);
                let unchanged =
                    (deployment.state, &deployment.message) == (outcome.state, &outcome.message);
                if unchanged || !deployments::settle(tx, &deployment, &outcome, at)? {
                    change.nothing();
                }
                Ok(())
            })
            .await
    }

    async fn deployment_for(
        &self,
        caller: &Caller,
        workspace: &str,
        action: Action,
        endpoint: &str,
        name: &str,
    ) -> Result<Deployment> {
        let access = self.access(caller, workspace, action).await?;
        let workspace_id = access.workspace_id().to_owned();
        let (endpoint, name) = (endpoint.to_owned(), name.to_owned());
        access
            .read(move |tx| {
                find_endpoint(tx, &workspace_id, &endpoint)?;
                deployments::find(tx, &workspace_id, &endpoint, &name)?
                    .ok_or_else(|| missing(&name))
            })
            .await
    }
}

fn target(endpoint: &str, name: &str) -> String {
    format!("onlineEndpoints/{endpoint}/deployments/{name}")
}

fn missing(name: &str) -> Error {
    Error::not_found("online deployment", name)
}

fn fresh(
    workspace_id: String,
    spec: DeploymentSpec,
    binding: Binding,
    by: String,
    now: Timestamp,
) -> Deployment {
    Deployment {
        workspace_id,
        spec,
        binding,
        generation: now.0,
        state: DeploymentState::Creating,
        message: String::new(),
        traceback: String::new(),
        created_at: now,
        created_by: by,
        modified_at: now,
        revision: 1,
    }
}

/// The same deployment with a new wish. Processes are exchanged only when they would differ, or when the last try failed.
fn revised(
    found: Deployment,
    spec: DeploymentSpec,
    binding: Binding,
    now: Timestamp,
) -> Deployment {
    let only_words = |spec: &DeploymentSpec| DeploymentSpec {
        description: String::new(),
        tags: BTreeMap::new(),
        properties: BTreeMap::new(),
        ..spec.clone()
    };
    let same = only_words(&spec) == only_words(&found.spec) && binding == found.binding;
    let again = !same || found.state == DeploymentState::Failed;
    let modified_at = next_moment(now, found.modified_at);
    let kept = Deployment {
        spec,
        binding,
        modified_at,
        revision: found.revision + 1,
        ..found
    };
    if !again {
        return kept;
    }
    // a generation is a moment: one of a deployment deleted and made again never comes back
    let generation = kept.generation.max(now.0 - 1) + 1;
    let state = if kept.state == DeploymentState::Creating {
        DeploymentState::Creating
    } else {
        DeploymentState::Updating
    };
    Deployment {
        generation,
        state,
        message: String::new(),
        traceback: String::new(),
        ..kept
    }
}
