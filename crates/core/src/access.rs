//! The only way to the store: an [`Access`] is proof that the caller may do the action in the workspace.
//!
//! ```text
//! caller + workspace + action --authorize--> Access --read / write / log--> one transaction
//! ```
//! `write` puts the audit record and the event of the change into the same transaction as the change itself, so that
//! neither can be forgotten or lost. `log` is for the measurements a run streams in: those are not audited one by one.

use std::sync::Arc;

use lazuli_blob::Blobs;
use lazuli_spec::audit::{AuditRecord, Outcome};
use lazuli_spec::principals::PrincipalKind;
use lazuli_spec::webhooks::WebhookEvent;
use lazuli_spec::{Action, ActionSet, ErrorCode, IdSource, Timestamp};
use lazuli_store::events::Event;
use lazuli_store::{Tx, audit, events};

use crate::caller::{Caller, Grants, RequestContext};
use crate::{Core, Error, Result};

/// The workspace an access is for. Both are empty for the server itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Proof of permission, and the way to the data it covers.
#[derive(Clone, Debug)]
pub struct Access {
    core: Core,
    caller: Caller,
    place: Arc<Place>,
    action: Action,
}

/// What a change tells the audit trail and the event stream about itself.
#[derive(Debug)]
pub struct Change {
    target: String,
    body: String,
    now: Timestamp,
    silent: bool,
    tellings: Vec<(WebhookEvent, serde_json::Value)>,
}

impl Change {
    /// Names the target anew, for when it is only known inside the transaction (a version counted up there).
    pub fn target(&mut self, target: impl Into<String>) {
        self.target = target.into();
    }

    /// More about the change, for those who follow the events.
    pub fn body(&mut self, body: impl Into<String>) {
        self.body = body.into();
    }

    /// The request turned out to change nothing (a repeat of what is there): no record, no event.
    pub fn nothing(&mut self) {
        self.silent = true;
    }

    /// Tells the workspace's webhooks, when the change is committed.
    pub fn tell(&mut self, event: WebhookEvent, data: serde_json::Value) {
        self.tellings.push((event, data));
    }

    /// The moment of the change.
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

impl Core {
    /// Checks that the caller may do the action in the workspace.
    ///
    /// Whoever sees nothing of a workspace is told that there is none; whoever sees it and may not act is told so, and the
    /// attempt is recorded.
    pub async fn access(&self, caller: &Caller, workspace: &str, action: Action) -> Result<Access> {
        let hidden = || Error::not_found("workspace", workspace);
        if !caller.sees(workspace) {
            return Err(hidden());
        }
        let place = self.place(workspace).await?.ok_or_else(hidden)?;
        if caller.job().is_some_and(|job| job.workspace_id != place.id) {
            return Err(hidden());
        }
        let access = self.proof(caller, place, action);
        if caller.may(workspace, action) {
            return Ok(access);
        }
        access.record_denial().await
    }

    /// Checks that the caller may do the action on the server itself.
    pub async fn server_access(&self, caller: &Caller, action: Action) -> Result<Access> {
        let access = self.proof(caller, Arc::default(), action);
        if caller.allowed_on_server().contains(action) {
            return Ok(access);
        }
        access.record_denial().await
    }

    /// Lazuli's own access, for the scheduler, recovery and first start.
    pub fn system(&self, action: Action) -> Access {
        self.proof(&system_caller(), Arc::default(), action)
    }

    /// Lazuli's own access to one workspace, by its id and name.
    pub fn system_in(&self, workspace_id: &str, workspace: &str, action: Action) -> Access {
        let place = Place {
            id: workspace_id.to_owned(),
            name: workspace.to_owned(),
        };
        self.proof(&system_caller(), Arc::new(place), action)
    }

    /// Access to what is the caller's own, which needs no role. Whoever calls this has made sure that it is.
    pub(crate) fn own(&self, caller: &Caller, action: Action) -> Access {
        self.proof(caller, Arc::default(), action)
    }

    fn proof(&self, caller: &Caller, place: Arc<Place>, action: Action) -> Access {
        Access {
            core: self.clone(),
            caller: caller.clone(),
            place,
            action,
        }
    }
}

impl Access {
    /// The id that the rows of this workspace carry.
    pub fn workspace_id(&self) -> &str {
        &self.place.id
    }

