//! One row on its way: values by place, read leniently, because SQLite keeps whatever was written into a column.

use crate::row::Cell;
use crate::{Kind, Row, StoreError, Value};

/// A row's values, in the order in which they were selected.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fields(pub(super) Vec<Value>);

impl Fields {
    /// Takes a row whose columns are to be of these kinds.
    pub(super) fn read(row: &Row<'_>, kinds: &[Kind]) -> Result<Self, StoreError> {
        let values = kinds.iter().enumerate();
        values
            .map(|(index, kind)| value(row.cell(index)?, *kind, index))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// A number; 0 when there is none.
    pub(super) fn int(&self, index: usize) -> i64 {
        self.opt_int(index).unwrap_or(0)
    }

    /// A number, if there is one.
    pub(super) fn opt_int(&self, index: usize) -> Option<i64> {
        match self.0.get(index) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A float, if there is one.
    pub(super) fn opt_real(&self, index: usize) -> Option<f64> {
        match self.0.get(index) {
            Some(Value::Real(number)) => Some(*number),
            _ => None,
        }
    }

    /// A text; empty when there is none.
    pub(super) fn text(&self, index: usize) -> String {
        self.opt_text(index).unwrap_or_default().to_owned()
    }

    /// A text, if there is one.
    pub(super) fn opt_text(&self, index: usize) -> Option<&str> {
        match self.0.get(index) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Milliseconds as our microseconds; 0 when there are none.
    pub(super) fn micros(&self, index: usize) -> Value {
        Value::Integer(self.int(index).saturating_mul(1_000))
    }

    /// Milliseconds as our microseconds, or null.
    pub(super) fn opt_micros(&self, index: usize) -> Value {
        self.opt_int(index)
            .map_or(Value::Null(Kind::Integer), |millis| {
                Value::Integer(millis.saturating_mul(1_000))
            })
    }

    /// Our microseconds as milliseconds, or null.
    pub(super) fn millis(&self, index: usize) -> Value {
        self.opt_int(index)
            .map_or(Value::Null(Kind::Integer), |micros| {
                Value::Integer(micros.div_euclid(1_000))
            })
    }

    /// The value as it is.
    pub(super) fn same(&self, index: usize) -> Value {
        self.0
            .get(index)
            .cloned()
            .unwrap_or(Value::Null(Kind::Text))
    }

    /// The text as it is, an empty one instead of null.
    pub(super) fn filled(&self, index: usize) -> Value {
        Value::Text(self.text(index))
    }
}

fn value(cell: Cell<'_>, kind: Kind, index: usize) -> Result<Value, StoreError> {
    Ok(match (cell, kind) {
        (Cell::Null, kind) => Value::Null(kind),
        (Cell::Integer(number), Kind::Integer) => Value::Integer(number),
        (Cell::Integer(number), Kind::Real) => Value::Real(number as f64),
        (Cell::Integer(number), Kind::Text) => Value::Text(number.to_string()),
        (Cell::Real(number), Kind::Real) => Value::Real(number),
        (Cell::Real(number), Kind::Integer) => Value::Integer(number as i64),
        (Cell::Real(number), Kind::Text) => Value::Text(number.to_string()),
        // no database of ours takes NUL characters in texts
        (Cell::Text(text), Kind::Text) => Value::Text(text.replace('\0', "\u{fffd}")),
        (Cell::Text("NaN"), Kind::Real) => Value::Real(f64::NAN),
        (Cell::Blob(bytes), Kind::Blob) => Value::Blob(bytes.to_owned()),
        (_, kind) => {
            return Err(StoreError::Decode {
                column: index.to_string(),
                message: format!("the value there is no {kind:?}"),
            });
        }
    })
}
