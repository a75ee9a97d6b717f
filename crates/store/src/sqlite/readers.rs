//! Threads that read. Each owns a read-only connection and runs one closure at a time in a deferred transaction,
//! which sees one snapshot however long it takes and never waits for the writer.

use rusqlite::Connection;

use crate::queue::Shared;
use crate::work::Message;
use crate::{StoreError, Tx};

pub(crate) fn run(connection: Connection, queue: &Shared) {
    while let Some(message) = queue.next() {
        match message {
            Message::Work(mut work) => {
                let ended = snapshot(&connection, |tx| work.run(tx));
                work.finish(ended);
            }
            Message::Stop(done) => {
                drop(connection);
                drop(done);
                return;
            }
        }
    }
}

fn snapshot(
    connection: &Connection,
    body: impl FnOnce(&mut Tx<'_>) -> bool,
) -> Result<(), StoreError> {
    connection
        .execute_batch("BEGIN DEFERRED")
        .map_err(super::error)?;
    body(&mut Tx::sqlite(connection));
    if connection.is_autocommit() {
        return Ok(());
    }
    connection.execute_batch("ROLLBACK").map_err(super::error)
}
