//! Rows of `webhooks`, of what they are told of, and of the deliveries that wait.

use std::collections::HashMap;

use lazuli_spec::Timestamp;
use lazuli_spec::webhooks::{Webhook, WebhookEvent, WebhookStatus};

use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, params};

/// Most deliveries of one webhook that wait; what comes when there are so many is not told.
pub const WAITING: i64 = 1_000;

/// A webhook with its sealed secret.
#[derive(Clone, Debug)]
pub struct WebhookRow {
    /// What is shown.
    pub webhook: Webhook,
    /// The secret, sealed.
    pub secret: Option<Vec<u8>>,
}

/// A delivery that is due, with all that it takes.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which one.
    pub key: DeliveryKey,
    /// What happened.
    pub event: WebhookEvent,
    /// More about it, as JSON.
    pub data: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// How many attempts have failed.
    pub failures: u32,
    /// Where it goes.
    pub url: String,
    /// The sealed secret.
    pub secret: Option<Vec<u8>>,
    /// The workspace's name.
    pub workspace: String,
}

/// Names one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// To whom.
    pub webhook_id: String,
    /// The place of the change in the stream of events.
    pub sequence: i64,
    /// Which of the change's tellings.
    pub place: i64,
}

const COLUMNS: &str = "id, name, description, url, secret, status, created_at, updated_at";

fn from_row(row: &Row<'_>) -> Result<WebhookRow, StoreError> {
    let status: String = row.get(5)?;
    Ok(WebhookRow {
        webhook: Webhook {
            id: row.get(0)?,
            name: row.get(1)?,
            description: row.get(2)?,
            url: row.get(3)?,
            events: Vec::new(),
            status: WebhookStatus::parse(&status).ok_or_else(|| unknown(&status))?,
            created_at: row.get(6)?,
            updated_at: row.get(7)?,
        },
        secret: row.get(4)?,
    })
}

fn unknown(word: &str) -> StoreError {
    StoreError::Corrupt(format!("`{word}` is no word of webhooks"))
}

fn read_event(text: &str) -> Result<WebhookEvent, StoreError> {
    WebhookEvent::parse(text).ok_or_else(|| unknown(text))
}

/// Adds a webhook.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    row: &WebhookRow,
    by: &str,
) -> Result<(), StoreError> {
    let webhook = &row.webhook;
    tx.execute(
        "INSERT INTO webhooks (id, workspace_id, name, description, url, secret, status, created_at, created_by, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        params![
            &webhook.id,
            workspace_id,
            &webhook.name,
            webhook.description.as_deref(),
            &webhook.url,
            row.secret.as_deref(),
            webhook.status.as_str(),
            webhook.created_at,
            by,
            webhook.updated_at
        ],
    )?;
    insert_events(tx, webhook)
}

/// Changes what may be changed of a webhook.
pub fn update(tx: &mut Tx<'_>, row: &WebhookRow) -> Result<(), StoreError> {
    let webhook = &row.webhook;
    tx.execute(
        "UPDATE webhooks SET name = $2, description = $3, url = $4, secret = $5, status = $6, updated_at = $7 WHERE id = $1",
        params![
            &webhook.id,
            &webhook.name,
            webhook.description.as_deref(),
            &webhook.url,
            row.secret.as_deref(),
            webhook.status.as_str(),
            webhook.updated_at
        ],
    )?;
    tx.execute(
        "DELETE FROM webhook_events WHERE webhook_id = $1",
        params![&webhook.id],
    )?;
    insert_events(tx, webhook)
}

fn insert_events(tx: &mut Tx<'_>, webhook: &Webhook) -> Result<(), StoreError> {
    let rows: Vec<String> = (0..webhook.events.len())
        .map(|index| format!("($1, ${})", index + 2))
        .collect();
    let mut values: Vec<Param<'_>> = vec![Param::Text(&webhook.id)];
    values.extend(
        webhook
            .events
            .iter()
            .map(|event| Param::Text(event.as_str())),
    );
    let sql = format!(
        "INSERT INTO webhook_events (webhook_id, event) VALUES {}",
        rows.join(", ")
    );
    tx.execute(&sql, &values).map(drop)
}

/// Removes a webhook with what waits for it.
pub fn delete(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM webhook_deliveries WHERE webhook_id = $1",
        "DELETE FROM webhook_events WHERE webhook_id = $1",
        "DELETE FROM webhooks WHERE id = $1",
    ] {
        tx.execute(sql, params![id])?;
    }
    Ok(())
}

/// Removes what waits for a webhook.
pub fn forget_deliveries(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM webhook_deliveries WHERE webhook_id = $1";
    tx.execute(sql, params![id]).map(drop)
}

/// The webhook with that id.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    id: &str,
) -> Result<Option<WebhookRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE workspace_id = $1 AND id = $2");
    let Some(row) = tx.query_opt(&sql, params![workspace_id, id], from_row)? else {
        return Ok(None);
    };
    let mut rows = [row];
    complete(tx, &mut rows)?;
    let [row] = rows;
    Ok(Some(row))
}

/// How many webhooks a workspace has.
pub fn count(tx: &mut Tx<'_>, workspace_id: &str) -> Result<i64, StoreError> {
    tx.query_one(
        "SELECT COUNT(*) FROM webhooks WHERE workspace_id = $1",
        params![workspace_id],
        |row| row.get(0),
    )
}

