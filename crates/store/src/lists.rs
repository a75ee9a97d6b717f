//! Lists in one statement: filters, an order, and a page that starts after a key. Each noun's `list` puts its own columns in.

use lazuli_spec::assets::ListView;
use lazuli_spec::lists::{ListFilter, SortKey};

use crate::sql::Statement;
use crate::{Dialect, Row, StoreError, Tx, Value, as_params};

/// A row and its sort key, for the token of the next page.
pub type Keyed<T> = (T, Vec<Value>);

/// Which page of a list.
#[derive(Clone, Debug, Default)]
pub struct ListSearch {
    /// Which rows, in which order.
    pub filter: ListFilter,
    /// The sort key of the last row of the page before.
    pub after: Option<Vec<Value>>,
    /// How many rows at most.
    pub limit: u32,
}

impl ListSearch {
    /// The first rows by name.
    pub fn first(limit: u32) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }
}

/// What a list's rows are read from.
pub(crate) struct Rows<T> {
    pub(crate) columns: &'static str,
    /// How many columns those are: the sort key stands behind them.
    pub(crate) width: usize,
    pub(crate) from: &'static str,
    pub(crate) read: fn(&Row<'_>) -> Result<T, StoreError>,
    /// The columns that it can be sorted by; the first one also when another is asked for.
    pub(crate) sorted_by: &'static [(SortKey, &'static str)],
    /// A text column that no two rows share: it breaks ties.
    pub(crate) unique: &'static str,
}

/// A list's statement under construction.
pub(crate) struct List<'a> {
    search: &'a ListSearch,
    statement: Statement,
    conditions: Vec<String>,
}

/// One key of the order: its column, whether it ascends, whether it is a number.
type Key = (&'static str, bool, bool);

impl<'a> List<'a> {
    pub(crate) fn new(dialect: Dialect, search: &'a ListSearch) -> Self {
        Self {
            search,
            statement: Statement::new(dialect),
            conditions: vec!["1 = 1".to_owned()],
        }
    }

    /// Only rows for which this holds.
    pub(crate) fn only(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }

    /// Only rows with this value.
    pub(crate) fn equal(&mut self, column: &str, value: impl Into<Value>) {
        let value = self.statement.bind(value);
        self.only(format!("{column} = {value}"));
    }

    /// Binds a value and gives its placeholder.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.statement.bind(value)
    }

    /// The view on a column that is 1 for what is archived.
    pub(crate) fn view(&mut self, archived: &str) {
        match self.search.filter.view {
            ListView::All => {}
            ListView::ActiveOnly => self.only(format!("{archived} = 0")),
            ListView::ArchivedOnly => self.only(format!("{archived} = 1")),
        }
    }

    /// The prefix asked for, on a text column. Text sorts by its bytes, so all that begins with the prefix lies together.
    pub(crate) fn prefix(&mut self, column: &str) {
        if let Some(prefix) = &self.search.filter.prefix {
            let from = self.statement.bind(prefix.as_str());
            let to = self.statement.bind(format!("{prefix}{}", char::MAX));
            self.only(format!("{column} >= {from} AND {column} < {to}"));
        }
    }

    /// The tag asked for: `holds` says in SQL that there is a row `t` of tags for which the given test holds.
    pub(crate) fn tag(&mut self, holds: impl Fn(&str) -> String) {
        if let Some((key, value)) = &self.search.filter.tag {
            let key = self.statement.bind(key.as_str());
            let mut test = format!("t.key = {key}");
            if let Some(value) = value {
                let value = self.statement.bind(value.as_str());
                test = format!("{test} AND t.value = {value}");
            }
            self.only(format!("({})", holds(&test)));
        }
    }

    /// The tag asked for, in a column of JSON: an object of tags, or one that has them as a member.
    pub(crate) fn json_tag(&mut self, column: &str, member: Option<&str>) {
        let members = self.statement.dialect().json_members(column, member);
        self.tag(|test| format!("EXISTS (SELECT 1 FROM {members} t WHERE {test})"));
    }

    /// Reads the page.
    pub(crate) fn run<T>(
        mut self,
        tx: &mut Tx<'_>,
        rows: &Rows<T>,
    ) -> Result<Vec<Keyed<T>>, StoreError> {
        let keys = keys(self.search, rows);
        if let Some(after) = &self.search.after {
            let place = place(&keys, after);
            let condition = match place {
                Some(place) => self.statement.after(&place),
                None => "1 = 0".to_owned(),
            };
            self.only(condition);
        }
        let selected: Vec<_> = keys.iter().map(|(column, ..)| *column).collect();
        let ordered: Vec<_> = keys
            .iter()
            .map(|(column, up, _)| format!("{column} {}", if *up { "ASC" } else { "DESC" }))
            .collect();
        let limit = self.statement.bind(i64::from(self.search.limit));
        let sql = format!(
            "SELECT {}, {} FROM {} WHERE {} ORDER BY {} LIMIT {limit}",
            rows.columns,
            selected.join(", "),
            rows.from,
            self.conditions.join(" AND "),
            ordered.join(", ")
        );
        tx.query(&sql, &as_params(&self.statement.values), |row| {
            Ok(((rows.read)(row)?, sort_key(row, rows.width, &keys)?))
        })
    }
}

fn keys<T>(search: &ListSearch, rows: &Rows<T>) -> Vec<Key> {
    let order = search.filter.order;
    let found = rows.sorted_by.iter().find(|(key, _)| *key == order.key);
    let Some((key, column)) = found.or(rows.sorted_by.first()).copied() else {
        return vec![(rows.unique, true, false)];
    };
    let first = (column, !order.descending, key != SortKey::Name);
    if column == rows.unique {
        vec![first]
    } else {
        vec![first, (rows.unique, true, false)]
    }
}

/// The place in the order; nothing when the values are not ones of these columns, as in a token that somebody made up.
fn place(keys: &[Key], after: &[Value]) -> Option<Vec<(String, bool, Value)>> {
    if keys.len() != after.len() {
        return None;
    }
    let pair = |((column, up, number), value): (&Key, &Value)| match (number, value) {
        (true, Value::Integer(_)) | (false, Value::Text(_)) => {
            Some(((*column).to_owned(), *up, value.clone()))
        }
        _ => None,
    };
    keys.iter().zip(after).map(pair).collect()
}

fn sort_key(row: &Row<'_>, width: usize, keys: &[Key]) -> Result<Vec<Value>, StoreError> {
    let read = |(place, (_, _, number)): (usize, &Key)| {
        Ok(if *number {
            Value::Integer(row.get(width + place)?)
        } else {
            Value::Text(row.get(width + place)?)
        })
    };
    keys.iter().enumerate().map(read).collect()
}
