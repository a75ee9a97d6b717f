//! Principals: the first administrator, users and services, passwords and logins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use lazuli_spec::lists::ListFilter;
use lazuli_spec::principals::{Principal, PrincipalKind};
use lazuli_spec::roles::{OWNER_ID, RoleAssignment, SERVER_SCOPE};
use lazuli_spec::tokens::{Token, TokenText};
use lazuli_spec::{Action, ActionSet, ErrorCode, Page, PageRequest, Timestamp, names};
use lazuli_store::{principals, roles, tokens, workspaces};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::authentication::refused;
use crate::lists::Listing;
use crate::roles::no_wider_than_own;
use crate::{Caller, Core, Error, RequestContext, Result};

/// The administrator made at the first start.
pub const ADMINISTRATOR: &str = "admin";

/// Shorter passwords are refused.
const SHORTEST_PASSWORD: usize = 12;
/// Longer ones too: hashing must not be a way to keep the server busy.
const LONGEST_PASSWORD: usize = 1_024;

/// A principal to be made.
#[derive(Clone, Debug)]
pub struct NewPrincipal {
    /// The unique name.
    pub name: String,
    /// A user or a service.
    pub kind: PrincipalKind,
    /// The name shown to people; the name itself when absent.
    pub display_name: Option<String>,
}

impl Core {
    /// Makes the default workspace and the administrator if this is the first start. Returns a fresh administrator's token then.
    pub async fn bootstrap(&self) -> Result<Option<TokenText>> {
        let access = self.system(Action::PrincipalsWrite);
        let existing = access
            .read(|tx| Ok(principals::find(tx, ADMINISTRATOR)?))
            .await?;
        if existing.is_some() {
            return Ok(None);
        }
        let now = self.now();
        let admin = Principal {
            id: self.ids().uuid(),
            kind: PrincipalKind::User,
            name: ADMINISTRATOR.to_owned(),
            display_name: "Administrator".to_owned(),
            disabled: false,
            created_at: now,
            created_by: "system".to_owned(),
        };
        let workspace = crate::workspaces::first(self.ids(), now, &admin.id);
        let owner = RoleAssignment {
            id: self.ids().uuid(),
            principal_id: admin.id.clone(),
            role_id: OWNER_ID.to_owned(),
            scope: SERVER_SCOPE.to_owned(),
        };
        access
            .write(format!("principals/{ADMINISTRATOR}"), move |tx, _| {
                principals::insert(tx, &admin, None)?;
                workspaces::insert(tx, &workspace)?;
                lazuli_store::experiments::insert_default(tx, &workspace.id, workspace.created_at)?;
                crate::computes::insert_default(
                    tx,
                    &workspace.id,
                    &workspace.created_by,
                    workspace.created_at,
                )?;
                roles::assign(tx, &owner, now, "system")?;
                Ok(())
            })
            .await?;
        self.authority().forget();
        self.issue_administrator_token().await.map(Some)
    }

    /// A new token for the administrator: for whoever holds the server's own folder and has lost the first one.
    pub async fn issue_administrator_token(&self) -> Result<TokenText> {
        let access = self.system(Action::TokensWrite);
        let text = TokenText::generate(self.ids());
        let mut token = Token {
            id: text.id().to_owned(),
            principal_id: String::new(),
            name: "administrator credentials file".to_owned(),
            scopes: vec!["*".to_owned()],
            job: None,
            created_at: self.now(),
            expires_at: None,
            revoked_at: None,
        };
        let hash = text.hash();
        access
            .write(format!("tokens/{}", token.id), move |tx, _| {
                let admin = principals::find(tx, ADMINISTRATOR)?;
                token.principal_id = admin
                    .ok_or_else(|| Error::not_found("principal", ADMINISTRATOR))?
                    .id;
                tokens::insert(tx, &token, &hash, None)?;
                Ok(())
            })
            .await?;
        Ok(text)
    }

    /// Makes a user or a service.
    pub async fn create_principal(&self, caller: &Caller, new: NewPrincipal) -> Result<Principal> {
        names::principal(&new.name)?;
        if !matches!(new.kind, PrincipalKind::User | PrincipalKind::Service) {
            return Err(Error::invalid(
                "kind",
                "only a `user` or a `service` can be made",
            ));
        }
        let access = self.server_access(caller, Action::PrincipalsWrite).await?;
        let principal = Principal {
            id: self.ids().uuid(),
            kind: new.kind,
            display_name: new.display_name.unwrap_or_else(|| new.name.clone()),
            name: new.name,
            disabled: false,
            created_at: self.now(),
            created_by: caller.principal_id().to_owned(),
        };
        access
            .write(format!("principals/{}", principal.name), move |tx, _| {
                if principals::find(tx, &principal.name)?.is_some() {
                    return Err(Error::already_exists("principal", &principal.name));
                }
                principals::insert(tx, &principal, None)?;
                Ok(principal)
            })
            .await
    }

