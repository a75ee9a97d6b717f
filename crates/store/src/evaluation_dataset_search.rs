//! Searches of evaluation data sets: parsed filters and orders become SQL, pages go by key.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::{Comparison, Kind, OrderBy, Test};

use crate::evaluation_datasets::{self, COLUMNS, DatasetRow, WIDTH};
use crate::model_search::tag_condition;
use crate::sql::Statement;
use crate::{Row, StoreError, Tx, Value, as_params};

/// A search, parsed.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only those that one of these experiments uses; all when empty.
    pub experiments: Vec<ExperimentId>,
    /// All must hold.
    pub filter: Vec<Comparison>,
    /// The order; the newest first when empty.
    pub order: Vec<OrderBy>,
    /// The sort key of the last row of the page before.
    pub after: Option<Vec<Value>>,
    /// How many rows at most.
    pub limit: u32,
}

/// One key of an order: its column, its direction, whether it is a number.
type Key = (&'static str, bool, bool);

/// A page of data sets, complete.
pub fn search(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &Search,
) -> Result<Vec<(DatasetRow, Vec<Value>)>, StoreError> {
    let mut statement = Statement::new(tx.dialect());
    let mut conditions = vec![format!("d.workspace_id = {}", statement.bind(workspace_id))];
    if !search.experiments.is_empty() {
        let ids: Vec<String> = search
            .experiments
            .iter()
            .map(|id| statement.bind(id.0))
            .collect();
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM evaluation_dataset_experiments u JOIN experiments e ON e.experiment_no = u.experiment_no
              WHERE u.dataset_no = d.dataset_no AND e.experiment_id IN ({}))",
            ids.join(", ")
        ));
    }
    for comparison in &search.filter {
        conditions.push(condition(&mut statement, comparison));
    }
    let keys = keys(&search.order);
    if let Some(after) = &search.after {
        conditions.push(match place(&keys, after) {
            Some(place) => statement.after(&place),
            None => "1 = 0".to_owned(),
        });
    }
    let selected: Vec<_> = keys.iter().map(|(sql, ..)| *sql).collect();
    let direction = |up: bool| if up { "ASC" } else { "DESC" };
    let ordered: Vec<_> = keys
        .iter()
        .map(|(sql, up, _)| format!("{sql} {}", direction(*up)))
        .collect();
    let limit = statement.bind(i64::from(search.limit));
    let sql = format!(
        "SELECT {COLUMNS}, {} FROM evaluation_datasets d WHERE {} ORDER BY {} LIMIT {limit}",
        selected.join(", "),
        conditions.join(" AND "),
        ordered.join(", ")
    );
    let found = tx.query(&sql, &as_params(&statement.values), |row| {
        Ok((evaluation_datasets::from_row(row)?, place_of(row, &keys)?))
    })?;
    let (mut rows, places): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    evaluation_datasets::complete(tx, &mut rows)?;
    Ok(rows.into_iter().zip(places).collect())
}

fn keys(order: &[OrderBy]) -> Vec<Key> {
    let mut keys: Vec<Key> = order
        .iter()
        .filter(|one| one.kind == Kind::Attribute)
        .map(|one| match one.key.as_str() {
            "created_time" => ("d.created_at", one.ascending, true),
            "last_update_time" => ("d.updated_at", one.ascending, true),
            _ => ("d.name", one.ascending, false),
        })
        .collect();
    if keys.is_empty() {
        keys.push(("d.created_at", false, true));
    }
    keys.push(("d.dataset_id", false, false));
    keys
}

/// The place in the order; nothing when the values are not ones of these columns, as in a token that somebody made up.
fn place(keys: &[Key], after: &[Value]) -> Option<Vec<(String, bool, Value)>> {
    if keys.len() != after.len() {
        return None;
    }
    let pair = |((sql, up, number), value): (&Key, &Value)| match (number, value) {
        (true, Value::Integer(_)) | (false, Value::Text(_)) => {
            Some(((*sql).to_owned(), *up, value.clone()))
        }
        _ => None,
    };
    keys.iter().zip(after).map(pair).collect()
}

fn place_of(row: &Row<'_>, keys: &[Key]) -> Result<Vec<Value>, StoreError> {
    let read = |(place, (_, _, number)): (usize, &Key)| {
        Ok(if *number {
            Value::Integer(row.get(WIDTH + place)?)
        } else {
            Value::Text(row.get(WIDTH + place)?)
        })
    };
    keys.iter().enumerate().map(read).collect()
}

fn condition(statement: &mut Statement, comparison: &Comparison) -> String {
    let test = &comparison.test;
    if comparison.kind == Kind::Tag {
        let table = ("evaluation_dataset_tags", "dataset_no = d.dataset_no");
        return tag_condition(statement, table, comparison);
    }
    match (comparison.key.as_str(), test) {
        ("created_time", Test::Number(op, number)) => {
            statement.millis_test("d.created_at", *op, *number)
        }
        ("last_update_time", Test::Number(op, number)) => {
            statement.millis_test("d.updated_at", *op, *number)
        }
        ("created_by", test) => statement.text_test("d.created_by", test),
        ("last_updated_by", test) => statement.text_test("d.last_updated_by", test),
        (_, test) => statement.text_test("d.name", test),
    }
}
