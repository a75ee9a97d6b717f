//! MLflow's permissions: rights are given by workspace here, so each level stands for a built-in role in one.

use lazuli_spec::roles::{RoleAssignment, RoleDefinition, SERVER_SCOPE, built_in, workspace_scope};
use lazuli_spec::users::Level;
use lazuli_spec::{Action, ActionSet, ErrorCode};
use lazuli_store::{Tx, roles, users};

use super::unknown;
use crate::roles::no_wider_than;
use crate::{Caller, Core, Error, Result};

/// A role as MLflow has them: in one workspace.
#[derive(Clone, Debug)]
pub struct WorkspaceRole {
    /// The workspace's name.
    pub workspace: String,
    /// The role.
    pub role: RoleDefinition,
}

/// The roles somebody holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// Whether it is an owner of the server.
    pub is_admin: bool,
    /// The roles in workspaces.
    pub roles: Vec<WorkspaceRole>,
}

impl Core {
    /// The roles of a user: one's own, or another's with the right to.
    pub async fn user_roles(&self, caller: &Caller, name: &str) -> Result<Held> {
        let access = self
            .access_to_user(caller, name, Action::RoleAssignmentsRead)
            .await?;
        let name = name.to_owned();
        access
            .read(move |tx| {
                let user = users::find(tx, &name)?.ok_or_else(|| unknown(&name))?;
                let known = definitions(tx)?;
                let given = roles::of_principal(tx, &user.id)?.into_iter();
                let roles = given.filter_map(|given| {
                    let workspace = given.scope.strip_prefix("/workspaces/")?.to_owned();
                    let role = known.iter().find(|role| role.id == given.role_id)?.clone();
                    Some(WorkspaceRole { workspace, role })
                });
                Ok(Held {
                    is_admin: user.is_admin,
                    roles: roles.collect(),
                })
            })
            .await
    }

    /// What a user may do in a workspace, all in all.
    pub async fn user_level(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<Option<Level>> {
        let access = if name == caller.name() {
            self.own(caller, Action::RoleAssignmentsRead)
        } else {
            self.access(caller, workspace, Action::RoleAssignmentsRead)
                .await?
        };
        let (name, scope) = (name.to_owned(), workspace_scope(workspace));
        access
            .read(move |tx| {
                let user = users::find(tx, &name)?.ok_or_else(|| unknown(&name))?;
                let known = definitions(tx)?;
                let mut actions = ActionSet::EMPTY;
                for given in roles::of_principal(tx, &user.id)? {
                    let here = given.scope == scope || given.scope == SERVER_SCOPE;
                    let role = known.iter().find(|role| role.id == given.role_id);
                    if let Some(role) = role.filter(|_| here) {
                        actions = actions.union(role.compile());
                    }
                }
                Ok(Level::of(actions))
            })
            .await
    }

    /// Gives a user this level in a workspace instead of the one it had, or none.
    pub async fn set_user_level(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        level: Option<Level>,
    ) -> Result<()> {
        self.access(caller, workspace, Action::RoleAssignmentsDelete)
            .await?;
        let access = self
            .access(caller, workspace, Action::RoleAssignmentsWrite)
            .await?;
        let (id, by) = (self.ids().uuid(), caller.principal_id().to_owned());
        let (own, scope) = (caller.allowed_in(workspace), workspace_scope(workspace));
        let name = name.to_owned();
        access
            .write(format!("roleAssignments/{name}"), move |tx, change| {
                let user = users::find(tx, &name)?.ok_or_else(|| unknown(&name))?;
                let of_level = |level: Level| {
                    let found = built_in().into_iter().find(|r| r.name == level.role());
                    found.ok_or_else(|| Error::internal("a level has no role"))
                };
                for given in roles::of_principal(tx, &user.id)? {
                    for other in Level::ALL.into_iter().filter(|one| Some(*one) != level) {
                        if given.scope == scope && given.role_id == of_level(other)?.id {
                            roles::unassign(tx, &given.id, &scope)?;
                        }
                    }
                }
                let Some(level) = level else {
                    return Ok(());
                };
                let role = of_level(level)?;
                no_wider_than(own, &role)?;
                change.body(role.name);
                let given = RoleAssignment {
                    id,
                    principal_id: user.id,
                    role_id: role.id,
                    scope,
                };
                roles::assign(tx, &given, change.now(), &by)?;
                Ok(())
            })
            .await?;
        self.authority().forget();
        Ok(())
    }

    /// Every role, as one of a workspace that the caller sees.
    pub async fn workspace_roles(
        &self,
        caller: &Caller,
        workspace: &str,
    ) -> Result<Vec<WorkspaceRole>> {
        let access = self
            .access(caller, workspace, Action::RoleDefinitionsRead)
            .await?;
        let known = access.read(definitions).await?;
        let of_workspace = |role| WorkspaceRole {
            workspace: workspace.to_owned(),
            role,
        };
        Ok(known.into_iter().map(of_workspace).collect())
    }

    /// Takes a role in a workspace from a user.
    pub async fn take_role(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        role_id: &str,
    ) -> Result<()> {
        let access = self
            .access(caller, workspace, Action::RoleAssignmentsRead)
            .await?;
        let (wanted, role_id) = (name.to_owned(), role_id.to_owned());
        let scope = workspace_scope(workspace);
        let given = access
            .read(move |tx| {
                let user = users::find(tx, &wanted)?.ok_or_else(|| unknown(&wanted))?;
                let given = roles::of_principal(tx, &user.id)?.into_iter();
                let mut here = given.filter(|a| a.scope == scope && a.role_id == role_id);
                here.next().ok_or_else(|| {
                    Error::new(
                        ErrorCode::NotFound,
                        format!("the user {wanted} does not have this role in the workspace"),
                    )
                })
            })
            .await?;
        self.unassign_role(caller, Some(workspace), &given.id).await
    }
}

fn definitions(tx: &mut Tx<'_>) -> Result<Vec<RoleDefinition>> {
    let mut known = built_in();
    known.extend(roles::definitions(tx)?);
    Ok(known)
}
