//! Rows of `role_definitions` and `role_assignments`.

use lazuli_spec::Timestamp;
use lazuli_spec::lists::SortKey;
use lazuli_spec::roles::{RoleAssignment, RoleDefinition};

use crate::lists::{Keyed, List, ListSearch, Rows};
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

/// Which assignments a list is to show.
#[derive(Clone, Debug, Default)]
pub struct AssignmentFilter {
    /// Only those of the principal with this name.
    pub principal: Option<String>,
    /// Only those of the role with this id.
    pub role_id: Option<String>,
}

/// A page of what was given at one scope.
pub fn at_scope(
    tx: &mut Tx<'_>,
    scope: &str,
    filter: &AssignmentFilter,
    search: &ListSearch,
) -> Result<Vec<Keyed<RoleAssignment>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    list.equal("a.scope", scope);
    if let Some(name) = &filter.principal {
        let name = list.bind(name.as_str());
        list.only(format!(
            "a.principal_id = (SELECT p.id FROM principals p WHERE p.name = {name})"
        ));
    }
    if let Some(role) = &filter.role_id {
        list.equal("a.role_id", role.as_str());
    }
    let rows = Rows {
        columns: "a.id, a.principal_id, a.role_id, a.scope",
        width: 4,
        from: "role_assignments a",
        read: assignment,
        sorted_by: &[(SortKey::CreatedAt, "a.created_at")],
        unique: "a.id",
    };
    list.run(tx, &rows)
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