    /// The workspace's name.
    pub fn workspace(&self) -> &str {
        &self.place.name
    }

    /// Who asks.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The core this access belongs to.
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// The stored bytes.
    pub fn blobs(&self) -> &Blobs {
        self.core.blobs()
    }

    /// Where new ids come from.
    pub fn ids(&self) -> &dyn IdSource {
        self.core.ids()
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// Reads in one consistent snapshot.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.core.store().read(work).await
    }

    /// Changes something, and records the change in the same transaction. Durable when it returns.
    pub async fn write<T, F>(&self, target: impl Into<String>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>, &mut Change) -> Result<T> + Send + 'static,
    {
        let mut change = Change {
            target: target.into(),
            body: String::new(),
            now: self.now(),
            silent: false,
            tellings: Vec::new(),
        };
        let record = self.audit_record(Outcome::Allowed, change.now);
        let workspace_id = self.place.id.clone();
        let (value, sequence) = self
            .core
            .store()
            .write(move |tx| {
                let value = work(tx, &mut change)?;
                if change.silent {
                    return Ok((value, None));
                }
                let sequence = append(tx, record, change, workspace_id)?;
                Ok::<_, Error>((value, Some(sequence)))
            })
            .await?;
        if let Some((sequence, told)) = sequence {
            self.core.announce(sequence);
            if told {
                self.core.webhooks().wake();
            }
        }
        Ok(value)
    }

    /// Writes what a run streams in. Durable when it returns; no audit record and no event of its own.
    pub async fn log<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.core.store().write(work).await
    }

    /// Records that something was looked at which is worth a record in itself: a secret, a key.
    pub async fn record_read(&self, target: impl Into<String>) -> Result<()> {
        self.write(target, |_, _| Ok(())).await
    }

    async fn record_denial(&self) -> Result<Self> {
        let record = self.audit_record(Outcome::Denied, self.now());
        self.core
            .store()
            .write(move |tx| Ok::<_, Error>(audit::append(tx, record).map(drop)?))
            .await?;
        let place = match self.place.name.as_str() {
            "" => "on this server".to_owned(),
            name => format!("in the workspace `{name}`"),
        };
        let denied = format!(
            "`{}` may not do `{}` {place}",
            self.caller.name(),
            self.action.as_str()
        );
        Err(Error::new(ErrorCode::PermissionDenied, denied)
            .hint("ask an owner for a role that has this action: `lazuli role list` shows them"))
    }

    fn audit_record(&self, outcome: Outcome, at: Timestamp) -> AuditRecord {
        AuditRecord {
            sequence: 0,
            at,
            principal_id: self.caller.principal_id().to_owned(),
            principal_name: self.caller.name().to_owned(),
            action: self.action.as_str().to_owned(),
            target: String::new(),
            workspace: self.place.name.clone(),
            outcome,
            request_id: self.caller.context().request_id.clone(),
            address: self.caller.context().address.clone(),
            previous_hash: String::new(),
            hash: String::new(),
        }
    }
}

/// The record and the event of one change, and its place in the stream; also whether webhooks are to be told. The audit's head row is taken first, then the event's: one order, no deadlock.
fn append(
    tx: &mut Tx<'_>,
    mut record: AuditRecord,
    change: Change,
    workspace_id: String,
) -> Result<(i64, bool)> {
    record.target.clone_from(&change.target);
    let kind = record.action.clone();
    let record = audit::append(tx, record)?;
    let event = Event {
        sequence: 0,
        at: record.at,
        workspace_id,
        kind,
        subject: change.target,
        body: change.body,
    };
    let sequence = events::append(tx, &event)?;
    let told = crate::webhooks::enqueue(
        tx,
        &event.workspace_id,
        sequence,
        event.at,
        &change.tellings,
    )?;
    Ok((sequence, told))
}

fn system_caller() -> Caller {
    let everything: ActionSet = Action::ALL.iter().copied().collect();
    let mut grants = Grants::default();
    grants.add(lazuli_spec::roles::SERVER_SCOPE, everything);
    Caller {
        principal_id: Arc::from("system"),
        name: Arc::from("system"),
        kind: PrincipalKind::System,
        grants: Arc::new(grants),
        mask: everything,
        job: None,
        token_id: None,
        token_ends: None,
        context: RequestContext::default(),
    }
}
