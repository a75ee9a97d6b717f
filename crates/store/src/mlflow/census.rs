//! What stands against an import, and what it would leave behind.

use serde::Serialize;

use super::fields::Fields;
use super::{Page, Schema};
use crate::sql::placeholders;
use crate::{Param, StoreError, Tx, Value, as_params, catalog, params};

/// A name or id that is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clash {
    /// The noun.
    pub noun: &'static str,
    /// The id or name.
    pub name: String,
    /// Where it is taken.
    pub taken: String,
}

/// Rows that stay behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The table.
    pub table: String,
    /// How many.
    pub rows: i64,
    /// Why.
    pub why: String,
}

/// Which of a page's rows would meet something that is here. Runs and logged models have ids that are unique on the server,
/// experiments and registered models are unique in their workspace (none yet: an empty id).
pub fn clashes(
    tx: &mut Tx<'_>,
    noun: &str,
    workspace_id: &str,
    page: &Page,
) -> Result<Vec<Clash>, StoreError> {
    let rows: Vec<&Fields> = page.rows().collect();
    match noun {
        "experiments" => experiments(tx, workspace_id, &rows),
        "runs" => taken(
            tx,
            "run",
            "SELECT t.run_id, w.name FROM runs t JOIN workspaces w ON w.id = t.workspace_id WHERE t.run_id",
            &texts(&rows),
        ),
        "logged models" => taken(
            tx,
            "logged model",
            "SELECT t.model_id, w.name FROM logged_models t JOIN workspaces w ON w.id = t.workspace_id WHERE t.model_id",
            &texts(&rows),
        ),
        "evaluation datasets" => taken(
            tx,
            "evaluation dataset",
            "SELECT t.dataset_id, w.name FROM evaluation_datasets t JOIN workspaces w ON w.id = t.workspace_id WHERE t.dataset_id",
            &texts(&rows),
        ),
        "issues" => taken(
            tx,
            "issue",
            "SELECT t.issue_id, w.name FROM issues t JOIN workspaces w ON w.id = t.workspace_id WHERE t.issue_id",
            &texts(&rows),
        ),
        "traces" => {
            let sql =
                "SELECT t.trace_id, w.name FROM traces t JOIN workspaces w ON w.id = t.workspace_id
                 WHERE t.workspace_id = $1 AND t.trace_id";
            let mut values = vec![Value::from(workspace_id)];
            values.extend(texts(&rows));
            taken(tx, "trace", sql, &values)
        }
        "registered models" => {
            let sql = "SELECT t.name, w.name FROM registered_models t JOIN workspaces w ON w.id = t.workspace_id
                 WHERE t.workspace_id = $1 AND t.name";
            let mut values = vec![Value::from(workspace_id)];
            values.extend(texts(&rows));
            taken(tx, "registered model", sql, &values)
        }
        _ => Ok(Vec::new()),
    }
}

fn texts(rows: &[&Fields]) -> Vec<Value> {
    rows.iter().map(|row| Value::Text(row.text(0))).collect()
}

fn taken(
    tx: &mut Tx<'_>,
    noun: &'static str,
    select: &str,
    values: &[Value],
) -> Result<Vec<Clash>, StoreError> {
    let first = if select.contains("$1") { 2 } else { 1 };
    let count = (values.len() + 1).saturating_sub(first);
    if count == 0 {
        return Ok(Vec::new());
    }
    let sql = format!("{select} IN ({})", placeholders(first, count));
    tx.query(&sql, &as_params(values), |row| {
        Ok(Clash {
            noun,
            name: row.get(0)?,
            taken: format!("in the workspace `{}`", row.get::<String>(1)?),
        })
    })
}

fn experiments(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    rows: &[&Fields],
) -> Result<Vec<Clash>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = vec![Param::Text(workspace_id)];
    values.extend(rows.iter().map(|row| Param::Integer(row.int(0))));
    values.extend(
        rows.iter()
            .map(|row| Param::Text(row.opt_text(1).unwrap_or_default())),
    );
    let sql = format!(
        "SELECT experiment_id, name FROM experiments WHERE workspace_id = $1 AND (experiment_id IN ({}) OR name IN ({}))",
        placeholders(2, rows.len()),
        placeholders(2 + rows.len(), rows.len())
    );
    let found: Vec<(i64, String)> =
        tx.query(&sql, &values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let untouched = is_default_untouched(tx, workspace_id)?;
    let here = |id: i64, name: &str| format!("by the experiment {id} `{name}` of the workspace");
    Ok(found
        .into_iter()
        .filter(|(id, _)| !(*id == 0 && untouched))
        .map(|(id, name)| {
            let clash = rows.iter().find(|row| row.int(0) == id);
            Clash {
                noun: "experiment",
                name: clash.map_or_else(
                    || format!("`{name}`"),
                    |row| format!("{id} `{}`", row.text(1)),
                ),
                taken: here(id, &name),
            }
        })
        .collect())
}

