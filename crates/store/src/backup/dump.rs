//! Writing an archive from one snapshot.

use std::io::Write;

use super::BackupSummary;
use super::format::{Header, Sink};
use crate::catalog::{self, Table};
use crate::row::{Cell, FromCell, Row};
use crate::{Dialect, Kind, StoreError, Tx, migrations, params};

pub(super) fn run(tx: &mut Tx<'_>, out: impl Write) -> Result<BackupSummary, StoreError> {
    let source = match tx.dialect() {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgres",
    };
    let header = Header {
        source: source.to_owned(),
        migrations: migrations::applied(tx)?,
    };
    let schema_version = header
        .migrations
        .last()
        .map_or(0, |migration| migration.version);
    let mut sink = Sink::new(out)?;
    sink.json(b'H', &header)?;
    let mut tables = Vec::new();
    for table in catalog::tables(tx)? {
        sink.json(b'T', &table)?;
        let rows = dump_table(tx, &table, &mut sink)?;
        sink.put(b"E")?;
        sink.put(&rows.to_le_bytes())?;
        tables.push((table.name, rows));
    }
    let (bytes, sha256) = sink.finish()?;
    Ok(BackupSummary {
        schema_version,
        source: source.to_owned(),
        tables,
        bytes,
        sha256,
    })
}

fn dump_table<W: Write>(
    tx: &mut Tx<'_>,
    table: &Table,
    sink: &mut Sink<W>,
) -> Result<u64, StoreError> {
    let sql = format!("SELECT {} FROM \"{}\"", table.column_list(), table.name);
    let mut rows = 0;
    tx.for_each(&sql, params![], |row| {
        rows += 1;
        sink.put(b"R")?;
        for (index, column) in table.columns.iter().enumerate() {
            dump_cell(row, index, column.kind, sink)?;
        }
        Ok(())
    })?;
    Ok(rows)
}

fn dump_cell<W: Write>(
    row: &Row<'_>,
    index: usize,
    kind: Kind,
    sink: &mut Sink<W>,
) -> Result<(), StoreError> {
    let cell = row.cell(index)?;
    match (kind, cell) {
        (_, Cell::Null) => sink.put(b"0"),
        (Kind::Integer, Cell::Integer(v)) => {
            sink.put(b"i")?;
            sink.put(&v.to_le_bytes())
        }
        (Kind::Text, Cell::Text(v)) => {
            sink.put(b"t")?;
            sink.sized(v.as_bytes())
        }
        (Kind::Blob, Cell::Blob(v)) => {
            sink.put(b"b")?;
            sink.sized(v)
        }
        (Kind::Real, cell) if f64::from_cell(cell).is_some() => {
            sink.put(b"r")?;
            sink.put(&row.get::<f64>(index)?.to_le_bytes())
        }
        _ => Err(StoreError::Decode {
            column: index.to_string(),
            message: format!("a {kind:?} column holds a value of another type"),
        }),
    }
}