    /// A page of users and services, of one kind or of both.
    pub async fn list_principals(
        &self,
        caller: &Caller,
        kind: Option<PrincipalKind>,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<Principal>> {
        let access = self.server_access(caller, Action::PrincipalsRead).await?;
        let listing = Listing::read(&("principals", kind), filter, &page)?;
        let search = listing.search.clone();
        let rows = access
            .read(move |tx| Ok(principals::list(tx, kind, &search)?))
            .await?;
        Ok(listing.page(rows))
    }

    /// Ends, or gives back, every right of a principal. Ending also takes back its tokens.
    pub async fn set_principal_disabled(
        &self,
        caller: &Caller,
        name: &str,
        disabled: bool,
    ) -> Result<Principal> {
        let access = self.server_access(caller, Action::PrincipalsDelete).await?;
        let name = name.to_owned();
        let principal = access
            .write(format!("principals/{name}"), move |tx, change| {
                let mut found = principals::find(tx, &name)?
                    .ok_or_else(|| Error::not_found("principal", &name))?;
                if disabled && roles::other_holders(tx, OWNER_ID, SERVER_SCOPE, &found.id)? == 0 {
                    return Err(Error::conflict(
                        "this is the last owner of the server; make another one first",
                    ));
                }
                principals::set_disabled(tx, &found.id, disabled)?;
                if disabled {
                    tokens::revoke_for_principal(tx, &found.id, change.now())?;
                }
                found.disabled = disabled;
                Ok(found)
            })
            .await?;
        self.authority().forget();
        Ok(principal)
    }

    /// Sets a password: one's own, or another's with the right to and with all the rights that the other has. Who logs in with
    /// a password may do everything that its principal may, so a job's token and a limited one set none for themselves.
    pub async fn set_password(&self, caller: &Caller, name: &str, password: String) -> Result<()> {
        let everything: ActionSet = Action::ALL.iter().copied().collect();
        let own = name == caller.name() && caller.job().is_none() && caller.mask == everything;
        let access = if own {
            self.own(caller, Action::PrincipalsWrite)
        } else {
            self.server_access(caller, Action::PrincipalsWrite).await?
        };
        let hash = self.hashed(password).await?;
        let (name, caller) = (name.to_owned(), caller.clone());
        access
            .write(format!("principals/{name}/password"), move |tx, _| {
                let found = principals::find(tx, &name)?
                    .ok_or_else(|| Error::not_found("principal", &name))?;
                if !own {
                    no_wider_than_own(tx, &caller, &found.id, everything)?;
                }
                principals::set_password_hash(tx, &found.id, &hash)?;
                Ok(())
            })
            .await?;
        self.authority().forget();
        Ok(())
    }

    /// A new password's hash, if it may be one.
    pub(crate) async fn hashed(&self, password: String) -> Result<String> {
        let length = password.len();
        if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length) {
            return Err(Error::invalid(
                "password",
                format!(
                    "a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} bytes; this one has {length}"
                ),
            ));
        }
        let mut salt = [0_u8; 16];
        self.ids().fill(&mut salt);
        let hash = on_a_blocking_thread(move || {
            let hashed = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
            hashed.map(|hash| hash.to_string())
        })
        .await?
        .map_err(|error| {
            Error::internal("the password could not be hashed").caused_by(error.to_string())
        })?;
        Ok(hash)
    }

