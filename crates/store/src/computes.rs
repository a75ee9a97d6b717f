//! Rows of `computes` and `compute_nodes`, and the leases under which one server at a time schedules.

use lazuli_spec::Timestamp;
use lazuli_spec::computes::Compute;
use lazuli_spec::lists::SortKey;

use crate::lists::{Keyed, List, ListSearch, Rows};
use crate::{Row, StoreError, Tx, json, params};

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// The workspace's id.
    pub workspace_id: String,
    /// The cluster.
    pub compute: String,
    /// Its number.
    pub node: i64,
    /// The job it runs.
    pub job: Option<String>,
    /// Since when it runs none.
    pub idle_since: Timestamp,
}

const COLUMNS: &str = "spec, created_at, created_by, modified_at, revision";

fn from_row(row: &Row<'_>) -> Result<Compute, StoreError> {
    let spec: String = row.get(0)?;
    Ok(Compute {
        spec: json::decode(&spec)?,
        created_at: row.get(1)?,
        created_by: row.get(2)?,
        modified_at: row.get(3)?,
        revision: row.get(4)?,
    })
}

/// Adds a cluster; a taken name is a unique violation.
pub fn insert(tx: &mut Tx<'_>, workspace_id: &str, compute: &Compute) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO computes (workspace_id, name, spec, created_at, created_by, modified_at, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            workspace_id,
            &compute.spec.name,
            json::encode(&compute.spec)?,
            compute.created_at,
            &compute.created_by,
            compute.modified_at,
            compute.revision
        ],
    )?;
    Ok(())
}

/// The cluster of that name.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
) -> Result<Option<Compute>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM computes WHERE workspace_id = $1 AND name = $2");
    tx.query_opt(&sql, params![workspace_id, name], from_row)
}

/// Writes a changed cluster.
pub fn update(tx: &mut Tx<'_>, workspace_id: &str, compute: &Compute) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE computes SET spec = $3, modified_at = $4, revision = $5 WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, &compute.spec.name, json::encode(&compute.spec)?, compute.modified_at, compute.revision],
    )?;
    Ok(())
}

/// Removes a cluster and its nodes.
pub fn delete(tx: &mut Tx<'_>, workspace_id: &str, name: &str) -> Result<bool, StoreError> {
    tx.execute(
        "DELETE FROM compute_nodes WHERE workspace_id = $1 AND compute = $2",
        params![workspace_id, name],
    )?;
    Ok(tx.execute(
        "DELETE FROM computes WHERE workspace_id = $1 AND name = $2",
        params![workspace_id, name],
    )? > 0)
}

/// A page of clusters.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &ListSearch,
) -> Result<Vec<Keyed<Compute>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    list.equal("workspace_id", workspace_id);
    list.prefix("name");
    list.json_tag("spec", Some("tags"));
    let rows = Rows {
        columns: COLUMNS,
        width: 5,
        from: "computes",
        read: from_row,
        sorted_by: &[(SortKey::Name, "name"), (SortKey::CreatedAt, "created_at")],
        unique: "name",
    };
    list.run(tx, &rows)
}

/// Every cluster of the server, with its workspace's id.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<(String, Compute)>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, workspace_id FROM computes ORDER BY workspace_id, name");
    tx.query(&sql, params![], |row| Ok((row.get(5)?, from_row(row)?)))
}

fn node_from_row(row: &Row<'_>) -> Result<NodeRow, StoreError> {
    Ok(NodeRow {
        workspace_id: row.get(0)?,
        compute: row.get(1)?,
        node: row.get(2)?,
        job: row.get(3)?,
        idle_since: row.get(4)?,
    })
}

/// The nodes of one cluster.
pub fn nodes(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    compute: &str,
) -> Result<Vec<NodeRow>, StoreError> {
    tx.query(
        "SELECT workspace_id, compute, node, job, idle_since FROM compute_nodes
         WHERE workspace_id = $1 AND compute = $2 ORDER BY node",
        params![workspace_id, compute],
        node_from_row,
    )
}

/// The nodes of every cluster.
pub fn all_nodes(tx: &mut Tx<'_>) -> Result<Vec<NodeRow>, StoreError> {
    tx.query(
        "SELECT workspace_id, compute, node, job, idle_since FROM compute_nodes",
        params![],
        node_from_row,
    )
}

/// Adds a node or says anew what it does.
pub fn put_node(tx: &mut Tx<'_>, node: &NodeRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO compute_nodes (workspace_id, compute, node, job, idle_since) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (workspace_id, compute, node) DO UPDATE SET job = excluded.job, idle_since = excluded.idle_since",
        params![&node.workspace_id, &node.compute, node.node, node.job.as_deref(), node.idle_since],
    )?;
    Ok(())
}

/// Gives a node back.
pub fn delete_node(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    compute: &str,
    node: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM compute_nodes WHERE workspace_id = $1 AND compute = $2 AND node = $3",
        params![workspace_id, compute, node],
    )?;
    Ok(())
}

/// Takes or renews a lease; says whether it is held. A holder that stops renewing loses it when it expires.
pub fn hold_lease(
    tx: &mut Tx<'_>,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let held = tx.execute(
        "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $4)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
         WHERE leases.holder = $2 OR leases.expires_at <= $3",
        params![name, holder, now, until],
    )?;
    Ok(held > 0)
}

/// Gives a lease back.
pub fn drop_lease(tx: &mut Tx<'_>, name: &str, holder: &str) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM leases WHERE name = $1 AND holder = $2",
        params![name, holder],
    )?;
    Ok(())
}
