//! What uses an endpoint.

use lazuli_spec::Action;
use lazuli_spec::gateway::Stamps;
use lazuli_spec::gateway::endpoints::{self as rules, Binding};
use lazuli_store::gateway::bindings as rows;
use lazuli_store::gateway::endpoints::Key;

pub use lazuli_store::gateway::bindings::Search;

use super::endpoints::{find, target};
use super::{alone, full, missing, noted, taken};
use crate::{Caller, Core, Result};

/// Names one use of an endpoint.
#[derive(Clone, Debug)]
pub struct Use {
    /// The endpoint.
    pub endpoint_id: String,
    /// What kind of thing uses it.
    pub resource_type: String,
    /// Which one.
    pub resource_id: String,
}

impl Core {
    /// Notes that something uses an endpoint.
    pub async fn create_gateway_binding(
        &self,
        caller: &Caller,
        workspace: &str,
        wanted: Use,
        by: Option<String>,
    ) -> Result<Binding> {
        rules::resource(&wanted.resource_type, &wanted.resource_id)?;
        let action = Action::GatewayWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let binding = Binding {
            endpoint_id: wanted.endpoint_id,
            resource_type: wanted.resource_type,
            resource_id: wanted.resource_id,
            stamps: Stamps::new(self.now(), &noted(caller, by)?),
        };
        let workspace_id = access.workspace_id().to_owned();
        access
            .write(target(&binding.endpoint_id), move |tx, _| {
                alone(tx, &workspace_id)?;
                find(tx, &workspace_id, &Key::Id(binding.endpoint_id.clone()))?;
                if rows::count(tx, &workspace_id)? >= rules::BINDINGS {
                    return Err(full("bindings of endpoints", rules::BINDINGS));
                }
                rows::insert(tx, &binding).map_err(|error| {
                    taken(error, || {
                        format!(
                            "Endpoint '{}' is already bound to {} '{}'",
                            binding.endpoint_id, binding.resource_type, binding.resource_id
                        )
                    })
                })?;
                Ok(binding)
            })
            .await
    }

    /// Notes that something uses an endpoint no more.
    pub async fn delete_gateway_binding(
        &self,
        caller: &Caller,
        workspace: &str,
        wanted: Use,
    ) -> Result<()> {
        let action = Action::GatewayDelete;
        let access = self.gateway(caller, workspace, action).await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .write(target(&wanted.endpoint_id), move |tx, _| {
                let Use {
                    endpoint_id: endpoint,
                    resource_type: kind,
                    resource_id: id,
                } = &wanted;
                if rows::delete(tx, &workspace_id, (endpoint, kind, id))? {
                    return Ok(());
                }
                let keys =
                    format!("endpoint_id='{endpoint}', resource_type='{kind}', resource_id='{id}'");
                Err(missing("GatewayEndpointBinding", &keys))
            })
            .await
    }

    /// The uses of a workspace's endpoints.
    pub async fn list_gateway_bindings(
        &self,
        caller: &Caller,
        workspace: &str,
        search: Search,
    ) -> Result<Vec<Binding>> {
        let access = self.gateway(caller, workspace, Action::GatewayRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| Ok(rows::list(tx, &workspace_id, &search)?))
            .await
    }
}
