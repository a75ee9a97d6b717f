//! Webhooks: who is told what happens in a workspace's registry.
//!
//! ```text
//! change of a model -> deliveries in the same transaction -> deliverer -> Outbound (a port; `exec` sends) -> receiver
//! ```
//! Nothing of a delivery lives in memory alone: what is not taken by its receiver is there after a restart.

pub mod deliverer;
mod outbound;
mod signature;
#[cfg(test)]
mod tests;

use lazuli_spec::webhooks::{self as rules, Webhook, WebhookEvent, WebhookStatus};
use lazuli_spec::{Action, ErrorCode, Page, Timestamp, page_tokens};
use lazuli_store::Tx;
use lazuli_store::webhooks::{self, WebhookRow};
use serde_json::{Value, json};

pub(crate) use outbound::Live;
pub use outbound::{Answer, Failure, Outbound, Post};

use crate::{Access, Caller, Core, Error, Result};

/// A webhook to be made, or what of one is to change. Absent fields stay.
#[derive(Clone, Default)]
pub struct WebhookChange {
    /// Its name.
    pub name: Option<String>,
    /// Where deliveries go.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Signs the deliveries; an empty one takes the secret away.
    pub secret: Option<String>,
    /// What it is told of.
    pub events: Option<Vec<WebhookEvent>>,
    /// Whether it is told.
    pub status: Option<WebhookStatus>,
}

/// What became of a delivery that somebody tried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookTrial {
    /// Whether the receiver took it.
    pub success: bool,
    /// The receiver's status.
    pub status: Option<u16>,
    /// The beginning of the receiver's answer.
    pub body: Option<String>,
    /// Why there is no answer.
    pub error: Option<String>,
}

impl Core {
    /// Makes a webhook.
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        workspace: &str,
        change: WebhookChange,
    ) -> Result<Webhook> {
        let access = self
            .access(caller, workspace, Action::WebhooksWrite)
            .await?;
        let now = self.now();
        let mut row = WebhookRow {
            webhook: Webhook {
                id: self.ids().uuid(),
                name: String::new(),
                description: None,
                url: String::new(),
                events: Vec::new(),
                status: WebhookStatus::Active,
                created_at: now,
                updated_at: now,
            },
            secret: None,
        };
        let whole = WebhookChange {
            name: Some(change.name.unwrap_or_default()),
            url: Some(change.url.unwrap_or_default()),
            events: Some(change.events.unwrap_or_default()),
            ..change
        };
        self.check(&whole).await?;
        self.apply(&mut row, whole)?;
        let (id, by) = (
            access.workspace_id().to_owned(),
            caller.principal_id().to_owned(),
        );
        access
            .write(target(&row.webhook.id), move |tx, _| {
                tx.serialize(&format!("webhooks {id}"))?;
                if webhooks::count(tx, &id)? >= i64::from(rules::PER_WORKSPACE) {
                    return Err(too_many());
                }
                webhooks::insert(tx, &id, &row, &by)?;
                Ok(row.webhook)
            })
            .await
    }

    /// One webhook.
    pub async fn get_webhook(&self, caller: &Caller, workspace: &str, id: &str) -> Result<Webhook> {
        let access = self.access(caller, workspace, Action::WebhooksRead).await?;
        Ok(row(&access, id).await?.webhook)
    }

    /// A workspace's webhooks, newest first.
    pub async fn list_webhooks(
        &self,
        caller: &Caller,
        workspace: &str,
        max_results: i64,
        page_token: Option<&str>,
    ) -> Result<Page<Webhook>> {
        let limit = match max_results {
            0 => 100,
            1..=1_000 => max_results as u32,
            _ => {
                let message = "max_results must be between 1 and 1000.";
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            }
        };
        let access = self.access(caller, workspace, Action::WebhooksRead).await?;
        let after = page_token.map(place).transpose()?;
        let workspace_id = access.workspace_id().to_owned();
        let rows = access
            .read(move |tx| {
                let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
                Ok(webhooks::list(tx, &workspace_id, after, limit + 1)?)
            })
            .await?;
        let page = Page::from_rows(rows, limit, |row| {
            let key = [json!(row.webhook.created_at.0), json!(row.webhook.id)];
            page_tokens::encode(&LIST, &key)
        });
        Ok(page.map(|row| row.webhook))
    }

    /// Changes a webhook.
    pub async fn update_webhook(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        change: WebhookChange,
    ) -> Result<Webhook> {
        let access = self
            .access(caller, workspace, Action::WebhooksWrite)
            .await?;
        row(&access, id).await?;
        self.check(&change).await?;
        let (core, workspace_id, id) = (
            self.clone(),
            access.workspace_id().to_owned(),
            id.to_owned(),
        );
        access
            .write(target(&id), move |tx, record| {
                let mut row = find(tx, &workspace_id, &id)?;
                let old_url = row.webhook.url.clone();
                core.apply(&mut row, change)?;
                row.webhook.updated_at = record.now();
                webhooks::update(tx, &row)?;
                // what waits was meant for the old place, or is not wanted any more
                if row.webhook.url != old_url || row.webhook.status == WebhookStatus::Disabled {
                    webhooks::forget_deliveries(tx, &id)?;
                }
                Ok(row.webhook)
            })
            .await
    }

    /// Removes a webhook with what waits for it.
    pub async fn delete_webhook(&self, caller: &Caller, workspace: &str, id: &str) -> Result<()> {
        let access = self
            .access(caller, workspace, Action::WebhooksDelete)
            .await?;
        let (workspace_id, id) = (access.workspace_id().to_owned(), id.to_owned());
        access
            .write(target(&id), move |tx, _| {
                find(tx, &workspace_id, &id)?;
                Ok(webhooks::delete(tx, &id)?)
            })
            .await
    }

    /// Sends an example once, now, and says what became of it.
    pub async fn test_webhook(
        &self,
        caller: &Caller,
        workspace: &str,
        id: &str,
        event: Option<WebhookEvent>,
    ) -> Result<WebhookTrial> {
        let access = self
            .access(caller, workspace, Action::WebhooksWrite)
            .await?;
        let row = row(&access, id).await?;
        let event = event.or(row.webhook.events.first().copied());
        let event = event.unwrap_or(WebhookEvent::RegisteredModelCreated);
        let _turn = self.webhooks().trials.try_acquire().map_err(|_| {
            let message = "too many webhooks are being tried out now; try again";
            Error::new(ErrorCode::TooManyRequests, message)
        })?;
        let secret = self.open_secret(&row.webhook.id, row.secret.as_deref())?;
        let body = rules::body(event, self.now(), access.workspace(), &event.example());
        let delivery = self.ids().uuid();
        let post = signature::post(
            &row.webhook.url,
            secret.as_deref(),
            &delivery,
            body,
            self.now(),
        );
        access.record_read(format!("{}/test", target(id))).await?;
        Ok(match self.outbound()?.post(post).await {
            Ok(answer) => WebhookTrial {
                success: (200..300).contains(&answer.status),
                status: Some(answer.status),
                body: Some(answer.body),
                error: None,
            },
            Err(failure) => WebhookTrial {
                error: Some(format!("Failed to test webhook: {}", failure.message)),
                ..WebhookTrial::default()
            },
        })
    }

    /// What can be told to be wrong before a transaction: names, lengths, and whether the address may be reached.
    async fn check(&self, change: &WebhookChange) -> Result<()> {
        let refused = |error: lazuli_spec::invalid::Invalid| Error::from(error);
        if let Some(name) = &change.name {
            rules::name(name).map_err(refused)?;
        }
        if let Some(text) = &change.description {
            rules::description(text).map_err(refused)?;
        }
        if let Some(text) = &change.secret {
            rules::secret(text).map_err(refused)?;
        }
        if let Some(events) = &change.events {
            rules::subscribed(events.clone()).map_err(refused)?;
        }
        if let Some(url) = &change.url {
            lazuli_spec::limits::length("url", rules::URL, url).map_err(refused)?;
            self.outbound()?.check(url).await.map_err(refused)?;
        }
        Ok(())
    }

    fn apply(&self, row: &mut WebhookRow, change: WebhookChange) -> Result<()> {
        let webhook = &mut row.webhook;
        webhook.name = change.name.unwrap_or(std::mem::take(&mut webhook.name));
        webhook.url = change.url.unwrap_or(std::mem::take(&mut webhook.url));
        webhook.description = change
            .description
            .or(webhook.description.take())
            .filter(|text| !text.is_empty());
        if let Some(events) = change.events {
            webhook.events = rules::subscribed(events)?;
        }
        webhook.status = change.status.unwrap_or(webhook.status);
        row.secret = match change.secret {
            None => row.secret.take(),
            Some(secret) if secret.is_empty() => None,
            Some(secret) => Some(
                self.sealer()
                    .seal(self.ids(), &target(&webhook.id), &secret)?,
            ),
        };
        Ok(())
    }

    /// The secret of a webhook, as signatures need it.
    fn open_secret(&self, id: &str, sealed: Option<&[u8]>) -> Result<Option<String>> {
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let secret = self.sealer().open(&target(id), sealed);
        secret.map(Some).ok_or_else(|| {
            Error::conflict("the webhook's secret was sealed with another key than this server's")
                .hint("give the webhook its secret anew, or put back `keys/secrets.key` in the server's home")
        })
    }
}

