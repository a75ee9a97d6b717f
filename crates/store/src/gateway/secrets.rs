//! Rows of `gateway_secrets`.

use lazuli_spec::gateway::secrets::Secret;

use super::stamps;
use crate::json::{decode, encode};
use crate::{Param, Row, StoreError, Tx, params};

const COLUMNS: &str =
    "secret_id, name, masked, provider, settings, created_at, updated_at, created_by, updated_by";

fn from_row(row: &Row<'_>) -> Result<Secret, StoreError> {
    let (masked, settings): (String, String) = (row.get(2)?, row.get(4)?);
    Ok(Secret {
        id: row.get(0)?,
        name: row.get(1)?,
        masked: decode(&masked)?,
        provider: row.get(3)?,
        settings: decode(&settings)?,
        stamps: stamps(row, 5)?,
    })
}

/// Adds a secret with its sealed value. A taken name is a unique violation.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    secret: &Secret,
    sealed: &[u8],
) -> Result<(), StoreError> {
    let stamps = &secret.stamps;
    tx.execute(
        "INSERT INTO gateway_secrets (secret_id, workspace_id, name, sealed, masked, provider, settings, created_at, updated_at, created_by, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        params![
            &secret.id,
            workspace_id,
            &secret.name,
            sealed,
            encode(&secret.masked)?,
            secret.provider.as_deref(),
            encode(&secret.settings)?,
            stamps.created_at,
            stamps.updated_at,
            &stamps.created_by,
            &stamps.updated_by
        ],
    )
    .map(drop)
}

/// Changes what may be changed of a secret; its value where there is a new one.
pub fn update(tx: &mut Tx<'_>, secret: &Secret, sealed: Option<&[u8]>) -> Result<(), StoreError> {
    let stamps = &secret.stamps;
    tx.execute(
        "UPDATE gateway_secrets SET masked = $2, settings = $3, updated_at = $4, updated_by = $5 WHERE secret_id = $1",
        params![&secret.id, encode(&secret.masked)?, encode(&secret.settings)?, stamps.updated_at, &stamps.updated_by],
    )?;
    if let Some(sealed) = sealed {
        tx.execute(
            "UPDATE gateway_secrets SET sealed = $2 WHERE secret_id = $1",
            params![&secret.id, sealed],
        )?;
    }
    Ok(())
}

/// Removes a secret; definitions that used it are left without one.
pub fn delete(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM gateway_secrets WHERE secret_id = $1";
    tx.execute(sql, params![id]).map(drop)
}

/// The secret with that id, as it is shown.
pub fn find(tx: &mut Tx<'_>, workspace_id: &str, id: &str) -> Result<Option<Secret>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM gateway_secrets WHERE workspace_id = $1 AND secret_id = $2");
    tx.query_opt(&sql, params![workspace_id, id], from_row)
}

/// A secret's value, sealed.
pub fn sealed(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    id: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT sealed FROM gateway_secrets WHERE workspace_id = $1 AND secret_id = $2";
    tx.query_opt(sql, params![workspace_id, id], |row| row.get(0))
}

/// A workspace's secrets by name, or those of one provider.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    provider: Option<&str>,
) -> Result<Vec<Secret>, StoreError> {
    let mut sql = format!("SELECT {COLUMNS} FROM gateway_secrets WHERE workspace_id = $1");
    let mut values = vec![Param::Text(workspace_id)];
    if let Some(provider) = provider {
        sql.push_str(" AND provider = $2");
        values.push(Param::Text(provider));
    }
    sql.push_str(" ORDER BY name");
    tx.query(&sql, &values, from_row)
}

/// How many secrets a workspace has.
pub fn count(tx: &mut Tx<'_>, workspace_id: &str) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM gateway_secrets WHERE workspace_id = $1";
    tx.query_one(sql, params![workspace_id], |row| row.get(0))
}
