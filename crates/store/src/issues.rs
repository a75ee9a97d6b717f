//! Rows of `issues`.

use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::issues::{IssueComparison, IssueField};
use lazuli_spec::issues::{FoundIssue, Issue, IssueStatus, NewIssue, Severity};

use crate::json::{decode, encode};
use crate::sql::Statement;
use crate::{Row, StoreError, Tx, Value, as_params, params};

const COLUMNS: &str = "i.issue_id, i.experiment_id, i.name, i.description, i.status, i.severity, i.root_causes, i.categories, \
     i.source_run_id, i.created_by, i.created_at, i.updated_at";
/// How many columns those are.
const WIDTH: usize = 12;

/// In how many traces of its workspace an issue `i` shows.
const TRACES: &str =
    "(SELECT COUNT(DISTINCT a.trace_no) FROM assessments a JOIN traces t ON t.trace_no = a.trace_no
      WHERE a.name = i.issue_id AND a.kind = 'issue' AND t.workspace_id = i.workspace_id)";

/// A search.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only those of this experiment, by its number.
    pub experiment_no: Option<i64>,
    /// All must hold.
    pub filter: Vec<IssueComparison>,
    /// Whether to count the traces in which each shows; they are part of the order then.
    pub count_traces: bool,
    /// The sort key of the last row of the page before.
    pub after: Option<Vec<Value>>,
    /// How many rows at most.
    pub limit: u32,
}

fn from_row(row: &Row<'_>) -> Result<Issue, StoreError> {
    let status: String = row.get(4)?;
    Ok(Issue {
        issue_id: row.get(0)?,
        created_at: row.get(10)?,
        updated_at: row.get(11)?,
        text: NewIssue {
            experiment_id: ExperimentId(row.get(1)?),
            name: row.get(2)?,
            description: row.get(3)?,
            status: IssueStatus::parse(&status).map_err(|error| StoreError::Corrupt(error.0))?,
            severity: Severity::at_rank(row.get(5)?),
            root_causes: decode(&row.get::<String>(6)?)?,
            categories: decode(&row.get::<String>(7)?)?,
            source_run_id: row.get(8)?,
            created_by: row.get(9)?,
        },
    })
}

/// Adds an issue to the experiment of that number.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    experiment_no: i64,
    issue: &Issue,
) -> Result<(), StoreError> {
    let text = &issue.text;
    tx.execute(
        "INSERT INTO issues (issue_id, workspace_id, experiment_no, experiment_id, name, description, status, severity, root_causes,
             categories, source_run_id, created_by, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        params![
            &issue.issue_id,
            workspace_id,
            experiment_no,
            text.experiment_id.0,
            &text.name,
            &text.description,
            text.status.as_str(),
            Severity::rank(text.severity),
            encode(&text.root_causes)?,
            encode(&text.categories)?,
            &text.source_run_id,
            &text.created_by,
            issue.created_at,
            issue.updated_at
        ],
    )
    .map(drop)
}

/// An issue of a workspace. In PostgreSQL its row is locked until the end of the transaction when `lock` is set.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    issue_id: &str,
    lock: bool,
) -> Result<Option<Issue>, StoreError> {
    let suffix = if lock { tx.dialect().for_update() } else { "" };
    let sql = format!(
        "SELECT {COLUMNS} FROM issues i WHERE i.issue_id = $1 AND i.workspace_id = $2{suffix}"
    );
    tx.query_opt(&sql, params![issue_id, workspace_id], from_row)
}

/// Writes what may change in an issue.
pub fn update(tx: &mut Tx<'_>, workspace_id: &str, issue: &Issue) -> Result<(), StoreError> {
    let text = &issue.text;
    tx.execute(
        "UPDATE issues SET name = $3, description = $4, status = $5, severity = $6, updated_at = $7
         WHERE issue_id = $1 AND workspace_id = $2",
        params![
            &issue.issue_id,
            workspace_id,
            &text.name,
            &text.description,
            text.status.as_str(),
            Severity::rank(text.severity),
            issue.updated_at
        ],
    )
    .map(drop)
}

