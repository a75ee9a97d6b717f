//! Rows of `role_definitions` and `role_assignments`.

use lazuli_spec::Timestamp;
use lazuli_spec::roles::{RoleAssignment, RoleDefinition};

use crate::{Row, StoreError, Tx, params};

fn definition(row: &Row<'_>) -> Result<RoleDefinition, StoreError> {
    let (actions, not_actions): (String, String) = (row.get(3)?, row.get(4)?);
    Ok(RoleDefinition {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        built_in: false,
        actions: crate::json::decode(&actions)?,
        not_actions: crate::json::decode(&not_actions)?,
    })
}

fn assignment(row: &Row<'_>) -> Result<RoleAssignment, StoreError> {
    Ok(RoleAssignment {
        id: row.get(0)?,
        principal_id: row.get(1)?,
        role_id: row.get(2)?,
        scope: row.get(3)?,
    })
}

/// Adds a custom role; a taken name is a unique violation.
pub fn insert_definition(tx: &mut Tx<'_>, role: &RoleDefinition) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO role_definitions (id, name, description, actions, not_actions) VALUES ($1, $2, $3, $4, $5)",
        params![
            &role.id,
            &role.name,
            &role.description,
            crate::json::encode(&role.actions)?,
            crate::json::encode(&role.not_actions)?
        ],
    )?;
    Ok(())
}

/// The custom roles. They are few: one list, no pages.
pub fn definitions(tx: &mut Tx<'_>) -> Result<Vec<RoleDefinition>, StoreError> {
    tx.query(
        "SELECT id, name, description, actions, not_actions FROM role_definitions ORDER BY name",
        params![],
        definition,
    )
}

/// Gives a role; giving it again changes nothing. Says whether it was new.
pub fn assign(
    tx: &mut Tx<'_>,
    given: &RoleAssignment,
    at: Timestamp,
    by: &str,
) -> Result<bool, StoreError> {
    let added = tx.execute(
        "INSERT INTO role_assignments (id, principal_id, role_id, scope, created_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (principal_id, role_id, scope) DO NOTHING",
        params![
            &given.id,
            &given.principal_id,
            &given.role_id,
            &given.scope,
            at,
            by
        ],
    )?;
    Ok(added > 0)
}

/// Takes a role away. Says whether it was there.
pub fn unassign(tx: &mut Tx<'_>, id: &str, scope: &str) -> Result<bool, StoreError> {
    let removed = tx.execute(
        "DELETE FROM role_assignments WHERE id = $1 AND scope = $2",
        params![id, scope],
    )?;
    Ok(removed > 0)
}

/// All that one principal was given.
pub fn of_principal(
    tx: &mut Tx<'_>,
    principal_id: &str,
) -> Result<Vec<RoleAssignment>, StoreError> {
    tx.query(
        "SELECT id, principal_id, role_id, scope FROM role_assignments WHERE principal_id = $1 ORDER BY id",
        params![principal_id],
        assignment,
    )
}

/// A page of what was given at one scope, by id.
pub fn at_scope(
    tx: &mut Tx<'_>,
    scope: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<RoleAssignment>, StoreError> {
    tx.query(
        "SELECT id, principal_id, role_id, scope FROM role_assignments
         WHERE scope = $1 AND id > $2 ORDER BY id LIMIT $3",
        params![scope, after, i64::from(limit)],
        assignment,
    )
}

/// How many principals that can still act hold this role at this scope, the given assignment not counted.
pub fn other_holders(
    tx: &mut Tx<'_>,
    role_id: &str,
    scope: &str,
    except_principal: &str,
) -> Result<i64, StoreError> {
    tx.query_one(
        "SELECT COUNT(*) FROM role_assignments a JOIN principals p ON p.id = a.principal_id
         WHERE a.role_id = $1 AND a.scope = $2 AND a.principal_id <> $3 AND p.disabled = 0",
        params![role_id, scope, except_principal],
        |row| row.get(0),
    )
}

/// One assignment by its id.
pub fn get_assignment(tx: &mut Tx<'_>, id: &str) -> Result<Option<RoleAssignment>, StoreError> {
    tx.query_opt(
        "SELECT id, principal_id, role_id, scope FROM role_assignments WHERE id = $1",
        params![id],
        assignment,
    )
}
