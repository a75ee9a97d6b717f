//! Registered models: the names.

use lazuli_spec::models::{self as rules, RegisteredModel};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::models;

use super::{find_model, refused, tellings, whole_model};
use crate::{Caller, Core, Error, Result};

impl Core {
    /// Makes a registered model without versions.
    pub async fn create_registered_model(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        tags: Vec<KeyValue>,
        description: Option<String>,
    ) -> Result<RegisteredModel> {
        rules::name(name).map_err(refused)?;
        let is_prompt = rules::is_prompt(&tags);
        let tags = rules::tags(tags).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("models/{name}"), move |tx, change| {
                if let Some(taken) = models::find(tx, &id, &name)? {
                    return Err(name_taken(&name, taken.is_prompt, is_prompt));
                }
                let number = models::insert(
                    tx,
                    &id,
                    &name,
                    description.as_deref(),
                    is_prompt,
                    change.now(),
                )?;
                for tag in &tags {
                    models::set_tag(tx, number, tag)?;
                }
                tellings::registered(change, &name, &tags, description.as_deref(), is_prompt);
                let row = find_model(tx, &id, &name)?;
                Ok(whole_model(tx, row)?)
            })
            .await
    }

    /// One registered model with tags, aliases and the newest version of each stage.
    pub async fn get_registered_model(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<RegisteredModel> {
        rules::name(name).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsRead).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .read(move |tx| {
                let row = find_model(tx, &id, &name)?;
                Ok(whole_model(tx, row)?)
            })
            .await
    }

    /// Gives a registered model another name; its versions and aliases come along.
    pub async fn rename_registered_model(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        new_name: &str,
    ) -> Result<RegisteredModel> {
        rules::new_name(new_name).map_err(refused)?;
        let wanted = new_name.to_owned();
        self.change_model(caller, workspace, name, move |row| row.model.name = wanted)
            .await
    }

    /// Describes a registered model anew.
    pub async fn describe_registered_model(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        description: Option<String>,
    ) -> Result<RegisteredModel> {
        self.change_model(caller, workspace, name, move |row| {
            row.model.description = description;
        })
        .await
    }

    /// Hides a registered model from native lists, or shows it again.
    pub async fn archive_registered_model(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        archived: bool,
    ) -> Result<RegisteredModel> {
        self.change_model(caller, workspace, name, move |row| {
            row.model.archived = archived;
        })
        .await
    }

    /// Removes a registered model with all its versions. The files of runs stay.
    pub async fn delete_registered_model(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<()> {
        rules::name(name).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsDelete).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("models/{name}"), move |tx, _| {
                let row = find_model(tx, &id, &name)?;
                Ok(models::delete(tx, row.model_no)?)
            })
            .await
    }

    /// Sets a tag of a registered model.
    pub async fn set_registered_model_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        tag: KeyValue,
    ) -> Result<()> {
        rules::name(name).map_err(refused)?;
        rules::tag(&tag).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("models/{name}"), move |tx, change| {
                let row = find_model(tx, &id, &name)?;
                let is_prompt = models::is_prompt(tx, row.model_no)?;
                tellings::model_tag(change, &name, &tag.key, Some(&tag.value), is_prompt);
                Ok(models::set_tag(tx, row.model_no, &tag)?)
            })
            .await
    }

    /// Removes a tag of a registered model; that there was none is no error.
    pub async fn delete_registered_model_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        key: &str,
    ) -> Result<()> {
        rules::name(name).map_err(refused)?;
        lazuli_spec::limits::key("key", "key", key).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let (id, name, key) = (
            access.workspace_id().to_owned(),
            name.to_owned(),
            key.to_owned(),
        );
        access
            .write(format!("models/{name}"), move |tx, change| {
                let row = find_model(tx, &id, &name)?;
                let is_prompt = models::is_prompt(tx, row.model_no)?;
                tellings::model_tag(change, &name, &key, None, is_prompt);
                Ok(models::delete_tag(tx, row.model_no, &key)?)
            })
            .await
    }

    async fn change_model(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        edit: impl FnOnce(&mut models::ModelRow) + Send + 'static,
    ) -> Result<RegisteredModel> {
        rules::name(name).map_err(refused)?;
        let access = self.access(caller, workspace, Action::ModelsWrite).await?;
        let (id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("models/{name}"), move |tx, change| {
                let mut row = find_model(tx, &id, &name)?;
                edit(&mut row);
                if row.model.name != name && models::find(tx, &id, &row.model.name)?.is_some() {
                    return Err(name_taken(&row.model.name, false, false));
                }
                row.model.updated_at = change.now();
                models::update(tx, &row)?;
                Ok(whole_model(tx, row)?)
            })
            .await
    }
}

fn name_taken(name: &str, old_is_prompt: bool, new_is_prompt: bool) -> Error {
    let word = |prompt: bool| if prompt { "Prompt" } else { "Registered Model" };
    let (old, new) = (word(old_is_prompt), word(new_is_prompt));
    let message = if old == new {
        format!("{new} (name={name}) already exists.")
    } else {
        format!(
            "Tried to create a {} with name '{name}', but the name is already taken by a {}. MLflow does not allow creating a model and a prompt with the same name.",
            new.to_lowercase(),
            old.to_lowercase()
        )
    };
    Error::new(ErrorCode::AlreadyExists, message)
}
