//! Searches of logged models. Missing values sort last, whichever the direction; pages go by key.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::{Comparison, Kind, Test};
use lazuli_spec::logged_models::LoggedModel;

use crate::lists::Keyed;
use crate::model_search::tag_condition;
use crate::sql::Statement;
use crate::{Row, StoreError, Tx, Value, as_params, logged_models};

/// A search, parsed.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Which experiments; none finds nothing.
    pub experiments: Vec<ExperimentId>,
    /// All must hold.
    pub filter: Vec<Comparison>,
    /// Metrics in filters count only when measured on one of these (any data set when empty).
    pub datasets: Vec<Dataset>,
    /// The order; newest first breaks ties.
    pub order: Vec<Order>,
    /// The sort key of the last row of the page before.
    pub after: Option<Vec<Value>>,
    /// How many rows at most.
    pub limit: u32,
}

/// A data set that a metric was measured on; neither name nor digest is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dataset {
    /// Its name; any when absent.
    pub name: Option<String>,
    /// Its digest; any when absent.
    pub digest: Option<String>,
}

/// One key of the order.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to sort by.
    pub by: OrderKey,
    /// Smallest first.
    pub ascending: bool,
}

/// What logged models can be sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderKey {
    /// An attribute.
    Attribute(Attribute),
    /// The latest value of a metric, perhaps only on one data set.
    Metric(String, Option<Dataset>),
}

/// An attribute to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// When it was made.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// Its id.
    ModelId,
    /// Its name.
    Name,
    /// Its type.
    ModelType,
    /// Its status.
    Status,
    /// Its run.
    SourceRunId,
}

/// One sort key in SQL, and what type it is read as.
struct Key {
    sql: String,
    ascending: bool,
    kind: crate::Kind,
}

/// A page of logged models that are not deleted, complete.
pub fn search(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &Search,
) -> Result<Vec<Keyed<LoggedModel>>, StoreError> {
    if search.experiments.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::new(tx.dialect());
    let mut conditions = vec![format!(
        "l.lifecycle_stage = 'active' AND l.workspace_id = {}",
        statement.bind(workspace_id)
    )];
    let ids: Vec<String> = search
        .experiments
        .iter()
        .map(|id| statement.bind(id.0))
        .collect();
    conditions.push(format!("l.experiment_id IN ({})", ids.join(", ")));
    let datasets = dataset_condition(&mut statement, &search.datasets);
    let metrics = search
        .filter
        .iter()
        .any(|comparison| comparison.kind == Kind::Metric);
    if !datasets.is_empty() && !metrics {
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM logged_model_metrics t WHERE t.model_id = l.model_id{datasets})"
        ));
    }
    for comparison in &search.filter {
        conditions.push(condition(&mut statement, comparison, &datasets));
    }
    let keys = sort_keys(&mut statement, &search.order);
    if let Some(after) = search
        .after
        .as_ref()
        .filter(|after| after.len() == keys.len())
    {
        let place: Vec<_> = keys
            .iter()
            .zip(after)
            .map(|(key, value)| (key.sql.clone(), key.ascending, value.clone()))
            .collect();
        conditions.push(statement.after(&place));
    }
    let selected: Vec<_> = keys.iter().map(|key| key.sql.as_str()).collect();
    let direction = |key: &Key| if key.ascending { "ASC" } else { "DESC" };
    let ordered: Vec<_> = keys
        .iter()
        .map(|key| format!("{} {}", key.sql, direction(key)))
        .collect();
    let limit = statement.bind(i64::from(search.limit));
    let sql = format!(
        "SELECT {}, {} FROM logged_models l WHERE {} ORDER BY {} LIMIT {limit}",
        logged_models::COLUMNS,
        selected.join(", "),
        conditions.join(" AND "),
        ordered.join(", ")
    );
    let found = tx.query(&sql, &as_params(&statement.values), |row| {
        Ok((logged_models::from_row(row)?, place_of(row, &keys)?))
    })?;
    let (mut models, places): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    logged_models::complete(tx, &mut models)?;
    Ok(models.into_iter().zip(places).collect())
}

fn place_of(row: &Row<'_>, keys: &[Key]) -> Result<Vec<Value>, StoreError> {
    const WIDTH: usize = 10;
    let read = |(place, key): (usize, &Key)| {
        Ok(match key.kind {
            crate::Kind::Integer => Value::Integer(row.get(WIDTH + place)?),
            crate::Kind::Real => Value::Real(row.get(WIDTH + place)?),
            _ => Value::Text(row.get(WIDTH + place)?),
        })
    };
    keys.iter().enumerate().map(read).collect()
}

