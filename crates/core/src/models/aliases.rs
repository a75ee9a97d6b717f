//! Aliases: names that point to one version of a model and can be moved.

use lazuli_spec::models::{self as rules, ModelVersion};
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::{model_versions, models};

use super::{find_model, find_version, refused, tellings, whole_version};
use crate::{Caller, Core, Error, Result};

impl Core {
    /// Points an alias to a version.
    pub async fn set_model_alias(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        alias: &str,
        version: &str,
    ) -> Result<()> {
        rules::name(name).map_err(refused)?;
        rules::new_alias(alias).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let id = access.workspace_id().to_owned();
        let (name, alias, version) = (name.to_owned(), alias.to_owned(), version.to_owned());
        access
            .write(format!("models/{name}@{alias}"), move |tx, change| {
                let row = find_version(tx, &id, &name, &version)?;
                change.body(format!("version {}", row.version.version));
                let is_prompt = models::is_prompt(tx, row.model_no)?;
                let to = Some(row.version.version.as_str());
                tellings::alias(change, &name, &alias, to, is_prompt);
                Ok(models::set_alias(
                    tx,
                    row.model_no,
                    &alias,
                    &row.version.version,
                )?)
            })
            .await
    }

    /// Removes an alias; that there was none is no error.
    pub async fn delete_model_alias(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        alias: &str,
    ) -> Result<()> {
        rules::name(name).map_err(refused)?;
        rules::alias(alias).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let (id, name, alias) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            alias.to_owned(),
        );
        access
            .write(format!("models/{name}@{alias}"), move |tx, change| {
                let row = find_model(tx, &id, &name)?;
                if !models::delete_alias(tx, row.model_no, &alias)? {
                    change.nothing();
                    return Ok(());
                }
                let is_prompt = models::is_prompt(tx, row.model_no)?;
                tellings::alias(change, &name, &alias, None, is_prompt);
                Ok(())
            })
            .await
    }

    /// The version that an alias points to; `latest` is the greatest version.
    pub async fn get_model_version_by_alias(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        alias: &str,
    ) -> Result<ModelVersion> {
        rules::name(name).map_err(refused)?;
        rules::alias(alias).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let (id, name, alias) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            alias.to_owned(),
        );
        access
            .read(move |tx| {
                let model = find_model(tx, &id, &name)?;
                let row = if alias.eq_ignore_ascii_case("latest") {
                    model_versions::newest(tx, model.model_no)?.ok_or_else(|| {
                        let message = format!("Latest version not found for model {name}.");
                        Error::new(ErrorCode::NotFound, message)
                    })?
                } else {
                    let target = models::alias_target(tx, model.model_no, &alias)?;
                    let version = target.ok_or_else(|| {
                        let message = format!("Registered model alias {alias} not found.");
                        Error::new(ErrorCode::InvalidArgument, message)
                    })?;
                    find_version(tx, &id, &name, &version)?
                };
                Ok(whole_version(tx, row)?)
            })
            .await
    }
}
