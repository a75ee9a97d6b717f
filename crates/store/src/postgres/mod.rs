//! PostgreSQL: a pool of threads ([`workers`]), each with a connection ([`session`]) and one transaction at a time.
//!
//! Connections are not encrypted (no TLS): use loopback, a Unix socket or a tunnel. Reads run at REPEATABLE READ and
//! so see one snapshot, as in SQLite; writes run side by side at READ COMMITTED, so a closure that depends on what it
//! read takes [`Tx::serialize`](crate::Tx::serialize) or locks the row.

pub(crate) mod session;
pub(crate) mod workers;

use bytes::BytesMut;
use postgres::error::{DbError, SqlState};
use postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

pub(crate) use session::Session;

use crate::error::ConflictKind;
use crate::row::Cell;
use crate::value::Kind;
use crate::{Param, StoreError};

pub(crate) fn wire_type(kind: Kind) -> Type {
    match kind {
        Kind::Integer => Type::INT8,
        Kind::Real => Type::FLOAT8,
        Kind::Text => Type::TEXT,
        Kind::Blob => Type::BYTEA,
    }
}

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Param::Null(_) => Ok(IsNull::Yes),
            Param::Integer(v) => v.to_sql(ty, out),
            Param::Real(v) => v.to_sql(ty, out),
            Param::Text(v) => v.to_sql(ty, out),
            Param::Blob(v) => v.to_sql(ty, out),
        }
    }

    // Statements are prepared with the parameters' own types, so the two always agree.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}

pub(crate) fn cell(row: &postgres::Row, index: usize) -> Result<Cell<'_>, StoreError> {
    let Some(column) = row.columns().get(index) else {
        return Err(StoreError::Sql(format!(
            "there is no column {index} in the result"
        )));
    };
    let ty = column.type_();
    let decoded = if *ty == Type::INT8 {
        row.try_get::<_, Option<i64>>(index)
            .map(|v| v.map(Cell::Integer))
    } else if *ty == Type::INT4 {
        row.try_get::<_, Option<i32>>(index)
            .map(|v| v.map(|v| Cell::Integer(v.into())))
    } else if *ty == Type::BOOL {
        row.try_get::<_, Option<bool>>(index)
            .map(|v| v.map(|v| Cell::Integer(v.into())))
    } else if *ty == Type::FLOAT8 {
        row.try_get::<_, Option<f64>>(index)
            .map(|v| v.map(Cell::Real))
    } else if *ty == Type::BYTEA {
        row.try_get::<_, Option<&[u8]>>(index)
            .map(|v| v.map(Cell::Blob))
    } else if *ty == Type::VOID {
        Ok(None)
    } else if <&str as postgres::types::FromSql>::accepts(ty) {
        row.try_get::<_, Option<&str>>(index)
            .map(|v| v.map(Cell::Text))
    } else {
        let message =
            format!("PostgreSQL type {ty}: cast it in the statement, e.g. CAST(SUM(x) AS BIGINT)");
        return Err(StoreError::Decode {
            column: column.name().to_owned(),
            message,
        });
    };
    decoded
        .map(|cell| cell.unwrap_or(Cell::Null))
        .map_err(|cause| StoreError::Decode {
            column: column.name().to_owned(),
            message: cause.to_string(),
        })
}

/// PostgreSQL's errors in the store's words.
pub(crate) fn error(cause: &postgres::Error) -> StoreError {
    match cause.as_db_error() {
        Some(reported) => reported_error(reported),
        // Not an answer from the server: the connection broke, could not be made, or a value could not be encoded.
        None => StoreError::Unavailable(spelled_out(cause)),
    }
}

fn reported_error(reported: &DbError) -> StoreError {
    let message = reported.detail().map_or_else(
        || reported.message().to_owned(),
        |detail| format!("{} ({detail})", reported.message()),
    );
    let conflict = |kind| StoreError::Conflict {
        kind,
        table: reported.table().map(str::to_owned),
        detail: message.clone(),
    };
    let code = reported.code();
    if *code == SqlState::UNIQUE_VIOLATION {
        conflict(ConflictKind::Unique)
    } else if *code == SqlState::FOREIGN_KEY_VIOLATION {
        conflict(ConflictKind::ForeignKey)
    } else if *code == SqlState::NOT_NULL_VIOLATION {
        conflict(ConflictKind::NotNull)
    } else if *code == SqlState::CHECK_VIOLATION {
        conflict(ConflictKind::Check)
    } else if *code == SqlState::DISK_FULL {
        StoreError::Full(message)
    } else if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED {
        StoreError::Corrupt(message)
    } else {
        by_class(code.code(), message)
    }
}

fn by_class(code: &str, message: String) -> StoreError {
    match code.get(..2).unwrap_or_default() {
        // deadlock, serialization failure; lock not available; out of memory or connections; cancelled
        "40" | "55" | "53" => StoreError::Busy(message),
        // connection trouble, wrong password, no such database, server going down
        "08" | "28" | "3D" | "57" => StoreError::Unavailable(message),
        // number out of range, text not encodable, program limit exceeded
        "22" | "54" => StoreError::Invalid(message),
        _ => StoreError::Sql(format!("{message} [{code}]")),
    }
}

fn spelled_out(cause: &dyn std::error::Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(inner) = next {
        text = format!("{text}: {inner}");
        next = inner.source();
    }
    text
}
