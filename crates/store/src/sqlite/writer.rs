//! The one thread that writes. It takes whatever closures are waiting, runs each in a savepoint of one IMMEDIATE
//! transaction, commits once (one fsync), and only then answers them all: many small writes share one durable commit.

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::work::{Message, Work};
use crate::{StoreError, Tx};

/// Closures that share one commit at most; bounds how long the first waits for the last.
const GROUP: usize = 256;

/// Commits after which the planner's statistics are looked at again. Statistics of a nearly empty database would otherwise stand
/// while its tables grow, and mislead searches.
const STATISTICS: u64 = 2_048;

/// Looks at all tables, and samples those whose size has changed much; milliseconds when none has.
const OPTIMIZE: &str = "PRAGMA optimize = 0x10012";

pub(crate) fn run(connection: Connection, mut queue: mpsc::Receiver<Message>) {
    let mut commits: u64 = 0;
    while let Some(message) = queue.blocking_recv() {
        let mut group = Vec::new();
        let mut stop = None;
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Work(work) => group.push(work),
                Message::Stop(done) => stop = Some(done),
            }
            next = if stop.is_none() && group.len() < GROUP {
                queue.try_recv().ok()
            } else {
                None
            };
        }
        if !group.is_empty() {
            commit_group(&connection, group);
            commits += 1;
            if commits.is_multiple_of(STATISTICS) {
                refresh_statistics(&connection);
            }
        }
        if let Some(done) = stop {
            close(connection);
            drop(done);
            return;
        }
    }
    close(connection);
}

fn close(connection: Connection) {
    refresh_statistics(&connection);
    // Folds the log into the main file, so that a plain copy of a stopped server's database is whole.
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(%error, "could not checkpoint the database while closing it");
    }
    drop(connection);
}

fn refresh_statistics(connection: &Connection) {
    // without them searches are slower, no more
    if let Err(error) = connection.execute_batch(OPTIMIZE) {
        tracing::warn!(%error, "could not refresh the planner's statistics");
    }
}

fn commit_group(connection: &Connection, mut group: Vec<Box<dyn Work>>) {
    let ended = run_group(connection, &mut group);
    for work in group {
        work.finish(ended.clone());
    }
}

fn run_group(connection: &Connection, group: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
    begin(connection)?;
    for work in group {
        if let Err(error) = run_one(connection, work.as_mut()) {
            roll_back(connection);
            return Err(error);
        }
    }
    batch(connection, "COMMIT").inspect_err(|_| roll_back(connection))
}

fn begin(connection: &Connection) -> Result<(), StoreError> {
    batch(connection, "BEGIN IMMEDIATE").inspect_err(|_| roll_back(connection))
}

fn run_one(connection: &Connection, work: &mut dyn Work) -> Result<(), StoreError> {
    batch(connection, "SAVEPOINT closure")?;
    let mut tx = Tx::sqlite(connection);
    let keep = work.run(&mut tx);
    // A full disk or an I/O error makes SQLite roll back the whole transaction by itself: then nothing of the
    // group remains, and everyone must hear so.
    if connection.is_autocommit() {
        return Err(StoreError::Full(
            "the shared transaction was rolled back (disk full or I/O error)".to_owned(),
        ));
    }
    if keep {
        batch(connection, "RELEASE closure")
    } else {
        batch(connection, "ROLLBACK TO closure; RELEASE closure")
    }
}

fn batch(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.execute_batch(sql).map_err(super::error)
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = batch(connection, "ROLLBACK")
    {
        tracing::error!(%error, "could not roll back");
    }
}