/// Whether nobody has used the workspace's default experiment yet.
fn is_default_untouched(tx: &mut Tx<'_>, workspace_id: &str) -> Result<bool, StoreError> {
    let used: i64 = tx.query_one(
        "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM runs r JOIN experiments e ON e.experiment_no = r.experiment_no
                 WHERE e.workspace_id = $1 AND e.experiment_id = 0 LIMIT 1) AS runs)
              + (SELECT COUNT(*) FROM (SELECT 1 FROM logged_models WHERE workspace_id = $1 AND experiment_id = 0 LIMIT 1) AS models)
              + (SELECT COUNT(*) FROM (SELECT 1 FROM experiment_tags t JOIN experiments e ON e.experiment_no = t.experiment_no
                 WHERE e.workspace_id = $1 AND e.experiment_id = 0 LIMIT 1) AS tags)",
        params![workspace_id],
        |row| row.get(0),
    )?;
    Ok(used == 0)
}

/// Whether the database has an experiment 0, which takes the place of ours.
pub fn has_default(tx: &mut Tx<'_>, schema: &Schema, workspace: &str) -> Result<bool, StoreError> {
    let ours = schema.in_workspace("experiments", "e");
    let sql = format!("SELECT COUNT(*) FROM experiments e WHERE e.experiment_id = 0 AND {ours}");
    let values = if schema.has_workspaces() {
        vec![Param::Text(workspace)]
    } else {
        Vec::new()
    };
    Ok(tx.query_one(&sql, &values, |row| row.get::<i64>(0))? > 0)
}

/// Takes away a default experiment that nobody has used, so that another may have its name.
pub fn clear_default(tx: &mut Tx<'_>, workspace_id: &str) -> Result<(), StoreError> {
    if is_default_untouched(tx, workspace_id)? {
        tx.execute(
            "DELETE FROM experiments WHERE workspace_id = $1 AND experiment_id = 0",
            params![workspace_id],
        )?;
    }
    Ok(())
}

/// After rows with numbers of their own were written: PostgreSQL goes on counting behind them.
pub fn count_on(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    catalog::advance_sequences(tx)
}

/// Runs whose ids are longer than MLflow's column, which PostgreSQL would refuse; a few of them.
pub fn long_run_ids(tx: &mut Tx<'_>, workspace_id: &str) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT run_id FROM runs WHERE workspace_id = $1 AND LENGTH(run_id) > 32 ORDER BY run_id LIMIT 5",
        params![workspace_id],
        |row| row.get(0),
    )
}

/// The content trees that a workspace's model versions are read from, after the given one.
pub fn version_trees(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT DISTINCT tree FROM model_versions WHERE workspace_id = $1 AND tree IS NOT NULL AND deleted = 0 AND tree > $2
           AND location LIKE 'mlflow-artifacts:/trees/%' ORDER BY tree LIMIT $3",
        params![workspace_id, after, limit],
        |row| row.get(0),
    )
}

/// Tables that come, or that are made anew from what comes.
const HANDLED: &[&str] = &[
    "alembic_version",
    "workspaces",
    "experiments",
    "experiment_tags",
    "runs",
    "params",
    "tags",
    "metrics",
    "latest_metrics",
    "datasets",
    "inputs",
    "input_tags",
    "logged_models",
    "logged_model_params",
    "logged_model_tags",
    "logged_model_metrics",
    "registered_models",
    "registered_model_tags",
    "registered_model_aliases",
    "model_versions",
    "model_version_tags",
    "trace_info",
    "trace_tags",
    "trace_request_metadata",
    "spans",
    "assessments",
    "entity_associations",
    "evaluation_datasets",
    "evaluation_dataset_tags",
    "evaluation_dataset_records",
    "scorers",
    "scorer_versions",
    "online_scoring_configs",
    "issues",
    // counted together from traces, or work in progress of MLflow's own server
    "trace_metrics",
    "span_metrics",
    "sql_assessment_daily_rollups",
    "sql_span_cost_daily_rollups",
    "sql_trace_metric_daily_rollups",
    "sql_trace_rollup_rebuild_queue",
    "scheduler_leases",
    "job_locks",
];

/// Tables with rows that do not come, and what other workspaces of the database hold.
pub fn leftovers(
    tx: &mut Tx<'_>,
    schema: &Schema,
    workspace: &str,
) -> Result<Vec<Leftover>, StoreError> {
    let mut found = Vec::new();
    let other: Vec<String> = schema
        .tables()
        .filter(|table| !HANDLED.contains(table))
        .map(str::to_owned)
        .collect();
    for table in other {
        let sql = format!("SELECT COUNT(*) FROM \"{}\"", table.replace('"', ""));
        let rows: i64 = tx.query_one(&sql, params![], |row| row.get(0))?;
        if rows > 0 {
            found.push(Leftover {
                table,
                rows,
                why: "not imported".to_owned(),
            });
        }
    }
    for table in ["experiments", "registered_models"] {
        if !schema.column(table, "workspace") {
            continue;
        }
        let sql = format!(
            "SELECT workspace, COUNT(*) FROM {table} WHERE workspace <> $1 GROUP BY workspace ORDER BY workspace"
        );
        found.extend(tx.query(&sql, params![workspace], |row| {
            let name: String = row.get(0)?;
            Ok(Leftover {
                table: table.to_owned(),
                rows: row.get(1)?,
                why: format!("of MLflow's workspace `{name}`: import it with --from-workspace {name} into a workspace of its own"),
            })
        })?);
    }
    Ok(found)
}
