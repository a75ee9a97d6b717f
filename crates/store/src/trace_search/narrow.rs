//! The comparison that fewest traces fulfil: where a search may begin.

use lazuli_spec::filters::Test;
use lazuli_spec::filters::traces::{TraceComparison, TraceField};
use lazuli_spec::traces::META_SOURCE_RUN;

use super::{TraceSearch, within};
use crate::sql::Statement;
use crate::{StoreError, Tx, as_params};

/// A comparison that this many traces fulfil, or fewer, is where the search begins.
const FEW: usize = 2_000;

/// The numbers of the traces that fulfil the comparison which fewest do, if those are few.
pub(super) fn narrowest(
    tx: &mut Tx<'_>,
    search: &TraceSearch,
) -> Result<Option<Vec<i64>>, StoreError> {
    let scope = within(&search.experiments);
    let mut best: Option<Vec<i64>> = None;
    for comparison in &search.filter {
        let mut statement = Statement::new(tx.dialect());
        let Some(inner) = driving(&mut statement, comparison, &scope) else {
            continue;
        };
        let most = best.as_ref().map_or(FEW + 1, Vec::len);
        let sql = format!("SELECT trace_no FROM ({inner}) few LIMIT {most}");
        let numbers = tx.query(&sql, &as_params(&statement.values), |row| row.get(0))?;
        if numbers.len() < most {
            best = Some(numbers);
        }
    }
    Ok(best)
}

/// The numbers of the traces that fulfil a comparison, each once, where an index gives them directly.
pub(super) fn driving(
    statement: &mut Statement,
    comparison: &TraceComparison,
    scope: &str,
) -> Option<String> {
    let Test::Text {
        negated: false,
        value,
    } = &comparison.test
    else {
        return None;
    };
    let value = value.as_str();
    match &comparison.field {
        TraceField::Tag(key) => Some(pair(statement, "trace_tags", key, value, scope)),
        TraceField::Metadata(key) => Some(pair(statement, "trace_metadata", key, value, scope)),
        TraceField::Run => {
            let made = pair(statement, "trace_metadata", META_SOURCE_RUN, value, scope);
            let run = statement.bind(value);
            Some(format!(
                "{made} UNION SELECT p.trace_no FROM trace_runs l CROSS JOIN traces p
                 WHERE p.workspace_id = l.workspace_id AND p.trace_id = l.trace_id AND l.run_id = {run}"
            ))
        }
        TraceField::Name => Some(column(statement, "name", value, scope)),
        TraceField::Session => Some(column(statement, "session_id", value, scope)),
        TraceField::Id => {
            let id = statement.bind(value);
            Some(format!(
                "SELECT p.trace_no FROM experiments e CROSS JOIN traces p
                 WHERE e.{scope} AND p.workspace_id = e.workspace_id AND p.trace_id = {id} AND +p.experiment_no = e.experiment_no"
            ))
        }
        TraceField::Prompt => {
            let prompt = statement.bind(value);
            Some(format!(
                "SELECT trace_no FROM trace_prompts WHERE prompt = {prompt}"
            ))
        }
        TraceField::Issue => {
            let issue = statement.bind(value);
            Some(format!(
                "SELECT DISTINCT trace_no FROM assessments WHERE name = {issue} AND kind = 'issue'"
            ))
        }
        _ => None,
    }
}

fn pair(statement: &mut Statement, table: &str, key: &str, value: &str, scope: &str) -> String {
    let key = statement.bind(key);
    let is = statement.is_by_prefix("value", value);
    format!("SELECT trace_no FROM {table} WHERE {scope} AND key = {key} AND {is}")
}

fn column(statement: &mut Statement, column: &str, value: &str, scope: &str) -> String {
    let is = statement.is_by_prefix(column, value);
    format!("SELECT trace_no FROM traces WHERE {scope} AND {is}")
}
