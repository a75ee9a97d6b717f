//! Roles: the built-in ones, custom ones, and who has which where.

use lazuli_spec::lists::ListFilter;
use lazuli_spec::roles::{
    OWNER_ID, RoleAssignment, RoleDefinition, SERVER_SCOPE, built_in, workspace_scope,
};
use lazuli_spec::{Action, ActionSet, Page, PageRequest, names};
use lazuli_store::roles::AssignmentFilter;
use lazuli_store::{Tx, Value, principals, roles};

use crate::lists::Listing;
use crate::{Access, Caller, Core, Error, Result};

/// A custom role to be made.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// The unique name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Action patterns allowed.
    pub actions: Vec<String>,
    /// Action patterns taken away.
    pub not_actions: Vec<String>,
}

/// A role that somebody has somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRole {
    /// The role's name.
    pub role: String,
    /// Where: `/` is the server, `/workspaces/<name>` a workspace.
    pub scope: String,
}

impl Core {
    /// The caller's own roles. Its token may be limited to less.
    pub async fn own_roles(&self, caller: &Caller) -> Result<Vec<HeldRole>> {
        let access = self.own(caller, Action::RoleDefinitionsRead);
        let principal_id = caller.principal_id().to_owned();
        let mut held = access
            .read(move |tx| {
                let known: Vec<_> = built_in()
                    .into_iter()
                    .chain(roles::definitions(tx)?)
                    .collect();
                let given = roles::of_principal(tx, &principal_id)?;
                let held = given.into_iter().filter_map(|given| {
                    let role = known.iter().find(|role| role.id == given.role_id)?;
                    Some(HeldRole {
                        role: role.name.clone(),
                        scope: given.scope,
                    })
                });
                Ok(held.collect::<Vec<_>>())
            })
            .await?;
        held.sort_by(|a, b| (&a.scope, &a.role).cmp(&(&b.scope, &b.role)));
        Ok(held)
    }

