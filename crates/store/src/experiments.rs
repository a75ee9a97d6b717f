//! Rows of `experiments` and their tags.

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::{Experiment, ExperimentId, Lifecycle, View};
use lazuli_spec::filters::{Comparison, Kind, OrderBy, Test};
use lazuli_spec::runs::KeyValue;

use crate::sql::{Statement, padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, Value, as_params, params};

/// An experiment's row, with the number that other tables refer to.
#[derive(Clone, Debug)]
pub struct ExperimentRow {
    /// Its number over all workspaces.
    pub experiment_no: i64,
    /// The experiment.
    pub experiment: Experiment,
}

/// What a new experiment is made of.
#[derive(Clone, Debug)]
pub struct NewExperiment {
    /// Its name.
    pub name: String,
    /// Where its runs put their artifacts; the server's own place when absent.
    pub artifact_location: Option<String>,
    /// Its tags.
    pub tags: Vec<KeyValue>,
}

const COLUMNS: &str = "e.experiment_no, e.experiment_id, e.name, e.artifact_location, e.lifecycle_stage, e.created_at, e.updated_at";

fn from_row(row: &Row<'_>) -> Result<ExperimentRow, StoreError> {
    let experiment = Experiment {
        experiment_id: ExperimentId(row.get(1)?),
        name: row.get(2)?,
        artifact_location: row.get(3)?,
        lifecycle_stage: lifecycle(row, 4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
        tags: Vec::new(),
    };
    Ok(ExperimentRow {
        experiment_no: row.get(0)?,
        experiment,
    })
}

pub(crate) fn lifecycle(row: &Row<'_>, index: usize) -> Result<Lifecycle, StoreError> {
    let text: String = row.get(index)?;
    Lifecycle::parse(&text)
        .ok_or_else(|| StoreError::Corrupt(format!("`{text}` is no lifecycle stage")))
}

/// Adds the experiment every workspace has: `0`, called `Default`. Does nothing when it is there.
pub fn insert_default(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO experiments (workspace_id, experiment_id, name, artifact_location, lifecycle_stage, created_at, updated_at)
         VALUES ($1, 0, 'Default', $2, 'active', $3, $3) ON CONFLICT DO NOTHING",
        params![workspace_id, own_location(ExperimentId::DEFAULT), now],
    )?;
    Ok(())
}

/// Adds an experiment with the next id of the workspace. A taken name is a unique violation.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    new: &NewExperiment,
    now: Timestamp,
) -> Result<ExperimentId, StoreError> {
    let next: i64 = tx.query_one(
        "INSERT INTO experiment_counters (workspace_id, next_id) VALUES ($1, 2)
         ON CONFLICT (workspace_id) DO UPDATE SET next_id = experiment_counters.next_id + 1
         RETURNING next_id",
        params![workspace_id],
        |row| row.get(0),
    )?;
    let id = ExperimentId(next - 1);
    let location = new
        .artifact_location
        .clone()
        .unwrap_or_else(|| own_location(id));
    let experiment_no: i64 = tx.query_one(
        "INSERT INTO experiments (workspace_id, experiment_id, name, artifact_location, lifecycle_stage, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 'active', $5, $5) RETURNING experiment_no",
        params![workspace_id, id.0, &new.name, location, now],
        |row| row.get(0),
    )?;
    for tag in &new.tags {
        set_tag(tx, experiment_no, tag)?;
    }
    Ok(id)
}

/// The place of an experiment's artifacts on this server, in the form clients resolve against it.
fn own_location(id: ExperimentId) -> String {
    format!("mlflow-artifacts:/{id}")
}

/// The experiment with this id, in whatever stage.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    id: ExperimentId,
) -> Result<Option<ExperimentRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM experiments e WHERE workspace_id = $1 AND experiment_id = $2"
    );
    let row = tx.query_opt(&sql, params![workspace_id, id.0], from_row)?;
    with_tags(tx, row)
}

/// The experiment with this name, in whatever stage.
pub fn find_by_name(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
) -> Result<Option<ExperimentRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM experiments e WHERE workspace_id = $1 AND name = $2");
    let row = tx.query_opt(&sql, params![workspace_id, name], from_row)?;
    with_tags(tx, row)
}

