//! Tokens: made, listed, revoked; and those that jobs get.

use std::time::Duration;

use lazuli_spec::lists::ListFilter;
use lazuli_spec::tokens::{Token, TokenState, TokenText};
use lazuli_spec::{Action, ActionSet, Page, PageRequest, Timestamp, names};
use lazuli_store::tokens::TokenFilter;
use lazuli_store::{Tx, tokens};

use crate::lists::Listing;
use crate::roles::no_wider_than_own;
use crate::{Access, Caller, Core, Error, Result};

/// What a token for oneself is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// Action patterns it is limited to; empty for everything its owner may do.
    pub scopes: Vec<String>,
    /// How long it works; for good when absent.
    pub lifetime: Option<Duration>,
    /// For whom, by name; for the caller when absent.
    pub principal: Option<String>,
}

/// What a job may do with its own token, at most: its owner's rights limit it further.
const JOB_SCOPES: &[&str] = &[
    "Microsoft.MachineLearningServices/workspaces/*/read",
    "Microsoft.MachineLearningServices/workspaces/experiments/write",
    "Microsoft.MachineLearningServices/workspaces/experiments/runs/*",
    "Microsoft.MachineLearningServices/workspaces/metrics/*",
    "Microsoft.MachineLearningServices/workspaces/traces/write",
    "Microsoft.MachineLearningServices/workspaces/metadata/artifacts/*",
    "Microsoft.MachineLearningServices/workspaces/models/write",
    "Microsoft.MachineLearningServices/workspaces/data/versions/write",
    "Microsoft.MachineLearningServices/workspaces/evaluationDatasets/write",
];

/// Which tokens to list.
#[derive(Clone, Debug, Default)]
pub struct TokenSearch {
    /// Everybody's, not only one's own.
    pub everybody: bool,
    /// Those of this principal, by name.
    pub principal: Option<String>,
    /// Only in this state.
    pub state: Option<TokenState>,
}

impl Core {
    /// Makes a token and returns its text, which cannot be had again.
    pub async fn create_token(&self, caller: &Caller, new: NewToken) -> Result<(Token, TokenText)> {
        names::principal(&new.name)?;
        for scope in &new.scopes {
            if ActionSet::compile(&[scope.as_str()], &[]).is_empty() {
                return Err(Error::invalid(
                    "scopes",
                    format!("the scope `{scope}` matches no action"),
                )
                .hint("a scope is an action pattern, for example `*`, `*/read` or `*/jobs/*`"));
            }
        }
        if new.lifetime == Some(Duration::ZERO) {
            return Err(Error::invalid(
                "expires_in_seconds",
                "a token that works for 0 seconds is of no use",
            )
            .hint("leave it out for a token without an end"));
        }
        let access = self
            .token_access(caller, new.principal.as_deref(), Action::TokensWrite)
            .await?;
        let scopes = if new.scopes.is_empty() {
            vec!["*".to_owned()]
        } else {
            new.scopes
        };
        let asked = ActionSet::compile(&scopes, &[]);
        if asked.intersection(caller.mask) != asked {
            return Err(Error::invalid(
                "scopes",
                "a token cannot make a token with a wider scope than its own",
            ));
        }
        let text = TokenText::generate(self.ids());
        let now = self.now();
        let mut token = Token {
            id: text.id().to_owned(),
            principal_id: caller.principal_id().to_owned(),
            name: new.name,
            scopes,
            job: None,
            created_at: now,
            expires_at: earliest(new.lifetime.map(|span| now.plus(span)), caller.token_ends),
            revoked_at: None,
        };
        let (hash, owner) = (text.hash(), new.principal);
        let owner = owner.filter(|name| name != caller.name());
        let caller = caller.clone();
        let token = access
            .write(format!("tokens/{}", token.id), move |tx, _| {
                if let Some(name) = owner {
                    let principal = lazuli_store::principals::find(tx, &name)?;
                    token.principal_id = principal
                        .ok_or_else(|| Error::not_found("principal", &name))?
                        .id;
                    no_wider_than_own(tx, &caller, &token.principal_id, asked)?;
                }
                tokens::insert(tx, &token, &hash, None)?;
                Ok(token)
            })
            .await?;
        Ok((token, text))
    }

