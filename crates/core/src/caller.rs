//! Who is asking. Every core method takes a `&Caller`, and only this crate can make one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use lazuli_spec::principals::PrincipalKind;
use lazuli_spec::roles::SERVER_SCOPE;
use lazuli_spec::{Action, ActionSet, Timestamp};

/// What a request tells about itself, whoever sent it.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The id that ties log lines, audit records and the answer together.
    pub request_id: String,
    /// Where it came from.
    pub address: String,
}

/// What a principal may do, by scope.
#[derive(Debug, Default)]
pub struct Grants {
    server: ActionSet,
    workspaces: HashMap<String, ActionSet>,
}

impl Grants {
    /// Adds what is allowed at a scope.
    pub(crate) fn add(&mut self, scope: &str, allowed: ActionSet) {
        if scope == SERVER_SCOPE {
            self.server = self.server.union(allowed);
        } else if let Some(workspace) = scope.strip_prefix("/workspaces/") {
            let entry = self.workspaces.entry(workspace.to_owned()).or_default();
            *entry = entry.union(allowed);
        }
    }

    /// What is allowed in a workspace: what is given there and what is given on the whole server.
    pub fn in_workspace(&self, workspace: &str) -> ActionSet {
        let here = self.workspaces.get(workspace).copied().unwrap_or_default();
        here.union(self.server)
    }

    /// What is allowed on the server itself.
    pub const fn on_server(&self) -> ActionSet {
        self.server
    }
}

/// An authenticated caller.
#[derive(Clone)]
pub struct Caller {
    pub(crate) principal_id: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) kind: PrincipalKind,
    pub(crate) grants: Arc<Grants>,
    /// What the token is limited to, whatever its owner may do.
    pub(crate) mask: ActionSet,
    /// A job's token: the workspace's id and the job's name.
    pub(crate) job: Option<Arc<JobIdentity>>,
    pub(crate) token_id: Option<Arc<str>>,
    /// When that token stops working: what is made with it must not outlive it.
    pub(crate) token_ends: Option<Timestamp>,
    pub(crate) context: RequestContext,
}

/// The one job a job's token speaks for.
#[derive(Debug, PartialEq, Eq)]
pub struct JobIdentity {
    /// The workspace's id.
    pub workspace_id: String,
    /// The job's name, which is its run id.
    pub job: String,
}

impl Caller {
    /// The principal's id.
    pub fn principal_id(&self) -> &str {
        &self.principal_id
    }

    /// The principal's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of principal.
    pub const fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The job this caller speaks for, if it came with a job's token.
    pub fn job(&self) -> Option<&JobIdentity> {
        self.job.as_deref()
    }

    /// The token it came with, by its public id.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// The request's own facts.
    pub const fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Whether an action is allowed in a workspace.
    pub fn may(&self, workspace: &str, action: Action) -> bool {
        self.allowed_in(workspace).contains(action)
    }

    /// All that is allowed in a workspace.
    pub fn allowed_in(&self, workspace: &str) -> ActionSet {
        self.grants.in_workspace(workspace).intersection(self.mask)
    }

    /// All that is allowed on the server itself. A job never has rights there.
    pub fn allowed_on_server(&self) -> ActionSet {
        if self.job.is_some() {
            return ActionSet::EMPTY;
        }
        self.grants.on_server().intersection(self.mask)
    }

    /// Whether the caller can know of a workspace at all.
    pub fn sees(&self, workspace: &str) -> bool {
        !self.grants.in_workspace(workspace).is_empty()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("job", &self.job)
            .field("request_id", &self.context.request_id)
            .finish_non_exhaustive()
    }
}