/// How many issues an experiment has.
pub fn count(tx: &mut Tx<'_>, experiment_no: i64) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM issues WHERE experiment_no = $1";
    tx.query_one(sql, params![experiment_no], |row| row.get(0))
}

/// A page of issues with their sort keys: the worst first, then (when they are counted) those in most traces, then the newest.
pub fn search(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &Search,
) -> Result<Vec<(FoundIssue, Vec<Value>)>, StoreError> {
    let mut statement = Statement::new(tx.dialect());
    let mut conditions = vec![format!("i.workspace_id = {}", statement.bind(workspace_id))];
    if let Some(number) = search.experiment_no {
        conditions.push(format!("i.experiment_no = {}", statement.bind(number)));
    }
    for comparison in &search.filter {
        conditions.push(condition(&mut statement, comparison));
    }
    let keys = keys(search.count_traces);
    let after = match &search.after {
        None => "1 = 1".to_owned(),
        Some(after) => match place(keys, after) {
            Some(place) => statement.after(&place),
            None => "1 = 0".to_owned(),
        },
    };
    let limit = statement.bind(i64::from(search.limit));
    let conditions = conditions.join(" AND ");
    let order: Vec<String> = keys.iter().map(|key| format!("{key} DESC")).collect();
    let order = order.join(", ");
    let sql = if search.count_traces {
        // counted once for each issue, in rows that hold only the sort key
        format!(
            "WITH counted AS MATERIALIZED (
                 SELECT i.issue_id, i.severity, i.created_at, {TRACES} AS traces FROM issues i WHERE {conditions})
             SELECT {COLUMNS}, found.traces FROM (SELECT * FROM counted i WHERE {after} ORDER BY {order} LIMIT {limit}) AS found
             JOIN issues i ON i.issue_id = found.issue_id
             ORDER BY i.severity DESC, found.traces DESC, i.created_at DESC, i.issue_id DESC"
        )
    } else {
        format!(
            "SELECT {COLUMNS}, 0 FROM issues i WHERE {conditions} AND {after} ORDER BY {order} LIMIT {limit}"
        )
    };
    tx.query(&sql, &as_params(&statement.values), |row| {
        let (issue, traces): (Issue, i64) = (from_row(row)?, row.get(WIDTH)?);
        let place = place_of(&issue, search.count_traces.then_some(traces));
        let traces = search.count_traces.then_some(traces);
        Ok((FoundIssue { issue, traces }, place))
    })
}

/// The keys of the order, all of them downwards.
const fn keys(count_traces: bool) -> &'static [&'static str] {
    if count_traces {
        &["i.severity", "i.traces", "i.created_at", "i.issue_id"]
    } else {
        &["i.severity", "i.created_at", "i.issue_id"]
    }
}

fn place_of(issue: &Issue, traces: Option<i64>) -> Vec<Value> {
    let mut place = vec![Value::from(Severity::rank(issue.text.severity))];
    place.extend(traces.map(Value::from));
    place.push(issue.created_at.into());
    place.push(issue.issue_id.as_str().into());
    place
}

/// The place in the order; nothing when the values are not ones of these columns, as in a token that somebody made up.
fn place(keys: &[&str], after: &[Value]) -> Option<Vec<(String, bool, Value)>> {
    if keys.len() != after.len() {
        return None;
    }
    let pair = |(key, value): (&&str, &Value)| match (*key, value) {
        ("i.issue_id", Value::Text(_)) => Some(((*key).to_owned(), false, value.clone())),
        ("i.issue_id", _) => None,
        (_, Value::Integer(_)) => Some(((*key).to_owned(), false, value.clone())),
        _ => None,
    };
    keys.iter().zip(after).map(pair).collect()
}

/// An issue that no run found is neither equal to a run nor not.
fn condition(statement: &mut Statement, comparison: &IssueComparison) -> String {
    let column = match comparison.field {
        IssueField::Status => "i.status",
        IssueField::SourceRun => "i.source_run_id",
    };
    let operator = if comparison.negated { "<>" } else { "=" };
    format!(
        "{column} {operator} {}",
        statement.bind(comparison.value.as_str())
    )
}

#[cfg(test)]
#[path = "issues_tests.rs"]
mod tests;
