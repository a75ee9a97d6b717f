//! The schema's history: numbered files in `migrations/`, built into the program, applied forward only, each in a
//! transaction of its own, each remembered with its checksum in `schema_migrations`.
//!
//! One text serves both back ends. `/*sqlite: … */` and `/*postgres: … */` open up for their own back end only, and
//! PostgreSQL's `TEXT` columns get the "C" collation, so that text sorts by its bytes on both, whatever the server's
//! locale. A released file is never edited: its checksum would no longer match the databases that it made.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::postgres::Session;
use crate::{Dialect, StoreError, Tx, params};

/// One file of `migrations/`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[$(Migration { name: $name, sql: include_str!(concat!("../migrations/", $name, ".sql")) }),*]
    };
}

/// All migrations, in order. Adding one is a file and a line here.
pub(crate) const ALL: &[Migration] = migrations![
    // in order, one line each
    "0001_workspaces_identity",
    "0002_audit_events",
    "0003_assets",
    "0004_tracking",
    "0005_models",
    "0006_jobs_computes",
    "0007_endpoints",
    "0008_traces",
    "0009_spans_assessments",
    "0010_webhooks",
    "0011_evaluation",
    "0012_imports",
    "0013_issues",
    "0014_gateway",
];

/// A migration that a database has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// File name without `.sql`.
    pub name: String,
    /// SHA-256 of the file.
    pub checksum: String,
    /// When it was applied, microseconds since 1970.
    pub applied_at: i64,
}

impl Migration {
    pub(crate) fn version(&self) -> i64 {
        self.name
            .split('_')
            .next()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0)
    }

    pub(crate) fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql))
    }
}

/// The schema version that this program wants.
pub(crate) fn latest() -> i64 {
    ALL.last().map_or(0, Migration::version)
}

pub(crate) fn run_sqlite(connection: &Connection) -> Result<(), StoreError> {
    let mut tx = Tx::sqlite(connection);
    up_to(&mut tx, i64::MAX)
}

/// Other servers may start on the same database at the same time: one migrates, the others wait.
pub(crate) fn run_postgres(session: &mut Session) -> Result<(), StoreError> {
    const LOCK: i64 = 0x6c61_7a75_6c69;
    session.batch(&format!("SELECT pg_advisory_lock({LOCK})"))?;
    let migrated = up_to(&mut Tx::postgres(session), i64::MAX);
    session.batch(&format!("SELECT pg_advisory_unlock({LOCK})"))?;
    migrated
}

/// Applies what is missing up to and including `version`. The caller is in no transaction.
pub(crate) fn up_to(tx: &mut Tx<'_>, version: i64) -> Result<(), StoreError> {
    in_transaction(tx, prepare)?;
    while in_transaction(tx, |tx| next(tx, version))? {}
    Ok(())
}

/// Applies the first migration that is missing; false when there is none. What is missing is asked inside the transaction that
/// applies it: another program may have begun to migrate the same file.
fn next(tx: &mut Tx<'_>, version: i64) -> Result<bool, StoreError> {
    let applied = applied(tx)?;
    check(&applied)?;
    let missing = ALL.get(applied.len());
    let Some(migration) = missing.filter(|migration| migration.version() <= version) else {
        return Ok(false);
    };
    apply(tx, migration).map_err(|cause| {
        StoreError::Schema(format!("migration {} failed: {cause}", migration.name))
    })?;
    Ok(true)
}

/// The migrations that the database has; it must have a `schema_migrations` table.
pub(crate) fn applied(tx: &mut Tx<'_>) -> Result<Vec<AppliedMigration>, StoreError> {
    let sql = "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version";
    tx.query(sql, params![], |row| {
        Ok(AppliedMigration {
            version: row.get(0)?,
            name: row.get(1)?,
            checksum: row.get(2)?,
            applied_at: row.get(3)?,
        })
    })
}

/// Refuses a schema that is not a stretch of this program's own history, in words that say what to do.
pub(crate) fn check(applied: &[AppliedMigration]) -> Result<(), StoreError> {
    for (position, have) in applied.iter().enumerate() {
        let Some(want) = ALL.get(position) else {
            return Err(StoreError::Schema(format!(
                "the database has schema version {} ({}), this program knows versions up to {}: use a newer lazuli",
                have.version,
                have.name,
                latest()
            )));
        };
        if have.name != want.name {
            return Err(StoreError::Schema(format!(
                "the database was migrated by {} where this program has {}: it belongs to another build of lazuli",
                have.name, want.name
            )));
        }
        if have.checksum != want.checksum() {
            return Err(StoreError::Schema(format!(
                "migration {} in the database has checksum {}, this program's has {}: one of the two was altered",
                have.name,
                have.checksum.get(..12).unwrap_or(&have.checksum),
                &want.checksum()[..12]
            )));
        }
    }
    Ok(())
}

pub(crate) fn prepare(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.batch(&in_dialect(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, \
         checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
        tx.dialect(),
    ))
}

pub(crate) fn apply(tx: &mut Tx<'_>, migration: &Migration) -> Result<(), StoreError> {
    tx.batch(&in_dialect(migration.sql, tx.dialect()))?;
    let now = tx.dialect().now_micros();
    let sql = format!(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, {now})"
    );
    tx.execute(
        &sql,
        params![migration.version(), migration.name, migration.checksum()],
    )?;
    Ok(())
}

fn in_transaction<T>(
    tx: &mut Tx<'_>,
    body: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    tx.batch(match tx.dialect() {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    })?;
    let outcome = body(tx);
    tx.take_failure();
    match outcome {
        Ok(done) => {
            tx.batch("COMMIT")?;
            Ok(done)
        }
        Err(error) => {
            tx.batch("ROLLBACK")?;
            Err(error)
        }
    }
}

/// The text of a migration as one back end runs it.
pub(crate) fn in_dialect(sql: &str, dialect: Dialect) -> String {
    let (own, other) = match dialect {
        Dialect::Sqlite => ("/*sqlite:", "/*postgres:"),
        Dialect::Postgres => ("/*postgres:", "/*sqlite:"),
    };
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(start) = rest.find("/*") {
        let (before, comment) = rest.split_at(start);
        out.push_str(before);
        let end = comment.find("*/").map_or(comment.len(), |at| at + 2);
        if let Some(inside) = comment[..end].strip_prefix(own) {
            out.push_str(inside.trim_end_matches("*/").trim());
        } else if !comment.starts_with(other) {
            out.push_str(&comment[..end]);
        }
        rest = &comment[end..];
    }
    out.push_str(rest);
    match dialect {
        Dialect::Sqlite => out,
        Dialect::Postgres => collate(&out),
    }
}

/// `name TEXT …` becomes `name TEXT COLLATE "C" …`; `AS TEXT` in a cast stays.
fn collate(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 256);
    let mut rest = sql;
    while let Some(at) = rest.find(" TEXT") {
        let (before, tail) = rest.split_at(at);
        let (word, after) = tail.split_at(" TEXT".len());
        out.push_str(before);
        out.push_str(word);
        let whole = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let cast = before.trim_end().ends_with(" AS");
        let comment = before
            .rsplit('\n')
            .next()
            .is_some_and(|line| line.contains("--"));
        if whole && !cast && !comment {
            out.push_str(" COLLATE \"C\"");
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
