//! Definitions of providers' models.

use lazuli_spec::Action;
use lazuli_spec::gateway::model_definitions::{self as rules, ModelDefinition};
use lazuli_spec::gateway::{self as names, Stamps};
use lazuli_store::Tx;
use lazuli_store::gateway::model_definitions as rows;

pub use lazuli_store::gateway::model_definitions::Search;

use super::{alone, full, missing, noted, secrets, taken};
use crate::{Caller, Core, Error, Result};

/// A definition to be made; all but `by` are needed.
#[derive(Clone, Debug)]
pub struct NewDefinition {
    /// Its name.
    pub name: String,
    /// The secret that opens the model.
    pub secret_id: String,
    /// Whose model it is.
    pub provider: String,
    /// What the provider calls it.
    pub model_name: String,
    /// Who makes it, as the client tells.
    pub by: Option<String>,
}

/// What of a definition is to change. Absent fields stay.
#[derive(Clone, Debug, Default)]
pub struct DefinitionChange {
    /// Another name.
    pub name: Option<String>,
    /// Another secret.
    pub secret_id: Option<String>,
    /// Another provider.
    pub provider: Option<String>,
    /// Another model.
    pub model_name: Option<String>,
    /// Who changes it, as the client tells.
    pub by: Option<String>,
}

impl Core {
    /// Makes a definition.
    pub async fn create_gateway_model_definition(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewDefinition,
    ) -> Result<ModelDefinition> {
        check(Some(&new.name), Some(&new.provider), Some(&new.model_name))?;
        let action = Action::GatewayWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let mut definition = ModelDefinition {
            id: format!("d-{}", self.ids().uuid_hex()),
            name: new.name,
            secret_id: None,
            secret_name: None,
            provider: new.provider,
            model_name: new.model_name,
            stamps: Stamps::new(self.now(), &noted(caller, new.by)?),
        };
        let workspace_id = access.workspace_id().to_owned();
        access
            .write(target(&definition.id), move |tx, _| {
                alone(tx, &workspace_id)?;
                if rows::count(tx, &workspace_id)? >= rules::PER_WORKSPACE {
                    return Err(full("model definitions", rules::PER_WORKSPACE));
                }
                open_with(tx, &workspace_id, &mut definition, &new.secret_id)?;
                rows::insert(tx, &workspace_id, &definition)
                    .map_err(|error| taken(error, || exists(&definition.name)))?;
                Ok(definition)
            })
            .await
    }

    /// One definition.
    pub async fn get_gateway_model_definition(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
    ) -> Result<ModelDefinition> {
        let access = self.gateway(caller, workspace, Action::GatewayRead).await?;
        let (workspace_id, id) = (access.workspace_id().to_owned(), id.to_owned());
        access.read(move |tx| find(tx, &workspace_id, &id)).await
    }

    /// A workspace's definitions, by name.
    pub async fn list_gateway_model_definitions(
        &self,
        caller: &Caller,
        workspace: &str,
        search: Search,
    ) -> Result<Vec<ModelDefinition>> {
        let access = self.gateway(caller, workspace, Action::GatewayRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| Ok(rows::list(tx, &workspace_id, &search)?))
            .await
    }

    /// Changes a definition.
    pub async fn update_gateway_model_definition(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        change: DefinitionChange,
    ) -> Result<ModelDefinition> {
        check(
            change.name.as_deref(),
            change.provider.as_deref(),
            change.model_name.as_deref(),
        )?;
        let action = Action::GatewayWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let by = noted(caller, change.by)?;
        let (workspace_id, id) = (access.workspace_id().to_owned(), id.to_owned());
        access
            .write(target(&id), move |tx, record| {
                let mut definition = find(tx, &workspace_id, &id)?;
                if let Some(secret_id) = &change.secret_id {
                    open_with(tx, &workspace_id, &mut definition, secret_id)?;
                }
                definition.name = change.name.unwrap_or(definition.name);
                definition.provider = change.provider.unwrap_or(definition.provider);
                definition.model_name = change.model_name.unwrap_or(definition.model_name);
                definition.stamps.touch(record.now(), &by);
                rows::update(tx, &definition)
                    .map_err(|error| taken(error, || exists(&definition.name)))?;
                Ok(definition)
            })
            .await
    }

    /// Deletes a definition that stands behind no endpoint.
    pub async fn delete_gateway_model_definition(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
    ) -> Result<()> {
        let action = Action::GatewayDelete;
        let access = self.gateway(caller, workspace, action).await?;
        let (workspace_id, id) = (access.workspace_id().to_owned(), id.to_owned());
        access
            .write(target(&id), move |tx, _| {
                find(tx, &workspace_id, &id)?;
                if rows::in_use(tx, &id)? {
                    return Err(in_use());
                }
                // one that was attached meanwhile is held by the database
                rows::delete(tx, &id).map_err(|error| {
                    if error.is_foreign_key_violation() {
                        in_use()
                    } else {
                        error.into()
                    }
                })
            })
            .await
    }
}

fn target(id: &str) -> String {
    format!("gateway/modelDefinitions/{id}")
}

fn check(name: Option<&str>, provider: Option<&str>, model_name: Option<&str>) -> Result<()> {
    if let Some(name) = name {
        names::name("name", name)?;
    }
    if let Some(provider) = provider {
        names::provider(provider)?;
    }
    if let Some(model_name) = model_name {
        rules::model_name(model_name)?;
    }
    Ok(())
}

/// Gives the definition a secret of its workspace.
fn open_with(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    definition: &mut ModelDefinition,
    secret_id: &str,
) -> Result<()> {
    let secret = secrets::find(tx, workspace_id, secret_id)?;
    definition.secret_id = Some(secret.id);
    definition.secret_name = Some(secret.name);
    Ok(())
}

pub(super) fn find(tx: &mut Tx<'_>, workspace_id: &str, id: &str) -> Result<ModelDefinition> {
    rows::find(tx, workspace_id, id)?.ok_or_else(|| {
        missing(
            "GatewayModelDefinition",
            &format!("model_definition_id='{id}'"),
        )
    })
}

fn exists(name: &str) -> String {
    format!("Model definition with name '{name}' already exists")
}

fn in_use() -> Error {
    Error::conflict(
        "Cannot delete model definition that is currently in use by endpoints. Detach it from all endpoints first.",
    )
}
