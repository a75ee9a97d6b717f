//! Rows that come out of statements, the same for both back ends.

use lazuli_spec::Timestamp;

use crate::StoreError;

/// One result row; lives only while the closure that reads it runs.
pub struct Row<'r>(pub(crate) Source<'r>);

pub(crate) enum Source<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

/// One value of a row, as the database gave it.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'r> {
    /// SQL NULL.
    Null,
    /// Any integer type.
    Integer(i64),
    /// Any float type.
    Real(f64),
    /// Any text type.
    Text(&'r str),
    /// Bytes.
    Blob(&'r [u8]),
}

impl Row<'_> {
    /// The value of column `index` (from 0) as `T`.
    ///
    /// A wrong type is a [`StoreError::Decode`] that names the column: statements and readers are written together,
    /// so it is a mistake in Lazuli or a hand-edited database, never the user's.
    pub fn get<T: FromCell>(&self, index: usize) -> Result<T, StoreError> {
        let cell = self.cell(index)?;
        T::from_cell(cell).ok_or_else(|| StoreError::Decode {
            column: self.column_name(index),
            message: format!(
                "expected {}, found {}",
                std::any::type_name::<T>(),
                cell.describe()
            ),
        })
    }

    /// The raw value of column `index`.
    pub fn cell(&self, index: usize) -> Result<Cell<'_>, StoreError> {
        match &self.0 {
            Source::Sqlite(row) => crate::sqlite::cell(row, index),
            Source::Postgres(row) => crate::postgres::cell(row, index),
        }
    }

    fn column_name(&self, index: usize) -> String {
        match &self.0 {
            Source::Sqlite(row) => row
                .as_ref()
                .column_name(index)
                .map_or_else(|_| index.to_string(), str::to_owned),
            Source::Postgres(row) => row
                .columns()
                .get(index)
                .map_or_else(|| index.to_string(), |c| c.name().to_owned()),
        }
    }
}

impl Cell<'_> {
    fn describe(&self) -> &'static str {
        match self {
            Cell::Null => "NULL",
            Cell::Integer(_) => "an integer",
            Cell::Real(_) => "a float",
            Cell::Text(_) => "text",
            Cell::Blob(_) => "bytes",
        }
    }
}

/// Types that a column can be read as.
pub trait FromCell: Sized {
    /// The value, or `None` when the cell holds another type.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

macro_rules! from_cell {
    ($($type:ty, $pattern:pat => $value:expr;)*) => {$(
        impl FromCell for $type {
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell { $pattern => $value, _ => None }
            }
        }
    )*};
}

from_cell! {
    i64, Cell::Integer(v) => Some(v);
    i32, Cell::Integer(v) => v.try_into().ok();
    u32, Cell::Integer(v) => v.try_into().ok();
    bool, Cell::Integer(v @ (0 | 1)) => Some(v == 1);
    Timestamp, Cell::Integer(v) => Some(Timestamp(v));
    String, Cell::Text(v) => Some(v.to_owned());
    Vec<u8>, Cell::Blob(v) => Some(v.to_owned());
}

impl FromCell for f64 {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Real(v) => Some(v),
            Cell::Integer(v) => Some(v as f64),
            // How a NaN is kept in SQLite, see `sqlite::bind`.
            Cell::Text("NaN") => Some(f64::NAN),
            _ => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}