/// A page of webhooks, newest first, after the one with that moment and id.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    after: Option<(Timestamp, &str)>,
    limit: u32,
) -> Result<Vec<WebhookRow>, StoreError> {
    let (moment, id) = after.unwrap_or((Timestamp(i64::MAX), ""));
    let sql = format!(
        "SELECT {COLUMNS} FROM webhooks
         WHERE workspace_id = $1 AND (created_at < $2 OR (created_at = $2 AND id < $3))
         ORDER BY created_at DESC, id DESC LIMIT $4"
    );
    let mut rows = tx.query(
        &sql,
        params![workspace_id, moment, id, i64::from(limit)],
        from_row,
    )?;
    complete(tx, &mut rows)?;
    Ok(rows)
}

/// Adds the events.
fn complete(tx: &mut Tx<'_>, rows: &mut [WebhookRow]) -> Result<(), StoreError> {
    let ids: Vec<String> = rows.iter().map(|row| row.webhook.id.clone()).collect();
    let mut found: HashMap<String, Vec<WebhookEvent>> = HashMap::new();
    for chunk in padded_chunks(&ids) {
        let sql = format!(
            "SELECT webhook_id, event FROM webhook_events WHERE webhook_id IN ({})",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|id| Param::Text(id)).collect();
        tx.for_each(&sql, &values, |row| {
            let event: String = row.get(1)?;
            found
                .entry(row.get(0)?)
                .or_default()
                .push(read_event(&event)?);
            Ok(())
        })?;
    }
    for row in rows {
        row.webhook.events = found.remove(&row.webhook.id).unwrap_or_default();
        row.webhook
            .events
            .sort_unstable_by_key(|event| event.as_str());
    }
    Ok(())
}

/// Puts a telling into the queue of every active webhook of the workspace that asked for it; says whether there is one.
pub fn enqueue(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    (sequence, place): (i64, i64),
    event: WebhookEvent,
    data: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let added = tx.execute(
        "INSERT INTO webhook_deliveries (webhook_id, sequence, place, event, data, created_at, failures, due_at)
         SELECT w.id, $2, $3, $4, $5, $6, 0, $6 FROM webhooks w JOIN webhook_events e ON e.webhook_id = w.id
         WHERE w.workspace_id = $1 AND w.status = 'ACTIVE' AND e.event = $4
           AND (SELECT COUNT(*) FROM webhook_deliveries d WHERE d.webhook_id = w.id) < $7",
        params![workspace_id, sequence, place, event.as_str(), data, now, WAITING],
    )?;
    Ok(added > 0)
}

/// What is due, at most `each` of one webhook and `of_workspace` of one workspace: first the oldest of every webhook, and the
/// workspaces in turn, so that one whose receivers are slow does not stand in the others' way.
pub fn due(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (each, of_workspace): (u32, u32),
    limit: u32,
) -> Result<Vec<Due>, StoreError> {
    let read = |row: &Row<'_>| {
        let event: String = row.get(3)?;
        Ok(Due {
            key: DeliveryKey {
                webhook_id: row.get(0)?,
                sequence: row.get(1)?,
                place: row.get(2)?,
            },
            event: read_event(&event)?,
            data: row.get(4)?,
            created_at: row.get(5)?,
            failures: row.get(6)?,
            url: row.get(7)?,
            secret: row.get(8)?,
            workspace: row.get(9)?,
        })
    };
    // the turns are found by keys alone: what is to be told may be long
    tx.query(
        "SELECT d.webhook_id, d.sequence, d.place, d.event, d.data, d.created_at, d.failures, l.url, l.secret, s.name
         FROM (SELECT t.webhook_id, t.sequence, t.place, t.due_at, w.url, w.secret, w.workspace_id,
                      ROW_NUMBER() OVER (PARTITION BY w.workspace_id ORDER BY t.turn, t.due_at, t.sequence, t.place, t.webhook_id) AS turn
               FROM (SELECT webhook_id, sequence, place, due_at,
                            ROW_NUMBER() OVER (PARTITION BY webhook_id ORDER BY due_at, sequence, place) AS turn
                     FROM webhook_deliveries WHERE due_at <= $1) t
               JOIN webhooks w ON w.id = t.webhook_id
               WHERE t.turn <= $2) l
         JOIN webhook_deliveries d ON d.webhook_id = l.webhook_id AND d.sequence = l.sequence AND d.place = l.place
         JOIN workspaces s ON s.id = l.workspace_id
         WHERE l.turn <= $3 ORDER BY l.turn, l.due_at, l.sequence, l.place, l.webhook_id LIMIT $4",
        params![now, i64::from(each), i64::from(of_workspace), i64::from(limit)],
        read,
    )
}

/// The delivery is over: taken, or given up.
pub fn done(tx: &mut Tx<'_>, key: &DeliveryKey) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND sequence = $2 AND place = $3",
        params![&key.webhook_id, key.sequence, key.place],
    )
    .map(drop)
}

/// An attempt failed and another is to follow.
pub fn postpone(
    tx: &mut Tx<'_>,
    key: &DeliveryKey,
    failures: u32,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE webhook_deliveries SET failures = $4, due_at = $5 WHERE webhook_id = $1 AND sequence = $2 AND place = $3",
        params![&key.webhook_id, key.sequence, key.place, i64::from(failures), due_at],
    )
    .map(drop)
}

#[cfg(test)]
#[path = "webhooks_tests.rs"]
mod tests;
