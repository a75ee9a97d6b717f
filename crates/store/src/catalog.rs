//! What tables a database has, asked of the database itself: backup, restore and status walk these.

use serde::{Deserialize, Serialize};

use crate::{Dialect, Kind, StoreError, Tx, params};

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A table and its columns, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
}

impl Table {
    /// `"a", "b"`
    pub(crate) fn column_list(&self) -> String {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|column| format!("\"{}\"", column.name))
            .collect();
        names.join(", ")
    }
}

/// Names of all tables.
pub(crate) fn table_names(tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    tx.query(tx.dialect().list_tables(), params![], |row| row.get(0))
}

/// All tables, by name.
pub(crate) fn tables(tx: &mut Tx<'_>) -> Result<Vec<Table>, StoreError> {
    table_names(tx)?
        .into_iter()
        .map(|name| table(tx, name))
        .collect()
}

fn table(tx: &mut Tx<'_>, name: String) -> Result<Table, StoreError> {
    let columns = tx.query(tx.dialect().list_columns(), params![name], |row| {
        Ok((row.get::<String>(0)?, row.get::<String>(1)?))
    })?;
    let columns = columns
        .into_iter()
        .map(|(column, declared)| {
            let kind = kind(&declared).ok_or_else(|| {
                StoreError::Schema(format!(
                    "column {name}.{column} has type {declared}, which is not portable"
                ))
            })?;
            Ok(Column { name: column, kind })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Table { name, columns })
}

fn kind(declared: &str) -> Option<Kind> {
    Some(match declared.to_ascii_lowercase().as_str() {
        "bigint" | "integer" => Kind::Integer,
        "double precision" => Kind::Real,
        "text" => Kind::Text,
        "bytea" => Kind::Blob,
        _ => return None,
    })
}

/// Where an archive restored into PostgreSQL leaves its sequences: after the greatest value there is.
pub(crate) fn advance_sequences(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if tx.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let owned = tx.query(
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns \
         WHERE table_schema = current_schema() AND (is_identity = 'YES' OR column_default LIKE 'nextval(%')",
        params![],
        |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
    )?;
    for (table, column) in owned {
        tx.query_one(
            &format!(
                "SELECT setval(pg_get_serial_sequence('\"{table}\"', '{column}'), COALESCE(MAX(\"{column}\"), 1), \
                 MAX(\"{column}\") IS NOT NULL) FROM \"{table}\""
            ),
            params![],
            |_| Ok(()),
        )?;
    }
    Ok(())
}
