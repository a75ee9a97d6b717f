//! Pages of jobs, filtered and sorted.

use lazuli_spec::Timestamp;
use lazuli_spec::jobs::JobState;

use super::{COLUMNS, JobRow, from_row};
use crate::sql::Statement;
use crate::{StoreError, Tx, Value, as_params};

/// What jobs are asked for; an absent part asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In one of these states.
    pub states: Vec<JobState>,
    /// Of this experiment.
    pub experiment: Option<String>,
    /// On this compute.
    pub compute: Option<String>,
    /// With this tag; of this value, if given.
    pub tag: Option<(String, Option<String>)>,
    /// Archived, not archived, or both.
    pub archived: Option<bool>,
}

/// The order of a list; names break ties.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// A page of jobs after a place: the moment of submission and the name of the last one shown.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    filter: &JobFilter,
    order: Order,
    after: Option<&(Timestamp, String)>,
    limit: u32,
) -> Result<Vec<JobRow>, StoreError> {
    let mut statement = Statement::new(tx.dialect());
    let mut conditions = vec![format!("workspace_id = {}", statement.bind(workspace_id))];
    let columns = [
        ("experiment_name", &filter.experiment),
        ("compute", &filter.compute),
    ];
    for (column, wanted) in columns {
        if let Some(wanted) = wanted {
            conditions.push(format!("{column} = {}", statement.bind(wanted.as_str())));
        }
    }
    if !filter.states.is_empty() {
        let states: Vec<String> = filter
            .states
            .iter()
            .map(|state| statement.bind(state.as_str()))
            .collect();
        conditions.push(format!("state IN ({})", states.join(", ")));
    }
    if let Some(archived) = filter.archived {
        conditions.push(format!("archived = {}", i64::from(archived)));
    }
    if let Some((key, value)) = &filter.tag {
        let key = statement.bind(key.as_str());
        let value = value
            .as_ref()
            .map(|value| format!(" AND t.value = {}", statement.bind(value.as_str())))
            .unwrap_or_default();
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM job_tags t WHERE t.workspace_id = jobs.workspace_id AND t.job = jobs.name AND t.key = {key}{value})"
        ));
    }
    let ascending = order == Order::OldestFirst;
    if let Some((at, name)) = after {
        let keys = [
            ("created_at".to_owned(), ascending, Value::Integer(at.0)),
            ("name".to_owned(), ascending, Value::Text(name.clone())),
        ];
        conditions.push(statement.after(&keys));
    }
    let direction = if ascending { "ASC" } else { "DESC" };
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE {} ORDER BY created_at {direction}, name {direction} LIMIT {}",
        conditions.join(" AND "),
        statement.bind(i64::from(limit)),
    );
    let mut jobs = tx.query(&sql, &as_params(&statement.values), from_row)?;
    for job in &mut jobs {
        job.tags = super::tags(tx, workspace_id, &job.name)?;
    }
    Ok(jobs)
}