    /// The caller's tokens, or another's or everybody's for those who may see them.
    pub async fn list_tokens(
        &self,
        caller: &Caller,
        wanted: TokenSearch,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<Token>> {
        let whose = match (wanted.principal, wanted.everybody) {
            (Some(name), _) => Some(name),
            (None, true) => None,
            (None, false) => Some(caller.name().to_owned()),
        };
        let access = self
            .token_access(
                caller,
                Some(whose.as_deref().unwrap_or("")),
                Action::TokensRead,
            )
            .await?;
        let wanted = TokenFilter {
            principal: whose,
            state: wanted.state,
        };
        let listing = Listing::read(&("tokens", &wanted), filter, &page)?;
        let (search, now) = (listing.search.clone(), self.now());
        let rows = access
            .read(move |tx| Ok(tokens::list(tx, &wanted, now, &search)?))
            .await?;
        Ok(listing.page(rows))
    }

    /// Takes a token back; it is refused from now on.
    pub async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<()> {
        let key = id.to_owned();
        let found = self
            .store()
            .read(move |tx| Ok::<_, Error>(tokens::credential(tx, &key)?))
            .await?;
        let missing = || Error::not_found("token", id);
        let found = found
            .filter(|found| found.token.revoked_at.is_none())
            .ok_or_else(missing)?;
        let own = found.principal.id == caller.principal_id();
        let access = if own {
            self.own_access(caller, Action::TokensDelete)?
        } else if caller.allowed_on_server().contains(Action::TokensDelete) {
            self.server_access(caller, Action::TokensDelete).await?
        } else {
            return Err(missing());
        };
        let key = id.to_owned();
        access
            .write(format!("tokens/{id}"), move |tx, change| {
                tokens::revoke(tx, &key, change.now())?;
                Ok(())
            })
            .await?;
        self.authority().forget();
        Ok(())
    }

    /// One's own tokens need no right; another's need it on the server.
    async fn token_access(
        &self,
        caller: &Caller,
        whose: Option<&str>,
        action: Action,
    ) -> Result<Access> {
        match whose {
            Some(name) if name != caller.name() => self.server_access(caller, action).await,
            _ => self.own_access(caller, action),
        }
    }

    /// What everyone may do with what is their own, except a job and a token that is itself limited: neither may widen itself.
    fn own_access(&self, caller: &Caller, action: Action) -> Result<Access> {
        if caller.job().is_some() || !caller.mask.contains(action) {
            return Err(Error::new(
                lazuli_spec::ErrorCode::PermissionDenied,
                "a job's token or a limited token cannot manage tokens",
            ));
        }
        Ok(self.own(caller, action))
    }
}

/// The earlier of two ends, where there is one.
fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Makes the token of a job inside the transaction that launches it: it acts for the job's owner, in one workspace, for one job.
pub(crate) fn mint_for_job(
    tx: &mut Tx<'_>,
    core: &Core,
    owner: &str,
    workspace_id: &str,
    job: &str,
    expires_at: Option<Timestamp>,
) -> Result<TokenText> {
    let text = TokenText::generate(core.ids());
    let token = Token {
        id: text.id().to_owned(),
        principal_id: owner.to_owned(),
        name: format!("job {job}"),
        scopes: JOB_SCOPES.iter().map(|&scope| scope.to_owned()).collect(),
        job: Some(job.to_owned()),
        created_at: core.now(),
        expires_at,
        revoked_at: None,
    };
    tokens::insert(tx, &token, &text.hash(), Some(workspace_id))?;
    Ok(text)
}
