//! Searches of registered models and of their versions: parsed filters and orders become SQL, pages go by key.

use lazuli_spec::filters::{Comparison, Kind, OrderBy, Test};
use lazuli_spec::models::TAG_IS_PROMPT;

pub use crate::lists::Keyed;
use crate::model_versions::{self, VersionRow};
use crate::models::{self, ModelRow};
use crate::sql::Statement;
use crate::{Row, StoreError, Tx, Value, as_params};

/// A search, parsed.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// All must hold.
    pub filter: Vec<Comparison>,
    /// The order; names and versions break ties.
    pub order: Vec<OrderBy>,
    /// The sort key of the last row of the page before.
    pub after: Option<Vec<Value>>,
    /// How many rows at most.
    pub limit: u32,
}

/// One key of an order: its SQL expression, its direction, whether it is a number.
type Key = (&'static str, bool, bool);

/// A page of registered models, complete.
pub fn registered_models(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &Search,
) -> Result<Vec<Keyed<ModelRow>>, StoreError> {
    let mut keys: Vec<Key> = search.order.iter().filter_map(model_key).collect();
    keys.push(("m.name", true, false));
    let statement = Statement::new(tx.dialect());
    let tags = ("registered_model_tags", "model_no = m.model_no");
    let found = run(
        tx,
        statement,
        workspace_id,
        search,
        &keys,
        &Shape {
            columns: models::COLUMNS,
            from: "registered_models m",
            fixed: "m.workspace_id = ",
            tags,
            width: 7,
            read: models::from_row,
            attribute: model_attribute,
        },
    )?;
    let (mut rows, sort_keys): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    models::complete(tx, &mut rows)?;
    Ok(rows.into_iter().zip(sort_keys).collect())
}

/// A page of versions over all models, complete.
pub fn model_versions(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &Search,
) -> Result<Vec<Keyed<VersionRow>>, StoreError> {
    let mut keys: Vec<Key> = search.order.iter().filter_map(version_key).collect();
    if search.order.is_empty() {
        keys.push(("v.updated_at", false, true));
    }
    keys.extend([
        ("m.name", true, false),
        ("v.number", false, true),
        ("v.version", true, false),
    ]);
    let statement = Statement::new(tx.dialect());
    let tags = ("model_version_tags", "version_no = v.version_no");
    let found = run(
        tx,
        statement,
        workspace_id,
        search,
        &keys,
        &Shape {
            columns: model_versions::COLUMNS,
            from: model_versions::FROM,
            fixed: "v.deleted = 0 AND v.workspace_id = ",
            tags,
            width: 20,
            read: model_versions::from_row,
            attribute: version_attribute,
        },
    )?;
    let (mut rows, sort_keys): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    model_versions::complete(tx, &mut rows)?;
    Ok(rows.into_iter().zip(sort_keys).collect())
}

/// What differs between the two searches.
struct Shape<T> {
    columns: &'static str,
    from: &'static str,
    /// The condition that ends with the workspace's placeholder.
    fixed: &'static str,
    /// The table of tags, and how its rows belong to the thing searched.
    tags: (&'static str, &'static str),
    /// How many columns there are before the sort keys.
    width: usize,
    read: fn(&Row<'_>) -> Result<T, StoreError>,
    attribute: fn(&mut Statement, &Comparison) -> String,
}

fn run<T>(
    tx: &mut Tx<'_>,
    mut statement: Statement,
    workspace_id: &str,
    search: &Search,
    keys: &[Key],
    shape: &Shape<T>,
) -> Result<Vec<Keyed<T>>, StoreError> {
    let mut conditions = vec![format!("{}{}", shape.fixed, statement.bind(workspace_id))];
    let prompts = search.filter.iter().any(wants_prompts);
    if !prompts {
        conditions.push("m.is_prompt = 0".to_owned());
    }
    for comparison in &search.filter {
        match comparison.kind {
            // Models have no such tag: it tells prompts from models, which is done above.
            Kind::Tag if comparison.key == TAG_IS_PROMPT && !prompts => {}
            Kind::Tag => conditions.push(tag_condition(&mut statement, shape.tags, comparison)),
            _ => conditions.push((shape.attribute)(&mut statement, comparison)),
        }
    }
    if let Some(after) = search
        .after
        .as_ref()
        .filter(|after| after.len() == keys.len())
    {
        let place: Vec<_> = keys
            .iter()
            .zip(after)
            .map(|((sql, up, _), value)| ((*sql).to_owned(), *up, value.clone()))
            .collect();
        conditions.push(statement.after(&place));
    }
    let selected: Vec<_> = keys.iter().map(|(sql, ..)| *sql).collect();
    let ordered: Vec<_> = keys
        .iter()
        .map(|(sql, up, _)| format!("{sql} {}", if *up { "ASC" } else { "DESC" }))
        .collect();
    let limit = statement.bind(i64::from(search.limit));
    let sql = format!(
        "SELECT {}, {} FROM {} WHERE {} ORDER BY {} LIMIT {limit}",
        shape.columns,
        selected.join(", "),
        shape.from,
        conditions.join(" AND "),
        ordered.join(", ")
    );
    tx.query(&sql, &as_params(&statement.values), |row| {
        Ok(((shape.read)(row)?, sort_key(row, shape.width, keys)?))
    })
}

fn sort_key(row: &Row<'_>, width: usize, keys: &[Key]) -> Result<Vec<Value>, StoreError> {
    let read = |(place, (_, _, number)): (usize, &Key)| {
        let column = width + place;
        Ok(if *number {
            Value::Integer(row.get(column)?)
        } else {
            Value::Text(row.get(column)?)
        })
    };
    keys.iter().enumerate().map(read).collect()
}

fn wants_prompts(comparison: &Comparison) -> bool {
    let Test::Text { negated, value } = &comparison.test else {
        return false;
    };
    let wanted = if *negated { "false" } else { "true" };
    comparison.kind == Kind::Tag
        && comparison.key == TAG_IS_PROMPT
        && value.eq_ignore_ascii_case(wanted)
}

/// A test on a tag that is not there fails, whatever it is, except `IS NULL`.
pub(crate) fn tag_condition(
    statement: &mut Statement,
    (table, joined): (&str, &str),
    comparison: &Comparison,
) -> String {
    let key = statement.bind(comparison.key.as_str());
    let exists = |test: &str| {
        format!("EXISTS (SELECT 1 FROM {table} t WHERE t.{joined} AND t.key = {key}{test})")
    };
    match &comparison.test {
        Test::Null { negated: true } => exists(""),
        Test::Null { negated: false } => format!("NOT {}", exists("")),
        test => {
            let condition = statement.text_test("t.value", test);
            exists(&format!(" AND {condition}"))
        }
    }
}

fn model_attribute(statement: &mut Statement, comparison: &Comparison) -> String {
    statement.text_test("m.name", &comparison.test)
}

fn version_attribute(statement: &mut Statement, comparison: &Comparison) -> String {
    let column = match (comparison.key.as_str(), &comparison.test) {
        ("version_number", Test::Number(op, number)) => {
            let value = statement.bind(*number);
            return format!("v.number {} {value}", op.as_sql());
        }
        ("run_id", _) => "v.run_id",
        ("source_path", _) => "v.source",
        _ => "m.name",
    };
    statement.text_test(column, &comparison.test)
}

fn model_key(order: &OrderBy) -> Option<Key> {
    Some(match order.key.as_str() {
        "name" => ("m.name", order.ascending, false),
        "creation_timestamp" => ("m.created_at", order.ascending, true),
        "last_updated_timestamp" => ("m.updated_at", order.ascending, true),
        _ => return None,
    })
}

fn version_key(order: &OrderBy) -> Option<Key> {
    Some(match order.key.as_str() {
        "name" => ("m.name", order.ascending, false),
        "version_number" => ("v.number", order.ascending, true),
        "creation_timestamp" => ("v.created_at", order.ascending, true),
        "last_updated_timestamp" => ("v.updated_at", order.ascending, true),
        _ => return None,
    })
}
