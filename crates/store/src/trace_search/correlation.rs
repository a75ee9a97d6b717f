//! How two filters go together: how many traces fulfil one, the other and both.

use lazuli_spec::filters::traces::TraceComparison;

use super::{conditions, within};
use crate::sql::Statement;
use crate::{StoreError, Tx, as_params};

/// Counts of traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Correlation {
    /// All that were looked at.
    pub total: i64,
    /// Those that fulfil the first filter.
    pub first: i64,
    /// Those that fulfil the second.
    pub second: i64,
    /// Those that fulfil both.
    pub both: i64,
}

/// Counts among the traces of the experiments that fulfil `base`.
pub fn correlation(
    tx: &mut Tx<'_>,
    experiments: &[i64],
    base: &[TraceComparison],
    first: &[TraceComparison],
    second: &[TraceComparison],
) -> Result<Correlation, StoreError> {
    if experiments.is_empty() {
        return Ok(Correlation::default());
    }
    let mut statement = Statement::new(tx.dialect());
    let scope = within(experiments);
    let mut marks = Vec::with_capacity(2);
    for filter in [first, second] {
        let mut all = vec!["1 = 1".to_owned()];
        all.extend(conditions(&mut statement, filter, &scope));
        marks.push(format!("CASE WHEN {} THEN 1 ELSE 0 END", all.join(" AND ")));
    }
    let mut wanted = vec![format!("t.{scope}")];
    wanted.extend(conditions(&mut statement, base, &scope));
    let sql = format!(
        "SELECT COUNT(*), SUM(x.a), SUM(x.b), SUM(x.a * x.b) FROM (SELECT {} AS a, {} AS b FROM traces t WHERE {}) x",
        marks[0],
        marks[1],
        wanted.join(" AND ")
    );
    tx.query_one(&sql, &as_params(&statement.values), |row| {
        let sum = |index| Ok::<_, StoreError>(row.get::<Option<i64>>(index)?.unwrap_or(0));
        Ok(Correlation {
            total: row.get(0)?,
            first: sum(1)?,
            second: sum(2)?,
            both: sum(3)?,
        })
    })
}
