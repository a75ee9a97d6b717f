//! Rows of `online_endpoints`.

use lazuli_spec::Timestamp;
use lazuli_spec::endpoints::{Endpoint, EndpointKeys};
use lazuli_spec::lists::SortKey;

use crate::lists::{Keyed, List, ListSearch, Rows};
use crate::{Row, StoreError, Tx, params};

const COLUMNS: &str = "workspace_id, spec, created_at, created_by, modified_at, revision";

fn from_row(row: &Row<'_>) -> Result<Endpoint, StoreError> {
    let spec: String = row.get(1)?;
    Ok(Endpoint {
        workspace_id: row.get(0)?,
        spec: crate::json::decode(&spec)?,
        created_at: row.get(2)?,
        created_by: row.get(3)?,
        modified_at: row.get(4)?,
        revision: row.get(5)?,
    })
}

/// Adds an endpoint; a name taken anywhere on the server is a unique violation.
pub fn insert(tx: &mut Tx<'_>, endpoint: &Endpoint, keys: &EndpointKeys) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO online_endpoints (workspace_id, name, spec, primary_key, secondary_key, created_at, created_by, modified_at, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        params![
            &endpoint.workspace_id,
            &endpoint.spec.name,
            crate::json::encode(&endpoint.spec)?,
            &keys.primary_key,
            &keys.secondary_key,
            endpoint.created_at,
            &endpoint.created_by,
            endpoint.modified_at,
            endpoint.revision
        ],
    )?;
    Ok(())
}

/// The endpoint of that name in a workspace.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
) -> Result<Option<Endpoint>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM online_endpoints WHERE workspace_id = $1 AND name = $2");
    tx.query_opt(&sql, params![workspace_id, name], from_row)
}

/// Whether a name is taken, in whichever workspace.
pub fn name_taken(tx: &mut Tx<'_>, name: &str) -> Result<bool, StoreError> {
    let found = tx.query_opt(
        "SELECT 1 FROM online_endpoints WHERE name = $1",
        params![name],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// A page of a workspace's endpoints.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &ListSearch,
) -> Result<Vec<Keyed<Endpoint>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    list.equal("workspace_id", workspace_id);
    list.prefix("name");
    list.json_tag("spec", Some("tags"));
    let rows = Rows {
        columns: COLUMNS,
        width: 6,
        from: "online_endpoints",
        read: from_row,
        sorted_by: &[(SortKey::Name, "name"), (SortKey::CreatedAt, "created_at")],
        unique: "name",
    };
    list.run(tx, &rows)
}

/// Every endpoint of the server with its keys, for the gateway's table.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<(Endpoint, EndpointKeys)>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS}, primary_key, secondary_key FROM online_endpoints ORDER BY name");
    tx.query(&sql, params![], |row| {
        let keys = EndpointKeys {
            primary_key: row.get(6)?,
            secondary_key: row.get(7)?,
        };
        Ok((from_row(row)?, keys))
    })
}

/// Writes what an endpoint is to be.
pub fn update(tx: &mut Tx<'_>, endpoint: &Endpoint) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE online_endpoints SET spec = $3, modified_at = $4, revision = $5 WHERE workspace_id = $1 AND name = $2",
        params![
            &endpoint.workspace_id,
            &endpoint.spec.name,
            crate::json::encode(&endpoint.spec)?,
            endpoint.modified_at,
            endpoint.revision
        ],
    )?;
    Ok(())
}

/// An endpoint's keys.
pub fn keys(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
) -> Result<Option<EndpointKeys>, StoreError> {
    tx.query_opt(
        "SELECT primary_key, secondary_key FROM online_endpoints WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, name],
        |row| Ok(EndpointKeys { primary_key: row.get(0)?, secondary_key: row.get(1)? }),
    )
}

/// Replaces an endpoint's keys.
pub fn set_keys(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    keys: &EndpointKeys,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE online_endpoints SET primary_key = $3, secondary_key = $4, modified_at = $5, revision = revision + 1
         WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, name, &keys.primary_key, &keys.secondary_key, at],
    )?;
    Ok(())
}

/// Removes an endpoint and its deployments. Says whether there was one.
pub fn delete(tx: &mut Tx<'_>, workspace_id: &str, name: &str) -> Result<bool, StoreError> {
    tx.execute(
        "DELETE FROM online_deployments WHERE workspace_id = $1 AND endpoint = $2",
        params![workspace_id, name],
    )?;
    let gone = tx.execute(
        "DELETE FROM online_endpoints WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, name],
    )?;
    Ok(gone > 0)
}
