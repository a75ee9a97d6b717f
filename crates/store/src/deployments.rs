//! Rows of `online_deployments`.

use lazuli_spec::Timestamp;
use lazuli_spec::deployments::{Deployment, DeploymentState, Outcome};
use lazuli_spec::lists::SortKey;

use crate::lists::{Keyed, List, ListSearch, Rows};
use crate::{Row, StoreError, Tx, params};

const COLUMNS: &str = "workspace_id, spec, binding, generation, state, message, traceback, created_at, created_by, modified_at, revision";

fn from_row(row: &Row<'_>) -> Result<Deployment, StoreError> {
    let (spec, binding, state): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(4)?);
    Ok(Deployment {
        workspace_id: row.get(0)?,
        spec: crate::json::decode(&spec)?,
        binding: crate::json::decode(&binding)?,
        generation: row.get(3)?,
        state: DeploymentState::parse(&state)
            .ok_or_else(|| StoreError::Corrupt(format!("deployment state `{state}`")))?,
        message: row.get(5)?,
        traceback: row.get(6)?,
        created_at: row.get(7)?,
        created_by: row.get(8)?,
        modified_at: row.get(9)?,
        revision: row.get(10)?,
    })
}

/// Adds a deployment, or replaces the one of the same name whole.
pub fn put(tx: &mut Tx<'_>, deployment: &Deployment) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO online_deployments (workspace_id, endpoint, name, spec, binding, generation, state, message, traceback,
                                         created_at, created_by, modified_at, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (workspace_id, endpoint, name) DO UPDATE SET spec = excluded.spec, binding = excluded.binding,
             generation = excluded.generation, state = excluded.state, message = excluded.message,
             traceback = excluded.traceback, modified_at = excluded.modified_at, revision = excluded.revision",
        params![
            &deployment.workspace_id,
            &deployment.spec.endpoint_name,
            &deployment.spec.name,
            crate::json::encode(&deployment.spec)?,
            crate::json::encode(&deployment.binding)?,
            deployment.generation,
            deployment.state.as_str(),
            &deployment.message,
            &deployment.traceback,
            deployment.created_at,
            &deployment.created_by,
            deployment.modified_at,
            deployment.revision
        ],
    )?;
    Ok(())
}

/// One deployment.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    endpoint: &str,
    name: &str,
) -> Result<Option<Deployment>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM online_deployments WHERE workspace_id = $1 AND endpoint = $2 AND name = $3"
    );
    tx.query_opt(&sql, params![workspace_id, endpoint, name], from_row)
}

/// A page of an endpoint's deployments.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    endpoint: &str,
    search: &ListSearch,
) -> Result<Vec<Keyed<Deployment>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    list.equal("workspace_id", workspace_id);
    list.equal("endpoint", endpoint);
    list.prefix("name");
    list.json_tag("spec", Some("tags"));
    let rows = Rows {
        columns: COLUMNS,
        width: 11,
        from: "online_deployments",
        read: from_row,
        sorted_by: &[(SortKey::Name, "name"), (SortKey::CreatedAt, "created_at")],
        unique: "name",
    };
    list.run(tx, &rows)
}

/// Every deployment of the server, for the reconciler.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Deployment>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM online_deployments ORDER BY endpoint, name");
    tx.query(&sql, params![], from_row)
}

/// Writes the end of an attempt, unless the wish has changed meanwhile. Says whether it was written.
pub fn settle(
    tx: &mut Tx<'_>,
    deployment: &Deployment,
    outcome: &Outcome,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE online_deployments SET state = $5, message = $6, traceback = $7, modified_at = $8, revision = revision + 1
         WHERE workspace_id = $1 AND endpoint = $2 AND name = $3 AND generation = $4",
        params![
            &deployment.workspace_id,
            &deployment.spec.endpoint_name,
            &deployment.spec.name,
            deployment.generation,
            outcome.state.as_str(),
            &outcome.message,
            &outcome.traceback,
            at
        ],
    )?;
    Ok(changed > 0)
}

/// Removes a deployment. Says whether there was one.
pub fn delete(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    endpoint: &str,
    name: &str,
) -> Result<bool, StoreError> {
    let gone = tx.execute(
        "DELETE FROM online_deployments WHERE workspace_id = $1 AND endpoint = $2 AND name = $3",
        params![workspace_id, endpoint, name],
    )?;
    Ok(gone > 0)
}
