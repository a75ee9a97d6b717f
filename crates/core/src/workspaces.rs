//! Workspaces.

use std::collections::BTreeMap;

use lazuli_spec::lists::ListFilter;
use lazuli_spec::workspaces::{DEFAULT, Workspace};
use lazuli_spec::{Action, IdSource, Page, PageRequest, Timestamp, names};
use lazuli_store::workspaces;

use crate::lists::Listing;
use crate::{Caller, Core, Error, Result};

/// A workspace to be made, or what of it is to change.
#[derive(Clone, Debug, Default)]
pub struct WorkspaceChange {
    /// The name shown to people.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Free labels; they replace the ones there are.
    pub tags: Option<BTreeMap<String, String>>,
}

/// The workspace of the first start.
pub(crate) fn first(ids: &dyn IdSource, now: Timestamp, by: &str) -> Workspace {
    Workspace {
        id: ids.uuid(),
        name: DEFAULT.to_owned(),
        display_name: "Default".to_owned(),
        description: "The workspace that is there from the start".to_owned(),
        tags: BTreeMap::new(),
        created_at: now,
        created_by: by.to_owned(),
        updated_at: now,
    }
}

impl Core {
    /// Makes a workspace.
    pub async fn create_workspace(
        &self,
        caller: &Caller,
        name: &str,
        change: WorkspaceChange,
    ) -> Result<Workspace> {
        names::workspace(name)?;
        let access = self.server_access(caller, Action::WorkspacesWrite).await?;
        let mut workspace = first(self.ids(), self.now(), caller.principal_id());
        name.clone_into(&mut workspace.name);
        workspace.display_name = change.display_name.unwrap_or_else(|| name.to_owned());
        workspace.description = change.description.unwrap_or_default();
        workspace.tags = change.tags.unwrap_or_default();
        access
            .write(format!("workspaces/{name}"), move |tx, _| {
                if workspaces::find(tx, &workspace.name)?.is_some() {
                    return Err(Error::already_exists("workspace", &workspace.name));
                }
                workspaces::insert(tx, &workspace)?;
                lazuli_store::experiments::insert_default(tx, &workspace.id, workspace.created_at)?;
                crate::computes::insert_default(
                    tx,
                    &workspace.id,
                    &workspace.created_by,
                    workspace.created_at,
                )?;
                Ok(workspace)
            })
            .await
    }

    /// One workspace.
    pub async fn get_workspace(&self, caller: &Caller, name: &str) -> Result<Workspace> {
        let access = self.access(caller, name, Action::WorkspacesRead).await?;
        let wanted = name.to_owned();
        access
            .read(move |tx| {
                workspaces::find(tx, &wanted)?.ok_or_else(|| Error::not_found("workspace", &wanted))
            })
            .await
    }

    /// A page of the workspaces the caller can see.
    pub async fn list_workspaces(
        &self,
        caller: &Caller,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<Workspace>> {
        let listing = Listing::read(&"workspaces", filter, &page)?;
        let mut search = listing.search.clone();
        let most = search.limit as usize;
        let mut seen = Vec::new();
        while seen.len() < most {
            let batch = search.clone();
            let rows = self
                .store()
                .read(move |tx| Ok::<_, Error>(workspaces::list(tx, &batch)?))
                .await?;
            let Some((_, last)) = rows.last() else { break };
            search.after = Some(last.clone());
            let visible = rows
                .into_iter()
                .filter(|(row, _)| caller.may(&row.name, Action::WorkspacesRead));
            seen.extend(visible.take(most - seen.len()));
        }
        Ok(listing.page(seen))
    }

    /// Changes a workspace's description. `if_match` is the etag the caller read.
    pub async fn update_workspace(
        &self,
        caller: &Caller,
        name: &str,
        change: WorkspaceChange,
        if_match: Option<Timestamp>,
    ) -> Result<Workspace> {
        let access = self.access(caller, name, Action::WorkspacesWrite).await?;
        let wanted = name.to_owned();
        access
            .write(format!("workspaces/{name}"), move |tx, record| {
                let mut found = workspaces::find(tx, &wanted)?
                    .ok_or_else(|| Error::not_found("workspace", &wanted))?;
                if if_match.is_some_and(|etag| etag != found.updated_at) {
                    return Err(Error::new(
                        lazuli_spec::ErrorCode::PreconditionFailed,
                        "the workspace has changed since it was read; read it again",
                    ));
                }
                found.display_name = change.display_name.unwrap_or(found.display_name);
                found.description = change.description.unwrap_or(found.description);
                found.tags = change.tags.unwrap_or(found.tags);
                found.updated_at = record.now();
                workspaces::update(tx, &found)?;
                Ok(found)
            })
            .await
    }
}
