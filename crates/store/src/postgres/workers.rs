//! Threads that each own a connection and run one closure at a time in its own transaction. A lost connection is
//! opened again before the next closure runs; a closure is never run twice.

use super::Session;
use crate::queue::Shared;
use crate::work::{Message, Work};
use crate::{StoreError, Tx};

/// What a pool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
}

pub(crate) fn run(url: &str, first: Option<Session>, queue: &Shared, purpose: Purpose) {
    let mut session = first;
    while let Some(message) = queue.next() {
        match message {
            Message::Work(mut work) => {
                let ended = transaction(url, &mut session, work.as_mut(), purpose);
                if session.as_ref().is_some_and(Session::is_lost) {
                    session = None;
                }
                work.finish(ended);
            }
            Message::Stop(done) => {
                drop(session);
                drop(done);
                return;
            }
        }
    }
}

fn transaction(
    url: &str,
    slot: &mut Option<Session>,
    work: &mut dyn Work,
    purpose: Purpose,
) -> Result<(), StoreError> {
    let session = begin(url, slot, purpose)?;
    let keep = work.run(&mut Tx::postgres(session));
    if keep && purpose == Purpose::Write {
        session.batch("COMMIT")
    } else {
        session.batch("ROLLBACK")
    }
}

/// Starts a transaction, on a new connection if the old one is gone.
fn begin<'s>(
    url: &str,
    slot: &'s mut Option<Session>,
    purpose: Purpose,
) -> Result<&'s mut Session, StoreError> {
    let sql = match purpose {
        Purpose::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        Purpose::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
    };
    if let Some(mut session) = slot.take()
        && session.batch(sql).is_ok()
    {
        return Ok(slot.insert(session));
    }
    let mut session = Session::open(url)?;
    session.batch(sql)?;
    Ok(slot.insert(session))
}
