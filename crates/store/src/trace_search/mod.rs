//! Searching traces: filters, orders and pages.
//!
//! - When few traces match one of the filter's comparisons, its index finds those and the rest is checked on them; otherwise
//!   traces are taken in the order asked for and checked one after the other until the page is full.
//! - What an order asks for and a trace lacks comes last, whichever way the order goes.
//! - A page starts after the sort key of the last trace shown: page 1,000 costs what page 1 costs.

mod assessments;
mod correlation;
mod filter;
mod narrow;
mod order;

use lazuli_spec::filters::traces::{TraceComparison, TraceOrder};

use crate::sql::{Statement, padded_chunks};
use crate::traces::{COLUMNS, TraceRow, WIDTH, from_row};
use crate::{Cell, Dialect, Row, StoreError, Tx, Value, as_params};

pub use correlation::{Correlation, correlation};
pub(crate) use filter::conditions;

/// A search for traces.
#[derive(Clone, Debug)]
pub struct TraceSearch {
    /// The experiments to look in, by number.
    pub experiments: Vec<i64>,
    /// What they must fulfil.
    pub filter: Vec<TraceComparison>,
    /// Their order; the latest first, then by id.
    pub order: Vec<TraceOrder>,
    /// How many at most.
    pub limit: u32,
    /// The sort key of the last one shown.
    pub after: Option<Vec<Value>>,
}

/// Some of the traces found, and the sort key of the last one if there are more.
#[derive(Debug)]
pub struct Found {
    /// The traces, in order, without tags and metadata.
    pub traces: Vec<TraceRow>,
    /// Where to go on.
    pub next: Option<Vec<Value>>,
}

/// Up to `limit` traces.
pub fn search(tx: &mut Tx<'_>, search: &TraceSearch) -> Result<Found, StoreError> {
    if search.experiments.is_empty() {
        return Ok(Found {
            traces: Vec::new(),
            next: None,
        });
    }
    let few = narrow::narrowest(tx, search)?;
    if few.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Found {
            traces: Vec::new(),
            next: None,
        });
    }
    let keys = order::keys(&search.order);
    let (sql, values) = compose(tx.dialect(), search, few.as_deref(), &keys);
    let mut rows: Vec<(TraceRow, Vec<Value>)> = tx.query(&sql, &as_params(&values), |row| {
        let place = (0..keys.columns.len())
            .map(|index| owned(row, WIDTH + index))
            .collect::<Result<_, _>>()?;
        Ok((from_row(row)?, place))
    })?;
    let more = rows.len() > search.limit as usize;
    rows.truncate(search.limit as usize);
    let next = rows.last().filter(|_| more).map(|(_, place)| place.clone());
    let traces = rows.into_iter().map(|(trace, _)| trace).collect();
    Ok(Found { traces, next })
}

/// The statement of a search, and the values of its placeholders.
fn compose(
    dialect: Dialect,
    search: &TraceSearch,
    few: Option<&[i64]>,
    keys: &order::Keys,
) -> (String, Vec<Value>) {
    let mut statement = Statement::new(dialect);
    let scope = within(&search.experiments);
    // by number where few are left: the plus keeps the indexes of experiments out
    let plus = if few.is_some() { "+" } else { "" };
    let mut wanted = vec![format!("{plus}t.{scope}")];
    if let Some(numbers) = few {
        let mut alternatives = Vec::new();
        for chunk in padded_chunks(numbers) {
            let list: Vec<String> = chunk.iter().map(|number| statement.bind(*number)).collect();
            alternatives.push(format!("t.trace_no IN ({})", list.join(", ")));
        }
        wanted.push(format!("({})", alternatives.join(" OR ")));
    }
    wanted.extend(conditions(&mut statement, &search.filter, &scope));
    let joins = keys.joins(&mut statement);
    if let Some(place) = &search.after
        && place.len() == keys.columns.len()
    {
        let keys: Vec<_> = keys
            .columns
            .iter()
            .zip(place)
            .map(|((expression, ascending), value)| (expression.clone(), *ascending, value.clone()))
            .collect();
        wanted.push(statement.after(&keys));
    }
    let selected: Vec<&str> = keys.columns.iter().map(|(key, _)| key.as_str()).collect();
    let order: Vec<String> = keys
        .columns
        .iter()
        .map(|(key, ascending)| format!("{key} {}", if *ascending { "ASC" } else { "DESC" }))
        .collect();
    let sql = format!(
        "SELECT {COLUMNS}, {} FROM traces t {joins} WHERE {} ORDER BY {} LIMIT {}",
        selected.join(", "),
        wanted.join(" AND "),
        order.join(", "),
        i64::from(search.limit) + 1
    );
    (sql, statement.values)
}

/// The experiments' numbers are our own and stand in the text: lists of them may be longer than a statement may have
/// parameters. The condition is on a column `experiment_no`.
pub(crate) fn within(experiments: &[i64]) -> String {
    match experiments {
        [one] => format!("experiment_no = {one}"),
        several => {
            let list: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("experiment_no IN ({})", list.join(", "))
        }
    }
}

fn owned(row: &Row<'_>, index: usize) -> Result<Value, StoreError> {
    Ok(match row.cell(index)? {
        Cell::Integer(v) => Value::Integer(v),
        Cell::Real(v) => Value::Real(v),
        Cell::Text(v) => Value::Text(v.to_owned()),
        Cell::Null | Cell::Blob(_) => Value::Text(String::new()),
    })
}

#[cfg(test)]
mod tests;
