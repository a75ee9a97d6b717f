//! From credentials to a [`Caller`].
//!
//! Secrets are compared as hashes in constant time; an unknown token costs what a wrong one costs. What a principal may do
//! is compiled once to bit sets and remembered for half a second (see `memo`).

use std::sync::Arc;

use lazuli_spec::audit::{AuditRecord, Outcome};
use lazuli_spec::principals::Principal;
use lazuli_spec::tokens::TokenText;
use lazuli_spec::{Action, ActionSet, ErrorCode};
use lazuli_store::tokens::Credential;
use lazuli_store::{audit, roles, tokens};
use subtle::ConstantTimeEq;

use crate::access::Place;
use crate::caller::{Caller, Grants, JobIdentity, RequestContext};
use crate::memo::Memo;
use crate::principals::{Attempts, Hashing};
use crate::{Core, Error, Result};

/// What a request presents to say who it is from.
pub enum Credentials {
    /// `Authorization: Bearer …`.
    Bearer(String),
    /// `Authorization: Basic …`: a name and a password, or any name and a token as the password.
    Basic {
        /// The principal's name.
        name: String,
        /// The password, or a token.
        password: String,
    },
}

/// What is remembered of who may do what.
#[derive(Default)]
pub(crate) struct Authority {
    credentials: Memo<String, Arc<Credential>>,
    grants: Memo<String, Arc<Grants>>,
    places: Memo<String, Arc<Place>>,
    pub(crate) passwords: Memo<[u8; 32], Arc<Principal>>,
    pub(crate) attempts: Attempts,
    pub(crate) hashing: Hashing,
}

impl Authority {
    /// Identity changed on this server: believe nothing remembered.
    pub(crate) fn forget(&self) {
        self.credentials.clear();
        self.grants.clear();
        self.passwords.clear();
        self.places.clear();
    }
}

impl Core {
    /// Finds out who is asking. A failure with credentials presented is recorded in the audit trail.
    pub async fn authenticate(
        &self,
        credentials: Credentials,
        context: RequestContext,
    ) -> Result<Caller> {
        let outcome = match credentials {
            Credentials::Bearer(text) => self.token_caller(&text, &context).await,
            Credentials::Basic { password, .. }
                if password.starts_with(lazuli_spec::tokens::PREFIX) =>
            {
                self.token_caller(&password, &context).await
            }
            Credentials::Basic { name, password } => {
                self.password_caller(&name, &password, &context).await
            }
        };
        if let Err(error) = &outcome
            && error.code == ErrorCode::Unauthenticated
        {
            self.record_refusal(&context).await;
        }
        outcome
    }

    async fn token_caller(&self, text: &str, context: &RequestContext) -> Result<Caller> {
        let Some(presented) = TokenText::parse(text) else {
            return Err(refused("the token is not one of this server"));
        };
        let credential = self.credential(presented.id()).await?;
        let hash = presented.hash();
        let known = credential
            .as_ref()
            .map_or(&[0_u8; 32][..], |c| &c.secret_hash);
        let same = bool::from(known.ct_eq(&hash));
        let Some(credential) = credential.filter(|_| same) else {
            return Err(refused("the token is not one of this server"));
        };
        let token = &credential.token;
        if token.revoked_at.is_some() {
            return Err(refused("the token was revoked"));
        }
        if token.expires_at.is_some_and(|end| end <= self.now()) {
            return Err(refused("the token has expired"));
        }
        let mask = ActionSet::compile(&token.scopes, &[]);
        let mut caller = self.caller(&credential.principal, mask, context).await?;
        caller.token_id = Some(Arc::from(token.id.as_str()));
        caller.token_ends = token.expires_at;
        caller.job = match (&token.job, &credential.workspace_id) {
            (Some(job), Some(workspace_id)) => Some(Arc::new(JobIdentity {
                workspace_id: workspace_id.clone(),
                job: job.clone(),
            })),
            _ => None,
        };
        Ok(caller)
    }

