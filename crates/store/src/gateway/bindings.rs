//! Rows of `gateway_endpoint_bindings`: what uses which endpoint.

use std::fmt::Write as _;

use lazuli_spec::gateway::endpoints::Binding;

use super::stamps;
use crate::{Param, Row, StoreError, Tx, params};

const COLUMNS: &str = "b.endpoint_id, b.resource_type, b.resource_id, b.created_at, b.updated_at, b.created_by, b.updated_by";
const FROM: &str =
    "gateway_endpoint_bindings b JOIN gateway_endpoints p ON p.endpoint_id = b.endpoint_id";

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Uses of this endpoint.
    pub endpoint_id: Option<String>,
    /// By this kind of thing.
    pub resource_type: Option<String>,
    /// By this one.
    pub resource_id: Option<String>,
}

fn from_row(row: &Row<'_>) -> Result<Binding, StoreError> {
    Ok(Binding {
        endpoint_id: row.get(0)?,
        resource_type: row.get(1)?,
        resource_id: row.get(2)?,
        stamps: stamps(row, 3)?,
    })
}

/// Adds a use. One that is there already is a unique violation.
pub fn insert(tx: &mut Tx<'_>, binding: &Binding) -> Result<(), StoreError> {
    let stamps = &binding.stamps;
    tx.execute(
        "INSERT INTO gateway_endpoint_bindings (endpoint_id, resource_type, resource_id, created_at, updated_at, created_by, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            &binding.endpoint_id,
            &binding.resource_type,
            &binding.resource_id,
            stamps.created_at,
            stamps.updated_at,
            &stamps.created_by,
            &stamps.updated_by
        ],
    )
    .map(drop)
}

/// Removes a use of an endpoint of the workspace; says whether there was one.
pub fn delete(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    (endpoint_id, resource_type, resource_id): (&str, &str, &str),
) -> Result<bool, StoreError> {
    let removed = tx.execute(
        "DELETE FROM gateway_endpoint_bindings WHERE endpoint_id = $2 AND resource_type = $3 AND resource_id = $4
           AND EXISTS (SELECT 1 FROM gateway_endpoints WHERE workspace_id = $1 AND endpoint_id = $2)",
        params![workspace_id, endpoint_id, resource_type, resource_id],
    )?;
    Ok(removed > 0)
}

/// The uses of a workspace's endpoints.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &Search,
) -> Result<Vec<Binding>, StoreError> {
    let mut sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE p.workspace_id = $1");
    let mut values = vec![Param::Text(workspace_id)];
    for (column, wanted) in [
        ("endpoint_id", &search.endpoint_id),
        ("resource_type", &search.resource_type),
        ("resource_id", &search.resource_id),
    ] {
        if let Some(wanted) = wanted {
            values.push(Param::Text(wanted));
            let _ = write!(sql, " AND b.{column} = ${}", values.len());
        }
    }
    sql.push_str(" ORDER BY b.endpoint_id, b.resource_type, b.resource_id");
    tx.query(&sql, &values, from_row)
}

/// How many uses a workspace's endpoints have.
pub fn count(tx: &mut Tx<'_>, workspace_id: &str) -> Result<i64, StoreError> {
    let sql = format!("SELECT COUNT(*) FROM {FROM} WHERE p.workspace_id = $1");
    tx.query_one(&sql, params![workspace_id], |row| row.get(0))
}
