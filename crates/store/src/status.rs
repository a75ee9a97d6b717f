//! `lazuli db status` and `lazuli db check`: what the database is and whether it is whole.

use serde::Serialize;

use crate::{AppliedMigration, Dialect, Store, StoreError, catalog, migrations, params};

/// Rows are counted up to here and then only said to be more.
const COUNTED: i64 = 1_000_000;

/// What a database is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseStatus {
    /// `sqlite` or `postgres`.
    pub backend: &'static str,
    /// File, or URL without the password.
    pub location: String,
    /// Bytes on disk, without the write-ahead log.
    pub size_bytes: i64,
    /// Version of the schema that the database has.
    pub schema_version: i64,
    /// Version that this program wants.
    pub wanted_version: i64,
    /// How it came to that schema.
    pub migrations: Vec<AppliedMigration>,
    /// Tables by name.
    pub tables: Vec<TableStatus>,
}

/// How full a table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// Its name.
    pub name: String,
    /// Rows, counted up to a million.
    pub rows: i64,
    /// True when there are more than were counted.
    pub more: bool,
}

impl Store {
    /// What the database is and holds.
    pub async fn status(&self) -> Result<DatabaseStatus, StoreError> {
        let location = self.backend().location();
        self.read(move |tx| {
            let migrations = migrations::applied(tx)?;
            let mut tables = Vec::new();
            for name in catalog::table_names(tx)? {
                let limit = COUNTED + 1;
                let sql = format!(
                    "SELECT COUNT(*) FROM (SELECT 1 FROM \"{name}\" LIMIT {limit}) AS counted"
                );
                let rows: i64 = tx.query_one(&sql, params![], |row| row.get(0))?;
                tables.push(TableStatus {
                    name,
                    rows: rows.min(COUNTED),
                    more: rows > COUNTED,
                });
            }
            Ok(DatabaseStatus {
                backend: match tx.dialect() {
                    Dialect::Sqlite => "sqlite",
                    Dialect::Postgres => "postgres",
                },
                location,
                size_bytes: tx
                    .query_one(tx.dialect().database_size(), params![], |row| row.get(0))?,
                schema_version: migrations.last().map_or(0, |migration| migration.version),
                wanted_version: migrations::latest(),
                migrations,
                tables,
            })
        })
        .await
    }

    /// Reads the whole SQLite file for damage; each line is something wrong. PostgreSQL checks its pages itself.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        self.read(|tx| {
            if tx.dialect() == Dialect::Postgres {
                return Ok(Vec::new());
            }
            let mut found: Vec<String> =
                tx.query("PRAGMA integrity_check(100)", params![], |row| row.get(0))?;
            found.retain(|line| line != "ok");
            found.extend(tx.query(
                "SELECT 'a row of ' || \"table\" || ' refers to a missing row of ' || parent FROM pragma_foreign_key_check",
                params![],
                |row| row.get::<String>(0),
            )?);
            Ok(found)
        })
        .await
    }
}
