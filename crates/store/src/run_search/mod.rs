//! Searching runs: filters, orders and pages that an index serves.
//!
//! - When few runs match one of the filter's comparisons, its index finds those and the rest is checked on them;
//!   otherwise runs are taken in the order asked for and checked one after the other until the page is full.
//! - The first key of an order is walked along its index. Runs that lack it (no such metric, NaN, not ended) come last,
//!   in *phases* of their own, because an index holds nothing about what is missing.
//! - A page starts after the sort key of the last run shown: page 1,000 costs what page 1 costs.

mod filter;
mod order;

use lazuli_spec::experiments::View;
use lazuli_spec::filters::{Comparison, OrderBy};
use lazuli_spec::runs::RunInfo;

use crate::runs::{INFO_COLUMNS, INFO_WIDTH, info_from_row};
use crate::sql::Statement;
use crate::{Cell, Dialect, Row, StoreError, Tx, Value, as_params};
use order::{Phase, SortKey};

/// A search for runs.
#[derive(Clone, Debug)]
pub struct RunSearch {
    /// The experiments to look in, by number.
    pub experiments: Vec<i64>,
    /// Which stages.
    pub view: View,
    /// What they must fulfil.
    pub filter: Vec<Comparison>,
    /// Their order; newest start first, then by id.
    pub order: Vec<OrderBy>,
    /// How many at most.
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<Place>,
}

/// A place in a search's result: the phase, and the sort key within it.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The phase of the order's first key.
    pub phase: usize,
    /// The values of the sort key.
    pub key: Vec<Value>,
}

/// Some of the runs found, and where they ended if there are more.
#[derive(Debug)]
pub struct Found {
    /// The runs' numbers and what they are, in order.
    pub runs: Vec<(i64, RunInfo)>,
    /// Where to go on.
    pub next: Option<Place>,
}

/// Up to `limit` runs.
pub fn search(tx: &mut Tx<'_>, search: &RunSearch) -> Result<Found, StoreError> {
    let mut rows: Vec<(i64, RunInfo, Place)> = Vec::new();
    let wanted = search.limit as usize + 1;
    if search.experiments.is_empty() {
        return Ok(Found {
            runs: Vec::new(),
            next: None,
        });
    }
    tx.walk_indexes()?;
    let driver = filter::narrowest(tx, search)?;
    let plan = order::plan(&search.order);
    let start = search.after.as_ref().map_or(0, |place| place.phase);
    for (number, phase) in plan.phases.iter().enumerate().skip(start) {
        let after = search.after.as_ref().filter(|place| place.phase == number);
        let missing = wanted - rows.len();
        rows.extend(run_phase(
            tx,
            search,
            driver,
            (number, phase),
            after,
            missing,
        )?);
        if rows.len() == wanted {
            break;
        }
    }
    let more = rows.len() == wanted;
    rows.truncate(search.limit as usize);
    let next = if more {
        rows.last().map(|(_, _, place)| place.clone())
    } else {
        None
    };
    let runs = rows
        .into_iter()
        .map(|(run_no, info, _)| (run_no, info))
        .collect();
    Ok(Found { runs, next })
}

fn run_phase(
    tx: &mut Tx<'_>,
    search: &RunSearch,
    driver: Option<usize>,
    (number, phase): (usize, &Phase),
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<(i64, RunInfo, Place)>, StoreError> {
    let (sql, values) = compose(tx.dialect(), search, driver, phase, after, limit);
    tx.query(&sql, &as_params(&values), |row| {
        let (run_no, info) = info_from_row(row)?;
        let key = (0..phase.keys.len())
            .map(|index| owned(row, INFO_WIDTH + index))
            .collect::<Result<_, _>>()?;
        Ok((run_no, info, Place { phase: number, key }))
    })
}

/// The statement of one phase, and the values of its placeholders.
fn compose(
    dialect: Dialect,
    search: &RunSearch,
    driver: Option<usize>,
    phase: &Phase,
    after: Option<&Place>,
    limit: usize,
) -> (String, Vec<Value>) {
    let mut statement = Statement::new(dialect);
    let experiments = in_experiments(search);
    let mut from = vec!["runs r".to_owned()];
    let mut conditions = vec![stage(search).to_owned(), format!("r.{experiments}")];
    if let Some(table) = &phase.driving_table {
        // the order's own table comes first, unless a filter finds few runs: then that does
        from.insert(usize::from(driver.is_some()), table.clone());
        conditions.push(format!("k0.{experiments}"));
    }
    if let Some(comparison) = driver.and_then(|index| search.filter.get(index)) {
        let inner = filter::driving(&mut statement, comparison, &experiments).unwrap_or_default();
        from.insert(0, format!("({inner}) d"));
        conditions.push("r.run_no = d.run_no".to_owned());
    }
    conditions.extend(phase.conditions(&mut statement));
    for (index, comparison) in search.filter.iter().enumerate() {
        if Some(index) != driver {
            conditions.push(filter::condition(&mut statement, comparison));
        }
    }
    let joins = phase.joins(&mut statement);
    if let Some(place) = after.filter(|place| place.key.len() == phase.keys.len()) {
        let keys: Vec<_> = phase
            .keys
            .iter()
            .zip(&place.key)
            .map(|(key, value)| (key.expression.clone(), key.ascending, value.clone()))
            .collect();
        conditions.push(statement.after(&keys));
    }
    let selected: Vec<&str> = phase
        .keys
        .iter()
        .map(|key| key.expression.as_str())
        .collect();
    let order: Vec<String> = phase.keys.iter().map(SortKey::as_sql).collect();
    let sql = format!(
        "SELECT {INFO_COLUMNS}, {} FROM {} {joins} WHERE {} ORDER BY {} LIMIT {limit}",
        selected.join(", "),
        from.join(" CROSS JOIN "),
        conditions.join(" AND "),
        order.join(", "),
    );
    (sql, statement.values)
}

fn owned(row: &Row<'_>, index: usize) -> Result<Value, StoreError> {
    Ok(match row.cell(index)? {
        Cell::Integer(v) => Value::Integer(v),
        Cell::Real(v) => Value::Real(v),
        Cell::Text(v) => Value::Text(v.to_owned()),
        Cell::Null | Cell::Blob(_) => Value::Text(String::new()),
    })
}

fn stage(search: &RunSearch) -> &'static str {
    match search.view {
        View::Active => "r.lifecycle_stage = 'active'",
        View::Deleted => "r.lifecycle_stage = 'deleted'",
        View::All => "r.lifecycle_stage IN ('active', 'deleted')",
    }
}

/// The experiments' numbers are our own and stand in the text: lists of them may be longer than a statement may have
/// parameters.
fn in_experiments(search: &RunSearch) -> String {
    match search.experiments.as_slice() {
        [one] => format!("experiment_no = {one}"),
        several => {
            let list: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("experiment_no IN ({})", list.join(", "))
        }
    }
}

#[cfg(test)]
#[path = "../run_search_tests.rs"]
mod tests;