/// The numbers of those of the experiments that exist.
pub fn numbers(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    ids: &[ExperimentId],
) -> Result<Vec<i64>, StoreError> {
    let mut numbers = Vec::with_capacity(ids.len());
    for chunk in padded_chunks(ids) {
        let sql = format!(
            "SELECT experiment_no FROM experiments WHERE workspace_id = $1 AND experiment_id IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Text(workspace_id)];
        values.extend(chunk.iter().map(|id| Param::Integer(id.0)));
        numbers.extend(tx.query(&sql, &values, |row| row.get::<i64>(0))?);
    }
    Ok(numbers)
}

/// Moves an experiment to a stage, and all its runs with it.
pub fn set_lifecycle(
    tx: &mut Tx<'_>,
    experiment_no: i64,
    stage: Lifecycle,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE experiments SET lifecycle_stage = $2, updated_at = $3 WHERE experiment_no = $1",
        params![experiment_no, stage.as_str(), now],
    )?;
    let deleted_at = (stage == Lifecycle::Deleted).then_some(now);
    tx.execute(
        "UPDATE runs SET lifecycle_stage = $2, deleted_at = $3 WHERE experiment_no = $1",
        params![experiment_no, stage.as_str(), deleted_at],
    )?;
    Ok(())
}

/// Gives an experiment another name. A taken one is a unique violation.
pub fn rename(
    tx: &mut Tx<'_>,
    experiment_no: i64,
    name: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE experiments SET name = $2, updated_at = $3 WHERE experiment_no = $1",
        params![experiment_no, name, now],
    )?;
    Ok(())
}

/// Sets a tag, new or not.
pub fn set_tag(tx: &mut Tx<'_>, experiment_no: i64, tag: &KeyValue) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO experiment_tags (experiment_no, key, value) VALUES ($1, $2, $3)
         ON CONFLICT (experiment_no, key) DO UPDATE SET value = excluded.value",
        params![experiment_no, &tag.key, &tag.value],
    )?;
    Ok(())
}

/// Removes a tag; says whether it was there.
pub fn delete_tag(tx: &mut Tx<'_>, experiment_no: i64, key: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM experiment_tags WHERE experiment_no = $1 AND key = $2";
    Ok(tx.execute(sql, params![experiment_no, key])? > 0)
}

/// A search for experiments.
#[derive(Clone, Debug)]
pub struct ExperimentSearch {
    /// Which stages.
    pub view: View,
    /// What they must fulfil.
    pub filter: Vec<Comparison>,
    /// Their order; the newest first when empty.
    pub order: Vec<OrderBy>,
    /// How many at most.
    pub limit: u32,
    /// The sort key of the last one shown.
    pub after: Option<Vec<Value>>,
}

/// Up to `limit` experiments, and the sort key of the last one when there are more.
pub fn search(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &ExperimentSearch,
) -> Result<(Vec<Experiment>, Option<Vec<Value>>), StoreError> {
    let mut statement = Statement::new(tx.dialect());
    let mut conditions = vec![format!("e.workspace_id = {}", statement.bind(workspace_id))];
    match search.view {
        View::All => {}
        View::Active => conditions.push("e.lifecycle_stage = 'active'".to_owned()),
        View::Deleted => conditions.push("e.lifecycle_stage = 'deleted'".to_owned()),
    }
    for comparison in &search.filter {
        conditions.push(condition(&mut statement, comparison));
    }
    let order = order_keys(&search.order);
    if let Some(place) = &search.after
        && place.len() == order.len()
    {
        let keys: Vec<_> = order
            .iter()
            .zip(place)
            .map(|((column, ascending), value)| ((*column).to_owned(), *ascending, value.clone()))
            .collect();
        conditions.push(statement.after(&keys));
    }
    let order_by: Vec<String> = order
        .iter()
        .map(|(column, ascending)| format!("{column} {}", if *ascending { "ASC" } else { "DESC" }))
        .collect();
    let sql = format!(
        "SELECT {COLUMNS} FROM experiments e WHERE {} ORDER BY {} LIMIT {}",
        conditions.join(" AND "),
        order_by.join(", "),
        i64::from(search.limit) + 1
    );
    let mut rows = tx.query(&sql, &as_params(&statement.values), from_row)?;
    let more = rows.len() > search.limit as usize;
    rows.truncate(search.limit as usize);
    let next = rows.last().filter(|_| more).map(|row| {
        order
            .iter()
            .map(|(column, _)| sort_value(row, column))
            .collect()
    });
    fill_tags(tx, &mut rows)?;
    Ok((rows.into_iter().map(|row| row.experiment).collect(), next))
}

