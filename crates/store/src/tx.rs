//! One transaction, as a closure sees it.
//!
//! Rules that hold on both back ends, so that what passes on SQLite passes on PostgreSQL:
//! - a statement that fails spoils the transaction: later statements answer the same error, and a closure that then
//!   returns `Ok` is answered with that error, not committed. Use [`Tx::savepoint`] to try something that may fail;
//! - statements are prepared once and kept; parameters are `$1`, `$2`, …;
//! - text may not hold NUL characters.

use crate::postgres::Session;
use crate::row::Row;
use crate::{Dialect, Param, StoreError, params};

/// An open transaction. It ends with the closure it was lent to.
pub struct Tx<'c> {
    link: Link<'c>,
    failure: Option<StoreError>,
    depth: u32,
}

pub(crate) enum Link<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgres(&'c mut Session),
}

impl<'c> Tx<'c> {
    pub(crate) fn sqlite(connection: &'c rusqlite::Connection) -> Self {
        Tx {
            link: Link::Sqlite(connection),
            failure: None,
            depth: 0,
        }
    }

    pub(crate) fn postgres(session: &'c mut Session) -> Self {
        Tx {
            link: Link::Postgres(session),
            failure: None,
            depth: 0,
        }
    }

    /// The database behind this transaction; rarely needed outside [`Dialect`]'s own module.
    pub fn dialect(&self) -> Dialect {
        match self.link {
            Link::Sqlite(_) => Dialect::Sqlite,
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs one statement and says how many rows it changed.
    pub fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        self.guarded(params, |link| match link {
            Link::Sqlite(connection) => crate::sqlite::execute(connection, sql, params),
            Link::Postgres(session) => session.execute(sql, params),
        })
    }

    /// Gives each row of a query to `each` as it arrives; memory does not grow with the result.
    /// `each` stops the query by returning an error.
    pub fn for_each<F>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut each: F,
    ) -> Result<(), StoreError>
    where
        F: FnMut(&Row<'_>) -> Result<(), StoreError>,
    {
        // What the reader of rows returns is not the statement's failure and spoils nothing.
        let mut stopped = None;
        let mut wrapped = |row: &Row<'_>| match each(row) {
            Ok(()) => true,
            Err(error) => {
                stopped = Some(error);
                false
            }
        };
        self.guarded(params, |link| match link {
            Link::Sqlite(connection) => crate::sqlite::query(connection, sql, params, &mut wrapped),
            Link::Postgres(session) => session.query(sql, params, &mut wrapped),
        })?;
        stopped.map_or(Ok(()), Err)
    }

    /// All rows of a query; page by key when there may be many.
    pub fn query<T, F>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut read: F,
    ) -> Result<Vec<T>, StoreError>
    where
        F: FnMut(&Row<'_>) -> Result<T, StoreError>,
    {
        let mut rows = Vec::new();
        self.for_each(sql, params, |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// The first row of a query, if there is one.
    pub fn query_opt<T, F>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut read: F,
    ) -> Result<Option<T>, StoreError>
    where
        F: FnMut(&Row<'_>) -> Result<T, StoreError>,
    {
        let mut first = None;
        self.for_each(sql, params, |row| {
            if first.is_none() {
                first = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(first)
    }

    /// The first row of a query, or [`StoreError::NotFound`].
    pub fn query_one<T, F>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        read: F,
    ) -> Result<T, StoreError>
    where
        F: FnMut(&Row<'_>) -> Result<T, StoreError>,
    {
        self.query_opt(sql, params, read)?
            .ok_or(StoreError::NotFound)
    }

    /// Tries `body`: its work stays when it returns `Ok` and is undone, alone, when it returns `Err`.
    pub fn savepoint<T, E>(
        &mut self,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        self.depth += 1;
        let name = format!("sp{}", self.depth);
        let outcome = self.in_savepoint(&name, body);
        self.depth -= 1;
        outcome
    }

    /// Waits until no other transaction holds the lock `name`, and holds it until this one ends. Needed where a
    /// closure reads what it then depends on (a chain's last link): PostgreSQL runs writers side by side.
    pub fn serialize(&mut self, name: &str) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            let count = |_: &Row<'_>| Ok(());
            self.query_one(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
                params![name],
                count,
            )?;
        }
        Ok(())
    }

    /// For searches that walk an index until a page is full. PostgreSQL plans by its statistics, which lag behind a burst
    /// of writes, and then sorts a whole table for a page; here it keeps to the order of the text and to indexes.
    pub(crate) fn walk_indexes(&mut self) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            self.batch(
                "SET LOCAL join_collapse_limit = 1; SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; \
                 SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off",
            )?;
        }
        Ok(())
    }

    /// Runs statements without parameters, as a migration holds them.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.guarded(&[], |link| match link {
            Link::Sqlite(connection) => connection.execute_batch(sql).map_err(crate::sqlite::error),
            Link::Postgres(session) => session.batch(sql),
        })
    }

    /// The failure that spoiled this transaction, which its `Ok` would hide.
    pub(crate) fn take_failure(&mut self) -> Option<StoreError> {
        self.failure.take()
    }

    fn in_savepoint<T, E>(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        self.batch(&format!("SAVEPOINT {name}"))?;
        let outcome = body(self);
        let failure = self.failure.take();
        match (outcome, failure) {
            (Ok(value), None) => {
                self.batch(&format!("RELEASE SAVEPOINT {name}"))?;
                Ok(value)
            }
            (outcome, failure) => {
                self.batch(&format!(
                    "ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}"
                ))?;
                match failure {
                    Some(failure) if outcome.is_ok() => Err(failure.into()),
                    _ => outcome,
                }
            }
        }
    }

    fn guarded<T>(
        &mut self,
        params: &[Param<'_>],
        run: impl FnOnce(&mut Link<'c>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if params
            .iter()
            .any(|param| matches!(param, Param::Text(text) if text.contains('\0')))
        {
            return Err(StoreError::Invalid("text holds a NUL character".to_owned()));
        }
        run(&mut self.link).inspect_err(|error| self.failure = Some(error.clone()))
    }
}
