//! Everything that can go wrong below the store's surface, in words that name the cause.
//!
//! Cloneable, because one failed group commit answers many callers.

/// What a rule of the schema refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// A primary key or unique index already holds this value.
    Unique,
    /// A row that is referred to is missing, or still referred to.
    ForeignKey,
    /// A required column is NULL.
    NotNull,
    /// A CHECK failed.
    Check,
}

/// Why a read or write did not happen. After an error nothing of the closure's work remains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// `query_one` found no row.
    #[error("no such row")]
    NotFound,
    /// A rule of the schema refused the write.
    #[error("the write breaks a {kind:?} rule: {detail}")]
    Conflict {
        /// Which sort of rule.
        kind: ConflictKind,
        /// The table, where the database says so.
        table: Option<String>,
        /// The database's own words.
        detail: String,
    },
    /// Locked, deadlocked or timed out: the same request may succeed later.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The database cannot be reached or opened.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The disk (or a quota) is full; nothing was written.
    #[error("no space left for the database: {0}")]
    Full(String),
    /// The database file is damaged or is no database.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The schema in the database does not belong to this program.
    #[error("{0}")]
    Schema(String),
    /// A column does not hold what the reader expects.
    #[error("column {column}: {message}")]
    Decode {
        /// Column name.
        column: String,
        /// Expected and found type.
        message: String,
    },
    /// A value that one of the back ends cannot hold.
    #[error("a value cannot be stored: {0}")]
    Invalid(String),
    /// A statement is wrong: a mistake in Lazuli.
    #[error("statement failed: {0}")]
    Sql(String),
    /// A backup file cannot be written, read or trusted.
    #[error("{0}")]
    Archive(String),
    /// The closure panicked; its work was rolled back.
    #[error("internal error while using the database: {0}")]
    Panicked(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// True when a primary key or unique index refused the write.
    pub fn is_unique_violation(&self) -> bool {
        matches!(
            self,
            StoreError::Conflict {
                kind: ConflictKind::Unique,
                ..
            }
        )
    }

    /// True when a foreign key refused the write.
    pub fn is_foreign_key_violation(&self) -> bool {
        matches!(
            self,
            StoreError::Conflict {
                kind: ConflictKind::ForeignKey,
                ..
            }
        )
    }

    /// The table whose rule refused the write, where the database says so.
    pub fn conflicting_table(&self) -> Option<&str> {
        match self {
            StoreError::Conflict { table, .. } => table.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic".to_owned());
        StoreError::Panicked(message)
    }
}
