//! SQLite: connections as Lazuli wants them, and statements on them.
//!
//! One writer thread ([`writer`]) and a pool of readers ([`readers`]) own the connections; nothing else opens one.

mod placeholders;
pub(crate) mod readers;
mod regexp;
pub(crate) mod writer;

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};

use crate::error::ConflictKind;
use crate::row::{Cell, Row, Source};
use crate::{Param, StoreError};

/// Statements kept prepared on each connection.
const STATEMENTS: usize = 256;

/// Set on every connection. LIKE is made case-sensitive, as in PostgreSQL and MLflow.
const PRAGMAS: &str =
    "PRAGMA foreign_keys = ON; PRAGMA case_sensitive_like = ON; PRAGMA temp_store = MEMORY;";

/// Set once by the writer: a commit is on the disk before it is acknowledged.
const WRITER_PRAGMAS: &str =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;";

/// Opens the database for the writer, creating it readable by its owner alone.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    become_writer(&connection).map_err(|e| located(path, e))?;
    Ok(connection)
}

/// The change to write-ahead logging needs the file for itself, and does not wait for another that opens it at the same moment:
/// SQLite answers busy at once, lest the two wait for each other.
fn become_writer(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        match connection.execute_batch(WRITER_PRAGMAS) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tries < 200 =>
            {
                tries += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            outcome => return outcome,
        }
    }
}

/// Opens the database for a reader; it must exist.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    open(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
}

/// Opens another program's database, which must exist; its own settings stay as they are.
pub(crate) fn open_foreign(path: &Path, writable: bool) -> Result<Connection, StoreError> {
    let access = if writable {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    open(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|e| located(path, e))?;
    connection
        .busy_timeout(Duration::from_secs(10))
        .map_err(|e| located(path, e))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
        .execute_batch(PRAGMAS)
        .map_err(|e| located(path, e))?;
    regexp::register(&connection).map_err(|e| located(path, e))?;
    Ok(connection)
}

fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(|e| {
        StoreError::Unavailable(format!("cannot open {} for writing: {e}", path.display()))
    })
}

fn located(path: &Path, cause: rusqlite::Error) -> StoreError {
    let place = |message: String| format!("{}: {message}", path.display());
    match error(cause) {
        StoreError::Corrupt(message) => StoreError::Corrupt(place(message)),
        StoreError::Unavailable(message) | StoreError::Sql(message) => {
            StoreError::Unavailable(place(message))
        }
        other => other,
    }
}

pub(crate) fn execute(
    connection: &Connection,
    sql: &str,
    params: &[Param<'_>],
) -> Result<u64, StoreError> {
    let sql = placeholders::rewrite(sql);
    let mut statement = connection
        .prepare_cached(&sql)
        .map_err(|e| in_statement(&sql, e))?;
    let changed = statement
        .execute(params_from_iter(params))
        .map_err(|e| in_statement(&sql, e))?;
    Ok(changed as u64)
}

/// Feeds rows to `each` until it returns false.
pub(crate) fn query(
    connection: &Connection,
    sql: &str,
    params: &[Param<'_>],
    each: &mut dyn FnMut(&Row<'_>) -> bool,
) -> Result<(), StoreError> {
    let sql = placeholders::rewrite(sql);
    let mut statement = connection
        .prepare_cached(&sql)
        .map_err(|e| in_statement(&sql, e))?;
    let mut rows = statement
        .query(params_from_iter(params))
        .map_err(|e| in_statement(&sql, e))?;
    let mut wanted = true;
    // A statement that writes and returns rows must run to its end even when nobody wants the rest.
    while let Some(row) = rows.next().map_err(|e| in_statement(&sql, e))? {
        wanted = wanted && each(&Row(Source::Sqlite(row)));
        if !wanted && row.as_ref().readonly() {
            break;
        }
    }
    Ok(())
}

pub(crate) fn cell<'r>(row: &'r rusqlite::Row<'_>, index: usize) -> Result<Cell<'r>, StoreError> {
    Ok(match row.get_ref(index).map_err(error)? {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(v) => Cell::Integer(v),
        ValueRef::Real(v) => Cell::Real(v),
        ValueRef::Text(v) => Cell::Text(str::from_utf8(v).map_err(|_| StoreError::Decode {
            column: index.to_string(),
            message: "text is not UTF-8".to_owned(),
        })?),
        ValueRef::Blob(v) => Cell::Blob(v),
    })
}

impl ToSql for Param<'_> {
    /// SQLite would turn NaN into NULL. Kept as the text `NaN` it survives, and it sorts and compares as PostgreSQL's
    /// NaN does: equal to itself and greater than every number.
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Param::Null(_) => ValueRef::Null,
            Param::Integer(v) => ValueRef::Integer(v),
            Param::Real(v) if v.is_nan() => ValueRef::Text(b"NaN"),
            Param::Real(v) => ValueRef::Real(v),
            Param::Text(v) => ValueRef::Text(v.as_bytes()),
            Param::Blob(v) => ValueRef::Blob(v),
        }))
    }
}

fn in_statement(sql: &str, cause: rusqlite::Error) -> StoreError {
    match error(cause) {
        StoreError::Sql(message) => StoreError::Sql(format!("{message}; in: {sql}")),
        other => other,
    }
}

/// SQLite's result codes in the store's words.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is handed to map_err everywhere"
)]
pub(crate) fn error(cause: rusqlite::Error) -> StoreError {
    let message = cause.to_string();
    let Some(code) = cause.sqlite_error() else {
        return StoreError::Sql(message);
    };
    match code.code {
        ErrorCode::ConstraintViolation => conflict(code.extended_code, message),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted => {
            StoreError::Busy(message)
        }
        ErrorCode::DiskFull => StoreError::Full(message),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(message),
        ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::SystemIoFailure
        | ErrorCode::OutOfMemory => StoreError::Unavailable(message),
        ErrorCode::TooBig => StoreError::Invalid(
            "a value is larger than the database allows (about 1 GB)".to_owned(),
        ),
        _ => StoreError::Sql(message),
    }
}

fn conflict(extended: i32, message: String) -> StoreError {
    use rusqlite::ffi;
    let kind = match extended {
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ConflictKind::ForeignKey,
        ffi::SQLITE_CONSTRAINT_NOTNULL => ConflictKind::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => ConflictKind::Check,
        _ => ConflictKind::Unique,
    };
    // "UNIQUE constraint failed: runs.workspace_id, runs.run_id"
    let table = message
        .rsplit_once(": ")
        .and_then(|(_, columns)| columns.split_once('.'))
        .map(|(t, _)| t.to_owned());
    StoreError::Conflict {
        kind,
        table,
        detail: message,
    }
}