fn condition(statement: &mut Statement, comparison: &Comparison) -> String {
    match (comparison.kind, comparison.key.as_str(), &comparison.test) {
        (Kind::Tag, key, test) => {
            let key = statement.bind(key);
            let (word, test) = match test {
                Test::Null { negated: false } => ("NOT EXISTS", "1 = 1".to_owned()),
                Test::Null { negated: true } => ("EXISTS", "1 = 1".to_owned()),
                test => ("EXISTS", statement.text_test("t.value", test)),
            };
            format!(
                "{word} (SELECT 1 FROM experiment_tags t WHERE t.experiment_no = e.experiment_no AND t.key = {key} AND {test})"
            )
        }
        (_, "creation_time", Test::Number(op, value)) => {
            statement.millis_test("e.created_at", *op, *value)
        }
        (_, "last_update_time", Test::Number(op, value)) => {
            statement.millis_test("e.updated_at", *op, *value)
        }
        (_, "experiment_id", test) => statement.text_test("CAST(e.experiment_id AS TEXT)", test),
        (_, _, test) => statement.text_test("e.name", test),
    }
}

fn order_keys(order: &[OrderBy]) -> Vec<(&'static str, bool)> {
    let mut keys: Vec<(&str, bool)> = order
        .iter()
        .map(|key| (order_column(&key.key), key.ascending))
        .collect();
    if keys.is_empty() {
        return vec![("e.created_at", false), ("e.experiment_id", true)];
    }
    if !keys.iter().any(|(column, _)| *column == "e.experiment_id") {
        keys.push(("e.experiment_id", false));
    }
    keys
}

fn order_column(attribute: &str) -> &'static str {
    match attribute {
        "experiment_id" => "e.experiment_id",
        "creation_time" => "e.created_at",
        "last_update_time" => "e.updated_at",
        _ => "e.name",
    }
}

fn sort_value(row: &ExperimentRow, column: &str) -> Value {
    let experiment = &row.experiment;
    match column {
        "e.experiment_id" => Value::Integer(experiment.experiment_id.0),
        "e.created_at" => Value::from(experiment.created_at),
        "e.updated_at" => Value::from(experiment.updated_at),
        _ => Value::Text(experiment.name.clone()),
    }
}

fn with_tags(
    tx: &mut Tx<'_>,
    row: Option<ExperimentRow>,
) -> Result<Option<ExperimentRow>, StoreError> {
    let mut rows: Vec<ExperimentRow> = row.into_iter().collect();
    fill_tags(tx, &mut rows)?;
    Ok(rows.pop())
}

fn fill_tags(tx: &mut Tx<'_>, rows: &mut [ExperimentRow]) -> Result<(), StoreError> {
    let places: std::collections::HashMap<i64, usize> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| (row.experiment_no, place))
        .collect();
    let numbers: Vec<i64> = rows.iter().map(|row| row.experiment_no).collect();
    for chunk in padded_chunks(&numbers) {
        let sql = format!(
            "SELECT experiment_no, key, value FROM experiment_tags WHERE experiment_no IN ({}) ORDER BY experiment_no, key",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|number| Param::Integer(*number)).collect();
        tx.for_each(&sql, &values, |row| {
            let place = places.get(&row.get::<i64>(0)?).copied();
            if let Some(found) = place.and_then(|place| rows.get_mut(place)) {
                found
                    .experiment
                    .tags
                    .push(KeyValue::new(row.get::<String>(1)?, row.get::<String>(2)?));
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "experiments_tests.rs"]
mod tests;