fn condition(statement: &mut Statement, comparison: &Comparison, datasets: &str) -> String {
    match (comparison.kind, &comparison.test) {
        (Kind::Tag, _) => tag_condition(
            statement,
            ("logged_model_tags", "model_id = l.model_id"),
            comparison,
        ),
        (Kind::Param, _) => tag_condition(
            statement,
            ("logged_model_params", "model_id = l.model_id"),
            comparison,
        ),
        (Kind::Metric, Test::Number(op, number)) => {
            let (key, value) = (
                statement.bind(comparison.key.as_str()),
                statement.bind(*number),
            );
            let operator = op.as_sql();
            // A NaN compares with nothing.
            format!(
                "EXISTS (SELECT 1 FROM logged_model_metrics t WHERE t.model_id = l.model_id AND t.key = {key}
                 AND t.value {operator} {value} AND t.value <> {}{datasets})",
                statement.bind(f64::NAN)
            )
        }
        (_, test) => attribute_condition(statement, &comparison.key, test),
    }
}

fn attribute_condition(statement: &mut Statement, key: &str, test: &Test) -> String {
    match (key, test) {
        ("creation_timestamp", Test::Number(op, number)) => statement.millis_test("l.created_at", *op, *number),
        ("last_updated_timestamp", Test::Number(op, number)) => statement.millis_test("l.updated_at", *op, *number),
        ("model_id", test) => statement.text_test("l.model_id", test),
        ("model_type", test) => statement.text_test("l.model_type", test),
        ("source_run_id", test) => statement.text_test("l.source_run_id", test),
        ("status", test) => statement.text_test(
            "(CASE l.status WHEN 1 THEN 'PENDING' WHEN 2 THEN 'READY' WHEN 3 THEN 'FAILED' ELSE 'UNSPECIFIED' END)",
            test,
        ),
        (_, test) => statement.text_test("l.name", test),
    }
}

/// ` AND (…)` over `t`'s data set, or nothing.
fn dataset_condition(statement: &mut Statement, datasets: &[Dataset]) -> String {
    if datasets.is_empty() {
        return String::new();
    }
    let one = |dataset: &Dataset| {
        let parts = [
            ("t.dataset_name", &dataset.name),
            ("t.dataset_digest", &dataset.digest),
        ];
        let given = parts.into_iter().filter_map(|(column, text)| {
            let text = text.as_deref()?;
            Some(format!("{column} = {}", statement.bind(text)))
        });
        let given: Vec<String> = given.collect();
        if given.is_empty() {
            "1 = 1".to_owned()
        } else {
            format!("({})", given.join(" AND "))
        }
    };
    let all: Vec<String> = datasets.iter().map(one).collect();
    format!(" AND ({})", all.join(" OR "))
}

fn sort_keys(statement: &mut Statement, order: &[Order]) -> Vec<Key> {
    let mut keys = Vec::new();
    for one in order {
        let ascending = one.ascending;
        let (sql, kind) = match &one.by {
            OrderKey::Attribute(attribute) => {
                let (sql, kind) = column(*attribute);
                (sql.to_owned(), kind)
            }
            OrderKey::Metric(name, dataset) => (
                latest_metric(statement, name, dataset.as_ref()),
                crate::Kind::Real,
            ),
        };
        let nothing = match kind {
            crate::Kind::Integer => "0",
            crate::Kind::Real => "0.0",
            _ => "''",
        };
        keys.push(Key {
            sql: format!("(CASE WHEN {sql} IS NULL THEN 1 ELSE 0 END)"),
            ascending: true,
            kind: crate::Kind::Integer,
        });
        keys.push(Key {
            sql: format!("COALESCE({sql}, {nothing})"),
            ascending,
            kind,
        });
    }
    let has = |attribute| {
        order
            .iter()
            .any(|one| one.by == OrderKey::Attribute(attribute))
    };
    if !has(Attribute::CreatedAt) {
        keys.push(Key {
            sql: "l.created_at".to_owned(),
            ascending: false,
            kind: crate::Kind::Integer,
        });
    }
    if !has(Attribute::ModelId) {
        keys.push(Key {
            sql: "l.model_id".to_owned(),
            ascending: true,
            kind: crate::Kind::Text,
        });
    }
    keys
}

fn column(attribute: Attribute) -> (&'static str, crate::Kind) {
    match attribute {
        Attribute::CreatedAt => ("l.created_at", crate::Kind::Integer),
        Attribute::UpdatedAt => ("l.updated_at", crate::Kind::Integer),
        Attribute::ModelId => ("l.model_id", crate::Kind::Text),
        Attribute::Name => ("l.name", crate::Kind::Text),
        Attribute::ModelType => ("l.model_type", crate::Kind::Text),
        Attribute::Status => ("l.status", crate::Kind::Integer),
        Attribute::SourceRunId => ("l.source_run_id", crate::Kind::Text),
    }
}

fn latest_metric(statement: &mut Statement, name: &str, dataset: Option<&Dataset>) -> String {
    let key = statement.bind(name);
    let on = dataset_condition(
        statement,
        dataset.map(std::slice::from_ref).unwrap_or_default(),
    );
    format!(
        "(SELECT t.value FROM logged_model_metrics t WHERE t.model_id = l.model_id AND t.key = {key}{on}
          ORDER BY t.timestamp_ms DESC, t.step DESC, t.run_id LIMIT 1)"
    )
}
