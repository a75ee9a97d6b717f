//! One table's way from one database into another.

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use super::places::Places;
use crate::sql::rows;
use crate::{Kind, StoreError, Tx, Value, as_params, migrations};

/// What the conversion of a row may need to know.
#[derive(Clone, Debug)]
pub struct Context {
    /// The id of our workspace.
    pub workspace_id: String,
    /// MLflow's workspace, where its database has several.
    pub their_workspace: String,
    /// Where artifacts are on both sides.
    pub places: Places,
}

/// Why a row cannot be moved, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The noun.
    pub noun: String,
    /// What it is called.
    pub name: String,
    /// What stands against it.
    pub why: String,
}

/// A column (or expression) that rows are read in the order of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) expression: &'static str,
    /// Its place among the columns read.
    pub(super) column: usize,
    /// A boolean, which PostgreSQL does not compare with a number.
    pub(super) truth: bool,
}

pub(super) const fn key(expression: &'static str, column: usize) -> Key {
    Key {
        expression,
        column,
        truth: false,
    }
}

/// What became of a row: the values to write, or the reason why not.
pub(super) type Converted = Result<Vec<Value>, String>;

/// How one table's rows are read, changed and written.
#[derive(Clone, Debug)]
pub struct Pipe {
    /// What the rows are, for people and for the place of a move.
    pub noun: &'static str,
    /// `SELECT … FROM … WHERE …`; `$1`, where used, is the workspace on the reading side.
    pub(super) select: String,
    pub(super) keys: &'static [Key],
    pub(super) kinds: &'static [Kind],
    /// Which of the columns read name the row when it is skipped.
    pub(super) name: usize,
    pub(super) convert: fn(&Context, &Fields) -> Converted,
    /// The names of what `convert` gives.
    pub(super) columns: &'static str,
    /// What is done with a table `v` of those columns.
    pub(super) writes: Vec<&'static str>,
    /// `SELECT COUNT(*) …` of the rows that are to be moved; `$1` as above.
    pub(super) count_from: String,
    /// The same on the writing side.
    pub(super) count_into: &'static str,
}

/// How far a pipe has come: the keys of the last row read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Int(i64),
    Text(String),
    /// By its bits, so that it comes back as it was.
    Bits(u64),
}

impl Step {
    fn of(value: &Value) -> Self {
        match value {
            Value::Integer(number) => Self::Int(*number),
            Value::Real(number) => Self::Bits(number.to_bits()),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Null(_) | Value::Blob(_) => Self::Int(0),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Int(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text.clone()),
            Self::Bits(bits) => Value::Real(f64::from_bits(*bits)),
        }
    }
}

/// Rows as they were read.
#[derive(Clone, Debug)]
pub struct Page {
    rows: Vec<Fields>,
    /// Where the next page begins; none after the last.
    pub next: Option<Place>,
}

impl Page {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Fields> {
        self.rows.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Pipe {
    /// How many rows travel together: few where one may be large, so that memory stays flat.
    pub fn batch(&self) -> usize {
        match self.noun {
            "spans" | "evaluation records" | "scorer versions" | "datasets" => 100,
            "model version tags" | "registered model tags" | "assessments" => 200,
            _ => 2_000,
        }
    }

    /// A page of rows after the given place.
    pub fn read(
        &self,
        tx: &mut Tx<'_>,
        workspace: &str,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut sql = self.select.clone();
        let mut values = workspace_value(&sql, workspace);
        if let Some(Place(steps)) = after {
            let first = values.len() + 1;
            sql.push_str(&self.after(first));
            values.extend(steps.iter().map(Step::value));
        }
        let order: Vec<&str> = self.keys.iter().map(|key| key.expression).collect();
        let sql = format!("{sql} ORDER BY {} LIMIT {limit}", order.join(", "));
        let rows = tx.query(&sql, &as_params(&values), |row| {
            Fields::read(row, self.kinds)
        })?;
        let next = rows
            .last()
            .filter(|_| rows.len() == limit)
            .map(|row| self.place(row));
        Ok(Page { rows, next })
    }

    fn after(&self, first: usize) -> String {
        let keys: Vec<&str> = self.keys.iter().map(|key| key.expression).collect();
        let bounds: Vec<String> = (first..)
            .zip(self.keys)
            .map(|(number, key)| {
                if key.truth {
                    format!("(${number} = 1)")
                } else {
                    format!("${number}")
                }
            })
            .collect();
        format!(" AND ({}) > ({})", keys.join(", "), bounds.join(", "))
    }

    fn place(&self, row: &Fields) -> Place {
        let steps = self.keys.iter().map(|key| Step::of(&row.same(key.column)));
        Place(steps.collect())
    }

    /// Writes a page; says which rows cannot be.
    pub fn write(
        &self,
        tx: &mut Tx<'_>,
        context: &Context,
        page: &Page,
    ) -> Result<Vec<Skipped>, StoreError> {
        let mut skipped = Vec::new();
        let mut converted = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            match (self.convert)(context, row) {
                Ok(values) => converted.push(values),
                Err(why) => skipped.push(Skipped {
                    noun: self.noun.to_owned(),
                    name: shown(&row.same(self.name)),
                    why,
                }),
            }
        }
        let mut left = converted.as_slice();
        while !left.is_empty() {
            let count = match left.len() {
                100.. => 100,
                10.. => 10,
                _ => 1,
            };
            let (now, later) = left.split_at(count);
            self.write_rows(tx, now)?;
            left = later;
        }
        Ok(skipped)
    }

    fn write_rows(&self, tx: &mut Tx<'_>, values: &[Vec<Value>]) -> Result<(), StoreError> {
        let width = values.first().map_or(0, Vec::len);
        let flat: Vec<Value> = values.iter().flatten().cloned().collect();
        let list = rows(values.len(), width);
        for write in &self.writes {
            let sql = format!("WITH v({}) AS (VALUES {list}) {write}", self.columns);
            let sql = if write.contains("/*") {
                migrations::in_dialect(&sql, tx.dialect())
            } else {
                sql
            };
            tx.execute(&sql, &as_params(&flat))?;
        }
        Ok(())
    }

    /// How many rows there are to be moved.
    pub fn count_from(&self, tx: &mut Tx<'_>, workspace: &str) -> Result<i64, StoreError> {
        let values = workspace_value(&self.count_from, workspace);
        tx.query_one(&self.count_from, &as_params(&values), |row| row.get(0))
    }

    /// How many there are on the other side.
    pub fn count_into(&self, tx: &mut Tx<'_>, workspace: &str) -> Result<i64, StoreError> {
        let values = workspace_value(self.count_into, workspace);
        tx.query_one(self.count_into, &as_params(&values), |row| row.get(0))
    }
}

fn workspace_value(sql: &str, workspace: &str) -> Vec<Value> {
    if sql.contains("$1") {
        vec![Value::Text(workspace.to_owned())]
    } else {
        Vec::new()
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Null(_) | Value::Blob(_) => String::new(),
    }
}
