//! Reading an archive: into nothing, to verify it, or into an empty database.

use std::io::Read;

use super::BackupSummary;
use super::format::{Header, Origin, damaged};
use crate::catalog::{self, Table};
use crate::postgres::Session;
use crate::store::Backend;
use crate::{Dialect, StoreError, StoreOptions, Tx, Value, as_params, migrations, params, sqlite};

/// Parameters in one INSERT; SQLite allows 32,766.
const PARAMETERS: usize = 4096;
/// Bytes of values in one INSERT.
const BATCH_BYTES: usize = 4 << 20;

/// Where rows go.
trait Target {
    fn header(&mut self, header: &Header) -> Result<(), StoreError>;
    fn table(&mut self, table: &Table) -> Result<(), StoreError>;
    fn row(&mut self, table: &Table, row: Vec<Value>) -> Result<(), StoreError>;
    fn table_end(&mut self, table: &Table) -> Result<(), StoreError>;
}

pub(super) fn verify(archive: impl Read) -> Result<BackupSummary, StoreError> {
    struct Nothing;
    impl Target for Nothing {
        fn header(&mut self, _: &Header) -> Result<(), StoreError> {
            Ok(())
        }
        fn table(&mut self, _: &Table) -> Result<(), StoreError> {
            Ok(())
        }
        fn row(&mut self, _: &Table, _: Vec<Value>) -> Result<(), StoreError> {
            Ok(())
        }
        fn table_end(&mut self, _: &Table) -> Result<(), StoreError> {
            Ok(())
        }
    }
    walk(archive, &mut Nothing)
}

pub(super) fn run(options: &StoreOptions, archive: impl Read) -> Result<BackupSummary, StoreError> {
    match &options.backend {
        Backend::Sqlite { path } => {
            let connection = sqlite::open_writer(path)?;
            // Rows arrive table by table; the whole is checked before the commit.
            connection
                .execute_batch("PRAGMA foreign_keys = OFF")
                .map_err(sqlite::error)?;
            in_transaction(&mut Tx::sqlite(&connection), archive)
        }
        Backend::Postgres { url } => {
            let mut session = Session::open(url)?;
            in_transaction(&mut Tx::postgres(&mut session), archive)
        }
    }
}

fn in_transaction(tx: &mut Tx<'_>, archive: impl Read) -> Result<BackupSummary, StoreError> {
    tx.batch(match tx.dialect() {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    })?;
    let outcome = restore(tx, archive);
    tx.take_failure();
    match outcome {
        Ok(summary) => tx.batch("COMMIT").map(|()| summary),
        Err(error) => {
            tx.batch("ROLLBACK")?;
            Err(error)
        }
    }
}

fn restore(tx: &mut Tx<'_>, archive: impl Read) -> Result<BackupSummary, StoreError> {
    if !catalog::table_names(tx)?.is_empty() {
        return Err(StoreError::Archive(
            "the database to restore into is not empty: name a new home or an empty database"
                .to_owned(),
        ));
    }
    let mut target = Database {
        tx,
        tables: Vec::new(),
        keys: Vec::new(),
        waiting: Vec::new(),
        waiting_bytes: 0,
    };
    let summary = walk(archive, &mut target)?;
    target.finish()?;
    // What was archived by an older program is brought up to date in the same transaction.
    for migration in migrations::ALL
        .iter()
        .filter(|migration| migration.version() > summary.schema_version)
    {
        migrations::apply(tx, migration)?;
    }
    Ok(summary)
}

fn walk<R: Read>(archive: R, target: &mut impl Target) -> Result<BackupSummary, StoreError> {
    let mut origin = Origin::new(archive)?;
    if origin.tag()? != b'H' {
        return Err(damaged());
    }
    let header: Header = origin.json()?;
    migrations::check(&header.migrations)?;
    target.header(&header)?;
    let mut tables = Vec::new();
    loop {
        match origin.tag()? {
            b'T' => tables.push(walk_table(&mut origin, target)?),
            b'Z' => break,
            _ => return Err(damaged()),
        }
    }
    let (bytes, sha256) = origin.finish()?;
    let schema_version = header
        .migrations
        .last()
        .map_or(0, |migration| migration.version);
    Ok(BackupSummary {
        schema_version,
        source: header.source,
        tables,
        bytes,
        sha256,
    })
}