const LIST: [&str; 1] = ["webhooks"];

/// The place in the list that a page token holds.
fn place(token: &str) -> Result<(Timestamp, String)> {
    let key = page_tokens::decode(&LIST, token)?;
    match key.as_slice() {
        [Value::Number(at), Value::String(id)] if at.is_i64() => {
            Ok((Timestamp(at.as_i64().unwrap_or_default()), id.clone()))
        }
        _ => Err(Error::new(
            ErrorCode::InvalidArgument,
            "Invalid page token: it holds no place in this list",
        )),
    }
}

fn target(id: &str) -> String {
    format!("webhooks/{id}")
}

fn too_many() -> Error {
    let message = format!(
        "a workspace has at most {} webhooks; delete one first",
        rules::PER_WORKSPACE
    );
    Error::new(ErrorCode::InvalidArgument, message)
}

fn find(tx: &mut Tx<'_>, workspace_id: &str, id: &str) -> Result<WebhookRow> {
    webhooks::find(tx, workspace_id, id)?.ok_or_else(|| {
        Error::new(
            ErrorCode::NotFound,
            format!("Webhook with ID {id} not found."),
        )
    })
}

async fn row(access: &Access, id: &str) -> Result<WebhookRow> {
    let (workspace_id, id) = (access.workspace_id().to_owned(), id.to_owned());
    access.read(move |tx| find(tx, &workspace_id, &id)).await
}

/// Queues what a change has to tell, in its own transaction; says whether anybody is told.
pub(crate) fn enqueue(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    sequence: i64,
    now: Timestamp,
    tellings: &[(WebhookEvent, Value)],
) -> Result<bool> {
    let mut told = false;
    for (place, (event, data)) in (0..).zip(tellings) {
        let data = data.to_string();
        told |= webhooks::enqueue(tx, workspace_id, (sequence, place), *event, &data, now)?;
    }
    Ok(told)
}
