//! Rows of `gateway_model_definitions`.

use std::fmt::Write as _;

use lazuli_spec::gateway::model_definitions::ModelDefinition;

use super::stamps;
use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, params};

/// A definition's columns, of a row `d` and its secret `s`.
pub(super) const COLUMNS: &str = "d.definition_id, d.name, d.secret_id, s.name, d.provider, d.model_name, d.created_at, d.updated_at, d.created_by, d.updated_by";
const FROM: &str =
    "gateway_model_definitions d LEFT JOIN gateway_secrets s ON s.secret_id = d.secret_id";

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Those of this provider.
    pub provider: Option<String>,
    /// Those with this secret.
    pub secret_id: Option<String>,
}

pub(super) fn from_row(row: &Row<'_>) -> Result<ModelDefinition, StoreError> {
    Ok(ModelDefinition {
        id: row.get(0)?,
        name: row.get(1)?,
        secret_id: row.get(2)?,
        secret_name: row.get(3)?,
        provider: row.get(4)?,
        model_name: row.get(5)?,
        stamps: stamps(row, 6)?,
    })
}

/// Adds a definition. A taken name is a unique violation.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    definition: &ModelDefinition,
) -> Result<(), StoreError> {
    let stamps = &definition.stamps;
    tx.execute(
        "INSERT INTO gateway_model_definitions (definition_id, workspace_id, name, secret_id, provider, model_name, created_at, updated_at, created_by, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        params![
            &definition.id,
            workspace_id,
            &definition.name,
            definition.secret_id.as_deref(),
            &definition.provider,
            &definition.model_name,
            stamps.created_at,
            stamps.updated_at,
            &stamps.created_by,
            &stamps.updated_by
        ],
    )
    .map(drop)
}

/// Changes a definition. A taken name is a unique violation.
pub fn update(tx: &mut Tx<'_>, definition: &ModelDefinition) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE gateway_model_definitions SET name = $2, secret_id = $3, provider = $4, model_name = $5, updated_at = $6, updated_by = $7
         WHERE definition_id = $1",
        params![
            &definition.id,
            &definition.name,
            definition.secret_id.as_deref(),
            &definition.provider,
            &definition.model_name,
            definition.stamps.updated_at,
            &definition.stamps.updated_by
        ],
    )
    .map(drop)
}

/// Removes a definition. One behind an endpoint is a foreign key violation.
pub fn delete(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM gateway_model_definitions WHERE definition_id = $1";
    tx.execute(sql, params![id]).map(drop)
}

/// Whether a definition stands behind an endpoint.
pub fn in_use(tx: &mut Tx<'_>, id: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM gateway_endpoint_models WHERE definition_id = $1 LIMIT 1";
    let found = tx.query_opt(sql, params![id], |_| Ok(()))?;
    Ok(found.is_some())
}

/// The definition with that id.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    id: &str,
) -> Result<Option<ModelDefinition>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM {FROM} WHERE d.workspace_id = $1 AND d.definition_id = $2");
    tx.query_opt(&sql, params![workspace_id, id], from_row)
}

/// Those of the ids that are definitions of the workspace.
pub fn existing(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    ids: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for chunk in padded_chunks(ids) {
        let sql = format!(
            "SELECT definition_id FROM gateway_model_definitions WHERE workspace_id = $1 AND definition_id IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Text(workspace_id)];
        values.extend(chunk.iter().map(|id| Param::Text(id)));
        found.extend(tx.query(&sql, &values, |row| row.get(0))?);
    }
    Ok(found)
}

/// A workspace's definitions by name.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &Search,
) -> Result<Vec<ModelDefinition>, StoreError> {
    let mut sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE d.workspace_id = $1");
    let mut values = vec![Param::Text(workspace_id)];
    for (column, wanted) in [
        ("d.provider", &search.provider),
        ("d.secret_id", &search.secret_id),
    ] {
        if let Some(wanted) = wanted {
            values.push(Param::Text(wanted));
            let _ = write!(sql, " AND {column} = ${}", values.len());
        }
    }
    sql.push_str(" ORDER BY d.name");
    tx.query(&sql, &values, from_row)
}

/// How many definitions a workspace has.
pub fn count(tx: &mut Tx<'_>, workspace_id: &str) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM gateway_model_definitions WHERE workspace_id = $1";
    tx.query_one(sql, params![workspace_id], |row| row.get(0))
}