    /// A login with name and password. Failures are counted; too many in a minute stop further tries for that name.
    pub(crate) async fn password_caller(
        &self,
        name: &str,
        password: &str,
        context: &RequestContext,
    ) -> Result<Caller> {
        let everything: ActionSet = Action::ALL.iter().copied().collect();
        let key: [u8; 32] = {
            let mut hasher = Sha256::new();
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(password.as_bytes());
            hasher.finalize().into()
        };
        if let Some(principal) = self.authority().passwords.get(&key) {
            return self.caller(&principal, everything, context).await;
        }
        self.authority().attempts.begin(name, self.now())?;
        let wanted = name.to_owned();
        let found = self
            .store()
            .read(move |tx| Ok::<_, Error>(principals::find_login(tx, &wanted)?))
            .await?;
        let (principal, hash) =
            found.map_or((None, None), |(principal, hash)| (Some(principal), hash));
        let password = password.to_owned();
        let turn = self.authority().hashing.turn().await;
        let good = on_a_blocking_thread(move || verify(hash.as_deref(), &password)).await?;
        drop(turn);
        let Some(principal) = principal.filter(|_| good) else {
            return Err(refused("the name or the password is wrong"));
        };
        self.authority().attempts.succeeded(name);
        let principal = Arc::new(principal);
        let caller = self.caller(&principal, everything, context).await?;
        self.authority().passwords.put(key, principal);
        Ok(caller)
    }
}

async fn on_a_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("a background thread failed").caused_by(error))
}

/// Whether the password fits. Without a hash it works as long on one of nobody, so that time does not tell which names exist.
fn verify(hash: Option<&str>, password: &str) -> bool {
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bGF6dWxpLW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    if password.len() > LONGEST_PASSWORD {
        return false;
    }
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else {
        return false;
    };
    let fits = Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_ok();
    fits && hash.is_some()
}

/// Who may hash a password now. One hash takes 19 MiB and a core for a while: strangers who try many at once wait in line
/// and do not take the memory of everybody else.
#[derive(Debug)]
pub(crate) struct Hashing(Semaphore);

impl Default for Hashing {
    fn default() -> Self {
        Self(Semaphore::new(Self::AT_ONCE))
    }
}

impl Hashing {
    const AT_ONCE: usize = 4;

    /// Waits for a turn, which lasts until the permit is dropped.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // the semaphore is never closed
        self.0.acquire().await.ok()
    }
}

/// Logins of the last minute that failed or have not ended yet. An attempt counts from its beginning, so that many at once
/// are no way around the limit.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Vec<(Timestamp, String)>>, Mutex<(Timestamp, u32)>);

impl Attempts {
    const WINDOW: Duration = Duration::from_mins(1);
    const MOST_PER_NAME: usize = 10;
    const MOST_IN_ALL: usize = 1_000;
    const RECORDS_PER_WINDOW: u32 = 600;

    fn begin(&self, name: &str, now: Timestamp) -> Result<()> {
        let name = Self::shown(name);
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|(at, _)| now.since(*at) < Self::WINDOW);
        let of_name = attempts.iter().filter(|(_, other)| *other == name).count();
        if of_name >= Self::MOST_PER_NAME || attempts.len() >= Self::MOST_IN_ALL {
            return Err(Error::new(
                ErrorCode::TooManyRequests,
                "too many failed logins; wait a minute",
            ));
        }
        attempts.push((now, name));
        Ok(())
    }

    fn succeeded(&self, name: &str) {
        let name = Self::shown(name);
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = attempts.iter().rposition(|(_, other)| *other == name) {
            attempts.remove(latest);
        }
    }

    fn shown(name: &str) -> String {
        name.chars().take(128).collect()
    }

    /// Whether one more refused login may still be recorded in this minute.
    pub(crate) fn may_record(&self, now: Timestamp) -> bool {
        let mut window = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.0) >= Self::WINDOW {
            *window = (now, 0);
        }
        window.1 += 1;
        window.1 <= Self::RECORDS_PER_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_try_in_a_minute_is_refused_and_a_minute_later_it_is_not() {
        let attempts = Attempts::default();
        for _ in 0..10 {
            attempts.begin("admin", Timestamp(0)).unwrap();
        }
        assert!(attempts.begin("admin", Timestamp(1)).is_err());
        attempts.begin("other", Timestamp(1)).unwrap();
        attempts.begin("admin", Timestamp(61_000_000)).unwrap();
    }

    #[test]
    fn logins_that_succeed_are_not_counted() {
        let attempts = Attempts::default();
        for _ in 0..30 {
            attempts.begin("admin", Timestamp(0)).unwrap();
            attempts.succeeded("admin");
        }
        // a name that nobody can have is limited like any other
        let long = "x".repeat(500);
        for _ in 0..10 {
            attempts.begin(&long, Timestamp(0)).unwrap();
        }
        assert!(attempts.begin(&long, Timestamp(0)).is_err());
    }

    #[test]
    fn nobody_has_no_password() {
        assert!(!verify(None, ""));
        assert!(!verify(Some("not a hash"), "x"));
    }
}
