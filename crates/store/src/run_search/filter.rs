//! Comparisons as SQL conditions on a run, and the choice of the one that finds the fewest.

use lazuli_spec::filters::{Comparison, Kind, Op, Test};
use lazuli_spec::runs::TAG_DATASET_CONTEXT;

use super::{RunSearch, in_experiments};
use crate::sql::Statement;
use crate::{StoreError, Tx, as_params};

/// A comparison that this many runs fulfil, or fewer, is where the search begins.
const FEW: i64 = 2_000;

/// The comparison that fewest runs fulfil, if those are few.
pub(super) fn narrowest(tx: &mut Tx<'_>, search: &RunSearch) -> Result<Option<usize>, StoreError> {
    let experiments = in_experiments(search);
    let mut best: Option<(i64, usize)> = None;
    for (index, comparison) in search.filter.iter().enumerate() {
        let mut statement = Statement::new(tx.dialect());
        let Some(inner) = driving(&mut statement, comparison, &experiments) else {
            continue;
        };
        let most = best.map_or(FEW + 1, |(count, _)| count);
        let sql = format!("SELECT COUNT(*) FROM ({inner} LIMIT {most}) few");
        let count: i64 = tx.query_one(&sql, &as_params(&statement.values), |row| row.get(0))?;
        if count < most {
            best = Some((count, index));
        }
    }
    Ok(best.map(|(_, index)| index))
}

/// The numbers of the runs that fulfil a comparison, where an index gives them directly.
pub(super) fn driving(
    statement: &mut Statement,
    comparison: &Comparison,
    experiments: &str,
) -> Option<String> {
    let key = comparison.key.as_str();
    match (comparison.kind, &comparison.test) {
        (Kind::Metric, Test::Number(op, value)) if *op != Op::Ne => {
            let (key, value) = (statement.bind(key), statement.bind(*value));
            Some(format!(
                "SELECT run_no FROM metric_series WHERE {experiments} AND key = {key} AND is_nan = 0 AND value {} {value}",
                op.as_sql()
            ))
        }
        (
            Kind::Param | Kind::Tag,
            Test::Text {
                negated: false,
                value,
            },
        ) => {
            let (table, key) = (table(comparison.kind), statement.bind(key));
            let is_value = statement.is_by_prefix("value", value);
            Some(format!(
                "SELECT run_no FROM {table} WHERE {experiments} AND key = {key} AND {is_value}"
            ))
        }
        (
            Kind::Attribute,
            test @ (Test::Text { negated: false, .. } | Test::In { negated: false, .. }),
        ) if key == "run_id" => {
            let test = statement.text_test("run_id", test);
            Some(format!("SELECT run_no FROM runs WHERE {test}"))
        }
        _ => None,
    }
}

/// The condition that a run `r` fulfils the comparison.
pub(super) fn condition(statement: &mut Statement, comparison: &Comparison) -> String {
    let test = &comparison.test;
    match comparison.kind {
        Kind::Metric => metric(statement, &comparison.key, test),
        Kind::Param | Kind::Tag => key_value(statement, comparison),
        Kind::Dataset => dataset(statement, &comparison.key, test),
        Kind::Attribute => attribute(statement, &comparison.key, test),
    }
}

fn metric(statement: &mut Statement, key: &str, test: &Test) -> String {
    let Test::Number(op, value) = test else {
        return "1 = 0".to_owned();
    };
    let (key, value) = (statement.bind(key), statement.bind(*value));
    // a NaN differs from every number, and compares with none
    let test = match op {
        Op::Ne => format!("(f.is_nan = 1 OR f.value <> {value})"),
        op => format!("f.is_nan = 0 AND f.value {} {value}", op.as_sql()),
    };
    format!(
        "EXISTS (SELECT 1 FROM metric_series f WHERE f.run_no = r.run_no AND f.key = {key} AND {test})"
    )
}

const fn table(kind: Kind) -> &'static str {
    match kind {
        Kind::Param => "run_params",
        _ => "run_tags",
    }
}

fn key_value(statement: &mut Statement, comparison: &Comparison) -> String {
    let table = table(comparison.kind);
    let key = statement.bind(comparison.key.as_str());
    let (word, test) = match &comparison.test {
        Test::Null { negated: false } => ("NOT EXISTS", "1 = 1".to_owned()),
        Test::Null { negated: true } => ("EXISTS", "1 = 1".to_owned()),
        test => ("EXISTS", statement.text_test("f.value", test)),
    };
    format!(
        "{word} (SELECT 1 FROM {table} f WHERE f.run_no = r.run_no AND f.key = {key} AND {test})"
    )
}

fn dataset(statement: &mut Statement, key: &str, test: &Test) -> String {
    if key == "context" {
        let context = statement.bind(TAG_DATASET_CONTEXT);
        let test = statement.text_test("f.value", test);
        return format!(
            "EXISTS (SELECT 1 FROM run_dataset_tags f WHERE f.run_no = r.run_no AND f.key = {context} AND {test})"
        );
    }
    let column = if key == "digest" {
        "f.digest"
    } else {
        "f.name"
    };
    let test = statement.text_test(column, test);
    format!(
        "EXISTS (SELECT 1 FROM run_datasets i JOIN datasets f ON f.dataset_no = i.dataset_no WHERE i.run_no = r.run_no AND {test})"
    )
}

fn attribute(statement: &mut Statement, key: &str, test: &Test) -> String {
    match (key, test) {
        ("start_time", Test::Number(op, value)) => {
            statement.millis_test("r.start_time", *op, *value)
        }
        ("end_time", Test::Number(op, value)) => statement.millis_test("r.end_time", *op, *value),
        ("run_name", test) => statement.text_test("r.name", test),
        ("user_id", test) => statement.text_test("r.user_id", test),
        ("status", test) => statement.text_test("r.status", test),
        ("artifact_uri", test) => statement.text_test("r.artifact_uri", test),
        (_, test) => statement.text_test("r.run_id", test),
    }
}