    /// A page of the roles, built-in and custom, by name. They are few: what the store has is read whole.
    pub async fn list_roles(
        &self,
        caller: &Caller,
        are_built_in: Option<bool>,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<RoleDefinition>> {
        // what the roles mean is no secret: everyone who has one may read them
        let access = self.own(caller, Action::RoleDefinitionsRead);
        let listing = Listing::read(&("roles", are_built_in), filter, &page)?;
        let mut all = built_in();
        all.extend(access.read(|tx| Ok(roles::definitions(tx)?)).await?);
        let (filter, after) = (&listing.search.filter, &listing.search.after);
        all.retain(|role| are_built_in.is_none_or(|wanted| role.built_in == wanted));
        if let Some(prefix) = &filter.prefix {
            all.retain(|role| role.name.starts_with(prefix.as_str()));
        }
        let order = |one: &str, other: &str| {
            let order = one.cmp(other);
            if filter.order.descending {
                order.reverse()
            } else {
                order
            }
        };
        all.sort_by(|one, other| order(&one.name, &other.name));
        if let Some([Value::Text(last)]) = after.as_deref() {
            all.retain(|role| order(&role.name, last).is_gt());
        }
        let keyed = |role: RoleDefinition| {
            let key = vec![Value::Text(role.name.clone())];
            (role, key)
        };
        Ok(listing.page(all.into_iter().map(keyed).collect()))
    }

    /// Makes a custom role.
    pub async fn create_role(&self, caller: &Caller, new: NewRole) -> Result<RoleDefinition> {
        names::principal(&new.name)?;
        let role = RoleDefinition {
            id: self.ids().uuid(),
            name: new.name,
            description: new.description,
            built_in: false,
            actions: new.actions,
            not_actions: new.not_actions,
        };
        if role.compile().is_empty() {
            return Err(Error::invalid("actions", "these patterns allow no action at all")
                .hint("actions are patterns such as `*/read`; docs/reference/roles.md lists every action"));
        }
        let access = self
            .server_access(caller, Action::RoleAssignmentsWrite)
            .await?;
        access
            .write(format!("roles/{}", role.name), move |tx, _| {
                let known = built_in().into_iter().chain(roles::definitions(tx)?);
                if known
                    .into_iter()
                    .any(|other| other.name.eq_ignore_ascii_case(&role.name))
                {
                    return Err(Error::already_exists("role", &role.name));
                }
                roles::insert_definition(tx, &role)?;
                Ok(role)
            })
            .await
    }

    /// Gives a role (by name or id) to a principal (by name), in a workspace or, without one, on the whole server.
    pub async fn assign_role(
        &self,
        caller: &Caller,
        workspace: Option<&str>,
        principal: &str,
        role: &str,
    ) -> Result<RoleAssignment> {
        let access = self
            .role_access(caller, workspace, Action::RoleAssignmentsWrite)
            .await?;
        let scope = workspace.map_or_else(|| SERVER_SCOPE.to_owned(), workspace_scope);
        let id = self.ids().uuid();
        let by = caller.principal_id().to_owned();
        let (principal, role) = (principal.to_owned(), role.to_owned());
        let own = match workspace {
            Some(name) => caller.allowed_in(name),
            None => caller.allowed_on_server(),
        };
        let assignment = access
            .write(format!("roleAssignments/{id}"), move |tx, change| {
                let holder = principals::find(tx, &principal)?
                    .ok_or_else(|| Error::not_found("principal", &principal))?;
                let found = find_role(tx, &role)?;
                no_wider_than(own, &found)?;
                let given = RoleAssignment {
                    id,
                    principal_id: holder.id,
                    role_id: found.id,
                    scope,
                };
                if !roles::assign(tx, &given, change.now(), &by)? {
                    change.nothing();
                }
                Ok(given)
            })
            .await?;
        self.authority().forget();
        Ok(assignment)
    }

    /// Takes a role away again.
    pub async fn unassign_role(
        &self,
        caller: &Caller,
        workspace: Option<&str>,
        id: &str,
    ) -> Result<()> {
        let access = self
            .role_access(caller, workspace, Action::RoleAssignmentsDelete)
            .await?;
        let scope = workspace.map_or_else(|| SERVER_SCOPE.to_owned(), workspace_scope);
        let id = id.to_owned();
        access
            .write(format!("roleAssignments/{id}"), move |tx, _| {
                let missing = || Error::not_found("role assignment", &id);
                let given = roles::get_assignment(tx, &id)?
                    .filter(|given| given.scope == scope)
                    .ok_or_else(missing)?;
                let last_owner = given.role_id == OWNER_ID
                    && scope == SERVER_SCOPE
                    && roles::other_holders(tx, OWNER_ID, SERVER_SCOPE, &given.principal_id)? == 0;
                if last_owner {
                    return Err(Error::conflict(
                        "this is the last owner of the server; make another one first",
                    ));
                }
                roles::unassign(tx, &id, &scope)?;
                Ok(())
            })
            .await?;
        self.authority().forget();
        Ok(())
    }

    /// Who has which role in a workspace or, without one, on the whole server. The role is meant by name or id.
    pub async fn list_role_assignments(
        &self,
        caller: &Caller,
        workspace: Option<&str>,
        (principal, role): (Option<String>, Option<String>),
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<RoleAssignment>> {
        let access = self
            .role_access(caller, workspace, Action::RoleAssignmentsRead)
            .await?;
        let scope = workspace.map_or_else(|| SERVER_SCOPE.to_owned(), workspace_scope);
        let of = ("role-assignments", &scope, &principal, &role);
        let listing = Listing::read(&of, filter, &page)?;
        let search = listing.search.clone();
        let rows = access
            .read(move |tx| {
                let role_id = match role {
                    Some(role) => Some(find_role(tx, &role)?.id),
                    None => None,
                };
                let wanted = AssignmentFilter { principal, role_id };
                Ok(roles::at_scope(tx, &scope, &wanted, &search)?)
            })
            .await?;
        Ok(listing.page(rows))
    }

    async fn role_access(
        &self,
        caller: &Caller,
        workspace: Option<&str>,
        action: Action,
    ) -> Result<Access> {
        match workspace {
            Some(name) => self.access(caller, name, action).await,
            None => self.server_access(caller, action).await,
        }
    }
}

/// The role of that name or id.
fn find_role(tx: &mut Tx<'_>, role: &str) -> Result<RoleDefinition> {
    built_in()
        .into_iter()
        .chain(roles::definitions(tx)?)
        .find(|known| known.id == role || known.name.eq_ignore_ascii_case(role))
        .ok_or_else(|| Error::not_found("role", role).hint("`lazuli role list` shows the roles"))
}

/// Whoever sets somebody's password or makes a token of somebody's can act as that person from then on: so it takes all the
/// rights that this gives, and looking after users is no way to become an owner.
pub(crate) fn no_wider_than_own(
    tx: &mut Tx<'_>,
    caller: &Caller,
    principal_id: &str,
    given: ActionSet,
) -> Result<()> {
    let known: Vec<_> = built_in()
        .into_iter()
        .chain(roles::definitions(tx)?)
        .collect();
    for held in roles::of_principal(tx, principal_id)? {
        let own = match held.scope.strip_prefix("/workspaces/") {
            Some(workspace) => caller.allowed_in(workspace),
            None => caller.allowed_on_server(),
        };
        let role = known.iter().find(|role| role.id == held.role_id);
        let rights = role.map_or(ActionSet::EMPTY, |role| role.compile().intersection(given));
        if rights.intersection(own) != rights {
            return Err(Error::new(
                lazuli_spec::ErrorCode::PermissionDenied,
                "this principal may do more than you may do yourself",
            )
            .hint("ask an owner of the server to do it"));
        }
    }
    Ok(())
}

/// Nobody gives away more than they have: else a limited token could make itself an owner.
pub(crate) fn no_wider_than(own: ActionSet, role: &RoleDefinition) -> Result<()> {
    let given = role.compile();
    if given.intersection(own) == given {
        return Ok(());
    }
    Err(Error::new(
        lazuli_spec::ErrorCode::PermissionDenied,
        format!(
            "the role `{}` allows more than you may do yourself",
            role.name
        ),
    ))
}
