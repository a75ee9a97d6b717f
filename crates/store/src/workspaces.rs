//! Rows of `workspaces`.

use std::collections::BTreeMap;

use lazuli_spec::lists::SortKey;
use lazuli_spec::workspaces::Workspace;

use crate::lists::{Keyed, List, ListSearch, Rows};
use crate::{Row, StoreError, Tx, params};

const COLUMNS: &str =
    "id, name, display_name, description, tags, created_at, created_by, updated_at";

fn from_row(row: &Row<'_>) -> Result<Workspace, StoreError> {
    let tags: String = row.get(4)?;
    Ok(Workspace {
        id: row.get(0)?,
        name: row.get(1)?,
        display_name: row.get(2)?,
        description: row.get(3)?,
        tags: crate::json::decode::<BTreeMap<String, String>>(&tags)?,
        created_at: row.get(5)?,
        created_by: row.get(6)?,
        updated_at: row.get(7)?,
    })
}

/// Adds a workspace; a taken name is a unique violation.
pub fn insert(tx: &mut Tx<'_>, workspace: &Workspace) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO workspaces (id, name, display_name, description, tags, created_at, created_by, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            &workspace.id,
            &workspace.name,
            &workspace.display_name,
            &workspace.description,
            crate::json::encode(&workspace.tags)?,
            workspace.created_at,
            &workspace.created_by,
            workspace.updated_at
        ],
    )?;
    Ok(())
}

/// The workspace of that name.
pub fn find(tx: &mut Tx<'_>, name: &str) -> Result<Option<Workspace>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM workspaces WHERE name = $1");
    tx.query_opt(&sql, params![name], from_row)
}

/// The name of the workspace with that id.
pub fn name_of(tx: &mut Tx<'_>, id: &str) -> Result<Option<String>, StoreError> {
    tx.query_opt(
        "SELECT name FROM workspaces WHERE id = $1",
        params![id],
        |row| row.get(0),
    )
}

/// A page of workspaces.
pub fn list(tx: &mut Tx<'_>, search: &ListSearch) -> Result<Vec<Keyed<Workspace>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    list.prefix("name");
    list.json_tag("tags", None);
    let rows = Rows {
        columns: COLUMNS,
        width: 8,
        from: "workspaces",
        read: from_row,
        sorted_by: &[
            (SortKey::Name, "name"),
            (SortKey::CreatedAt, "created_at"),
            (SortKey::UpdatedAt, "updated_at"),
        ],
        unique: "name",
    };
    list.run(tx, &rows)
}

/// Changes what may be changed of a workspace.
pub fn update(tx: &mut Tx<'_>, workspace: &Workspace) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE workspaces SET display_name = $2, description = $3, tags = $4, updated_at = $5 WHERE id = $1",
        params![
            &workspace.id,
            &workspace.display_name,
            &workspace.description,
            crate::json::encode(&workspace.tags)?,
            workspace.updated_at
        ],
    )?;
    Ok(())
}