fn walk_table<R: Read>(
    origin: &mut Origin<R>,
    target: &mut impl Target,
) -> Result<(String, u64), StoreError> {
    let table: Table = origin.json()?;
    target.table(&table)?;
    let mut rows = 0_u64;
    loop {
        match origin.tag()? {
            b'R' => {
                let cells: Result<_, _> = table
                    .columns
                    .iter()
                    .map(|column| origin.cell(column.kind))
                    .collect();
                target.row(&table, cells?)?;
                rows += 1;
            }
            b'E' if u64::from_le_bytes(origin.take()?) == rows => break,
            _ => return Err(damaged()),
        }
    }
    target.table_end(&table)?;
    Ok((table.name, rows))
}

struct Database<'t, 'c> {
    tx: &'t mut Tx<'c>,
    tables: Vec<Table>,
    /// PostgreSQL's foreign keys, taken off while rows arrive: table, name, definition.
    keys: Vec<(String, String, String)>,
    waiting: Vec<Value>,
    waiting_bytes: usize,
}

impl Target for Database<'_, '_> {
    /// Makes the schema as it was when the archive was written, without the rows that migrations put there.
    fn header(&mut self, header: &Header) -> Result<(), StoreError> {
        migrations::prepare(self.tx)?;
        for migration in &migrations::ALL[..header.migrations.len()] {
            migrations::apply(self.tx, migration)?;
        }
        self.take_keys_off()?;
        self.tables = catalog::tables(self.tx)?;
        for table in &self.tables {
            self.tx
                .execute(&format!("DELETE FROM \"{}\"", table.name), params![])?;
        }
        Ok(())
    }

    fn table(&mut self, table: &Table) -> Result<(), StoreError> {
        if self.tables.contains(table) {
            Ok(())
        } else {
            Err(StoreError::Archive(format!(
                "table {} of the archive does not fit the schema",
                table.name
            )))
        }
    }

    fn row(&mut self, table: &Table, row: Vec<Value>) -> Result<(), StoreError> {
        self.waiting_bytes += row.iter().map(size).sum::<usize>();
        self.waiting.extend(row);
        if self.waiting.len() + table.columns.len() > PARAMETERS || self.waiting_bytes > BATCH_BYTES
        {
            self.table_end(table)?;
        }
        Ok(())
    }

    fn table_end(&mut self, table: &Table) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let width = table.columns.len();
        let rows: Vec<_> = (0..self.waiting.len() / width)
            .map(|row| one_row(row * width, width))
            .collect();
        let identity = match self.tx.dialect() {
            Dialect::Sqlite => "",
            Dialect::Postgres => "OVERRIDING SYSTEM VALUE ",
        };
        let sql = format!(
            "INSERT INTO \"{}\" ({}) {identity}VALUES {}",
            table.name,
            table.column_list(),
            rows.join(", ")
        );
        self.tx.execute(&sql, &as_params(&self.waiting))?;
        self.waiting.clear();
        self.waiting_bytes = 0;
        Ok(())
    }
}

impl Database<'_, '_> {
    fn take_keys_off(&mut self) -> Result<(), StoreError> {
        if self.tx.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        self.keys = self.tx.query(
            "SELECT CAST(t.relname AS TEXT), CAST(c.conname AS TEXT), pg_get_constraintdef(c.oid) \
             FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
             WHERE c.contype = 'f' AND t.relnamespace = current_schema()::regnamespace",
            params![],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        for (table, name, _) in &self.keys {
            self.tx.batch(&format!(
                "ALTER TABLE \"{table}\" DROP CONSTRAINT \"{name}\""
            ))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), StoreError> {
        for (table, name, definition) in &self.keys {
            self.tx.batch(&format!(
                "ALTER TABLE \"{table}\" ADD CONSTRAINT \"{name}\" {definition}"
            ))?;
        }
        catalog::advance_sequences(self.tx)?;
        if self.tx.dialect() == Dialect::Sqlite {
            let orphan = self.tx.query_opt(
                "SELECT \"table\" FROM pragma_foreign_key_check",
                params![],
                |row| row.get::<String>(0),
            )?;
            if let Some(table) = orphan {
                return Err(StoreError::Archive(format!(
                    "a row of {table} in the archive refers to a missing row"
                )));
            }
        }
        Ok(())
    }
}

fn one_row(first: usize, width: usize) -> String {
    let marks: Vec<_> = (1..=width)
        .map(|column| format!("${}", first + column))
        .collect();
    format!("({})", marks.join(", "))
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}