    /// A caller for an authenticated principal, limited to `mask`.
    pub(crate) async fn caller(
        &self,
        principal: &Principal,
        mask: ActionSet,
        context: &RequestContext,
    ) -> Result<Caller> {
        if principal.disabled {
            return Err(refused("this account is disabled"));
        }
        Ok(Caller {
            principal_id: Arc::from(principal.id.as_str()),
            name: Arc::from(principal.name.as_str()),
            kind: principal.kind,
            grants: self.grants(&principal.id).await?,
            mask,
            job: None,
            token_id: None,
            token_ends: None,
            context: context.clone(),
        })
    }

    async fn credential(&self, id: &str) -> Result<Option<Arc<Credential>>> {
        if let Some(known) = self.authority().credentials.get(id) {
            return Ok(Some(known));
        }
        let key = id.to_owned();
        let found = self
            .store()
            .read(move |tx| Ok::<_, Error>(tokens::credential(tx, &key)?))
            .await?;
        let found = found.map(Arc::new);
        if let Some(credential) = &found {
            self.authority()
                .credentials
                .put(id.to_owned(), Arc::clone(credential));
        }
        Ok(found)
    }

    async fn grants(&self, principal_id: &str) -> Result<Arc<Grants>> {
        if let Some(known) = self.authority().grants.get(principal_id) {
            return Ok(known);
        }
        let key = principal_id.to_owned();
        let (given, mut definitions) = self
            .store()
            .read(move |tx| {
                Ok::<_, Error>((roles::of_principal(tx, &key)?, roles::definitions(tx)?))
            })
            .await?;
        definitions.extend(lazuli_spec::roles::built_in());
        let mut grants = Grants::default();
        for assignment in given {
            if let Some(role) = definitions
                .iter()
                .find(|role| role.id == assignment.role_id)
            {
                grants.add(&assignment.scope, role.compile());
            }
        }
        let grants = Arc::new(grants);
        self.authority()
            .grants
            .put(principal_id.to_owned(), Arc::clone(&grants));
        Ok(grants)
    }

    /// The workspace of that name, if there is one.
    pub(crate) async fn place(&self, workspace: &str) -> Result<Option<Arc<Place>>> {
        if let Some(known) = self.authority().places.get(workspace) {
            return Ok(Some(known));
        }
        let name = workspace.to_owned();
        let found = self
            .store()
            .read(move |tx| Ok::<_, Error>(lazuli_store::workspaces::find(tx, &name)?))
            .await?;
        let place = found.map(|found| {
            Arc::new(Place {
                id: found.id,
                name: found.name,
            })
        });
        if let Some(place) = &place {
            self.authority()
                .places
                .put(workspace.to_owned(), Arc::clone(place));
        }
        Ok(place)
    }

    /// Records a failed login; a flood of them is recorded in part, so that strangers cannot fill the disk.
    async fn record_refusal(&self, context: &RequestContext) {
        if !self.authority().attempts.may_record(self.now()) {
            return;
        }
        let record = AuditRecord {
            sequence: 0,
            at: self.now(),
            principal_id: String::new(),
            principal_name: String::new(),
            action: Action::TokensRead.as_str().to_owned(),
            target: "login".to_owned(),
            workspace: String::new(),
            outcome: Outcome::Unauthenticated,
            request_id: context.request_id.clone(),
            address: context.address.clone(),
            previous_hash: String::new(),
            hash: String::new(),
        };
        let written = self
            .store()
            .write(move |tx| Ok::<_, Error>(audit::append(tx, record).map(drop)?))
            .await;
        if let Err(error) = written {
            tracing::error!(%error, "a refused login could not be recorded");
        }
    }
}

/// Credentials that are not accepted.
pub(crate) fn refused(message: &'static str) -> Error {
    Error::new(ErrorCode::Unauthenticated, message).hint(
        "set a valid token: `eval \"$(lazuli env)\"` on the server's machine, or `lazuli login`",
    )
}
