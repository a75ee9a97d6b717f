//! Keys of model providers.

use std::collections::BTreeMap;

use lazuli_spec::Action;
use lazuli_spec::gateway::secrets::{self as rules, Secret, SecretValue};
use lazuli_spec::gateway::{self as names, Stamps};
use lazuli_store::Tx;
use lazuli_store::gateway::secrets as rows;

use super::{alone, full, missing, noted, taken};
use crate::{Caller, Core, Result};

/// A secret to be kept.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// What is secret.
    pub value: SecretValue,
    /// Whose key it is.
    pub provider: Option<String>,
    /// What is not secret about it.
    pub settings: BTreeMap<String, String>,
    /// Who makes it, as the client tells.
    pub by: Option<String>,
}

/// What of a secret is to change. Absent fields stay.
#[derive(Clone, Debug, Default)]
pub struct SecretChange {
    /// Another value.
    pub value: Option<SecretValue>,
    /// Other settings, in place of all.
    pub settings: Option<BTreeMap<String, String>>,
    /// Who changes it, as the client tells.
    pub by: Option<String>,
}

impl Core {
    /// Seals a secret and keeps it.
    pub async fn create_gateway_secret(
        &self,
        caller: &Caller,
        workspace: &str,
        new: NewSecret,
    ) -> Result<Secret> {
        names::name("secret_name", &new.name)?;
        if let Some(provider) = &new.provider {
            names::provider(provider)?;
        }
        let action = Action::GatewaySecretsWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let id = format!("s-{}", self.ids().uuid_hex());
        let sealed = self.seal(&id, &new.value)?;
        let secret = Secret {
            id,
            name: new.name,
            masked: new.value.masked(),
            provider: new.provider,
            settings: rules::settings(new.settings)?,
            stamps: Stamps::new(self.now(), &noted(caller, new.by)?),
        };
        let workspace_id = access.workspace_id().to_owned();
        access
            .write(target(&secret.id), move |tx, _| {
                alone(tx, &workspace_id)?;
                if rows::count(tx, &workspace_id)? >= rules::PER_WORKSPACE {
                    return Err(full("secrets", rules::PER_WORKSPACE));
                }
                rows::insert(tx, &workspace_id, &secret, &sealed).map_err(|error| {
                    taken(error, || {
                        format!("Secret with name '{}' already exists", secret.name)
                    })
                })?;
                Ok(secret)
            })
            .await
    }

    /// What is shown of a secret.
    pub async fn get_gateway_secret(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
    ) -> Result<Secret> {
        let access = self.gateway(caller, workspace, Action::GatewayRead).await?;
        let (workspace_id, id) = (access.workspace_id().to_owned(), id.to_owned());
        access.read(move |tx| find(tx, &workspace_id, &id)).await
    }

    /// What is shown of a workspace's secrets, by name.
    pub async fn list_gateway_secrets(
        &self,
        caller: &Caller,
        workspace: &str,
        provider: Option<String>,
    ) -> Result<Vec<Secret>> {
        let access = self.gateway(caller, workspace, Action::GatewayRead).await?;
        let workspace_id = access.workspace_id().to_owned();
        access
            .read(move |tx| Ok(rows::list(tx, &workspace_id, provider.as_deref())?))
            .await
    }

    /// Changes a secret.
    pub async fn update_gateway_secret(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        change: SecretChange,
    ) -> Result<Secret> {
        let action = Action::GatewaySecretsWrite;
        let access = self.gateway(caller, workspace, action).await?;
        let settings = change.settings.map(rules::settings).transpose()?;
        let by = noted(caller, change.by)?;
        let sealed = match &change.value {
            Some(value) => Some(self.seal(id, value)?),
            None => None,
        };
        let (workspace_id, id) = (access.workspace_id().to_owned(), id.to_owned());
        access
            .write(target(&id), move |tx, record| {
                let mut secret = find(tx, &workspace_id, &id)?;
                if let Some(value) = &change.value {
                    secret.masked = value.masked();
                }
                secret.settings = settings.unwrap_or(secret.settings);
                secret.stamps.touch(record.now(), &by);
                rows::update(tx, &secret, sealed.as_deref())?;
                Ok(secret)
            })
            .await
    }

    /// Deletes a secret for good. Definitions that used it wait for another one.
    pub async fn delete_gateway_secret(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
    ) -> Result<()> {
        let action = Action::GatewaySecretsDelete;
        let access = self.gateway(caller, workspace, action).await?;
        let (workspace_id, id) = (access.workspace_id().to_owned(), id.to_owned());
        access
            .write(target(&id), move |tx, _| {
                find(tx, &workspace_id, &id)?;
                Ok(rows::delete(tx, &id)?)
            })
            .await
    }

    fn seal(&self, id: &str, value: &SecretValue) -> Result<Vec<u8>> {
        self.sealer().seal(self.ids(), &target(id), &value.text())
    }
}

/// What the audit trail calls a secret, and what its sealed value is bound to.
pub(super) fn target(id: &str) -> String {
    format!("gateway/secrets/{id}")
}

pub(super) fn find(tx: &mut Tx<'_>, workspace_id: &str, id: &str) -> Result<Secret> {
    rows::find(tx, workspace_id, id)?
        .ok_or_else(|| missing("GatewaySecret", &format!("secret_id='{id}'")))
}
