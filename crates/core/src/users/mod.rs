//! Users in MLflow's words: the same principals, passwords and roles as everywhere, with its rules and messages.

mod permissions;
#[cfg(test)]
mod tests;

use lazuli_spec::principals::{Principal, PrincipalKind};
use lazuli_spec::roles::OWNER_ID;
use lazuli_spec::users::User;
use lazuli_spec::{Action, ErrorCode, names};
use lazuli_store::{principals, roles, users};

pub use permissions::{Held, WorkspaceRole};

use crate::{Access, Caller, Core, Error, Result};

/// Most users in the list, which has no pages in MLflow's interface.
const MOST: u32 = 10_000;

impl Core {
    /// Makes a user that can log in with a password. It has no role yet.
    pub async fn create_user(&self, caller: &Caller, name: &str, password: String) -> Result<User> {
        names::principal(name).map_err(|error| Error::from(error).in_field("username"))?;
        let access = self.server_access(caller, Action::PrincipalsWrite).await?;
        let hash = self.hashed(password).await?;
        let principal = Principal {
            id: self.ids().uuid(),
            kind: PrincipalKind::User,
            display_name: name.to_owned(),
            name: name.to_owned(),
            disabled: false,
            created_at: self.now(),
            created_by: caller.principal_id().to_owned(),
        };
        access
            .write(format!("principals/{name}"), move |tx, _| {
                if let Some(taken) = principals::find(tx, &principal.name)? {
                    return Err(name_taken(&taken));
                }
                principals::insert(tx, &principal, Some(&hash))?;
                Ok(User {
                    id: principal.id,
                    username: principal.name,
                    is_admin: false,
                })
            })
            .await
    }

    /// One user: oneself, or another with the right to.
    pub async fn get_user(&self, caller: &Caller, name: &str) -> Result<User> {
        let access = self
            .access_to_user(caller, name, Action::PrincipalsRead)
            .await?;
        let name = name.to_owned();
        access
            .read(move |tx| users::find(tx, &name)?.ok_or_else(|| unknown(&name)))
            .await
    }

    /// All users, by name.
    pub async fn list_users(&self, caller: &Caller) -> Result<Vec<User>> {
        let access = self.server_access(caller, Action::PrincipalsRead).await?;
        access.read(|tx| Ok(users::list(tx, "", MOST)?)).await
    }

    /// Sets a password. For one's own, the present one must be given, if there is one.
    pub async fn change_password(
        &self,
        caller: &Caller,
        name: &str,
        password: String,
        present: Option<&str>,
    ) -> Result<()> {
        let refused = |message: &'static str| Error::new(ErrorCode::InvalidArgument, message);
        let wanted = name.to_owned();
        if name == caller.name() {
            let access = self.own(caller, Action::PrincipalsRead);
            let known = access
                .read(move |tx| Ok(principals::find_login(tx, &wanted)?))
                .await?;
            if known.is_some_and(|(_, hash)| hash.is_some()) {
                let present = present.filter(|text| !text.is_empty()).ok_or_else(|| {
                    refused("Current password is required when changing your own password.")
                })?;
                let login = self.password_caller(name, present, caller.context()).await;
                login.map_err(|error| match error.code {
                    ErrorCode::Unauthenticated => refused("Current password does not match."),
                    _ => error,
                })?;
                if present == password {
                    return Err(refused(
                        "New password must differ from the current password.",
                    ));
                }
            }
        } else {
            self.get_user(caller, name).await?;
        }
        self.set_password(caller, name, password).await
    }

    /// Makes a user an owner of the server, or takes that away.
    pub async fn set_user_admin(&self, caller: &Caller, name: &str, is_admin: bool) -> Result<()> {
        self.server_access(caller, Action::RoleAssignmentsWrite)
            .await?;
        let user = self.get_user(caller, name).await?;
        if is_admin {
            return self
                .assign_role(caller, None, name, OWNER_ID)
                .await
                .map(drop);
        }
        let access = self
            .server_access(caller, Action::RoleAssignmentsRead)
            .await?;
        let given = access
            .read(move |tx| Ok(roles::of_principal(tx, &user.id)?))
            .await?;
        let owner = given
            .into_iter()
            .find(|a| a.role_id == OWNER_ID && a.scope == lazuli_spec::roles::SERVER_SCOPE);
        match owner {
            Some(owner) => self.unassign_role(caller, None, &owner.id).await,
            None => Ok(()),
        }
    }

    /// Ends every right of a user. The name is not given out again: the audit trail tells of it.
    pub async fn delete_user(&self, caller: &Caller, name: &str) -> Result<()> {
        if name == caller.name() {
            let message = "Users cannot delete their own account. Ask another admin to delete this user instead.";
            return Err(Error::new(ErrorCode::MalformedBody, message));
        }
        self.server_access(caller, Action::PrincipalsDelete).await?;
        self.get_user(caller, name).await?;
        self.set_principal_disabled(caller, name, true)
            .await
            .map(drop)
    }

    /// Access to what concerns a user: one's own needs no right, another's needs it on the server.
    async fn access_to_user(&self, caller: &Caller, name: &str, action: Action) -> Result<Access> {
        if name == caller.name() {
            return Ok(self.own(caller, action));
        }
        self.server_access(caller, action).await
    }
}

fn unknown(name: &str) -> Error {
    Error::new(
        ErrorCode::NotFound,
        format!("User with username={name} not found"),
    )
}

fn name_taken(taken: &Principal) -> Error {
    let message = format!("User (username={}) already exists.", taken.name);
    let error = Error::new(ErrorCode::AlreadyExists, message);
    if taken.disabled {
        error.hint("the user was deleted; names are not given out again, so that the audit trail stays readable: `lazuli user enable` gives this one its rights back")
    } else {
        error
    }
}
