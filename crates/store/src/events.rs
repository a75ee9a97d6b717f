//! The outbox: what changed, in order, for everybody who follows.

use lazuli_spec::Timestamp;

use crate::{Row, StoreError, Tx, params};

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// Its place in the stream.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Where; empty for the server itself.
    pub workspace_id: String,
    /// What happened: the action's string.
    pub kind: String,
    /// To what, for example `jobs/brave_fox_1`.
    pub subject: String,
    /// More about it, as JSON; empty when the subject says all.
    pub body: String,
}

fn from_row(row: &Row<'_>) -> Result<Event, StoreError> {
    Ok(Event {
        sequence: row.get(0)?,
        at: row.get(1)?,
        workspace_id: row.get(2)?,
        kind: row.get(3)?,
        subject: row.get(4)?,
        body: row.get(5)?,
    })
}

/// Appends an event and says its place. The head's row puts writers in line, so places appear in commit order.
pub fn append(tx: &mut Tx<'_>, event: &Event) -> Result<i64, StoreError> {
    let sequence: i64 = tx.query_one(
        "UPDATE event_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence",
        params![],
        |row| row.get(0),
    )?;
    tx.execute(
        "INSERT INTO events (sequence, at, workspace_id, kind, subject, body) VALUES ($1, $2, $3, $4, $5, $6)",
        params![
            sequence,
            event.at,
            &event.workspace_id,
            &event.kind,
            &event.subject,
            &event.body
        ],
    )?;
    Ok(sequence)
}

/// A page of events after the given place.
pub fn after(tx: &mut Tx<'_>, sequence: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
    tx.query(
        "SELECT sequence, at, workspace_id, kind, subject, body FROM events
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        params![sequence, i64::from(limit)],
        from_row,
    )
}
