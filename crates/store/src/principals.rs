//! Rows of `principals`.

use lazuli_spec::lists::SortKey;
use lazuli_spec::principals::{Principal, PrincipalKind};

use crate::lists::{Keyed, List, ListSearch, Rows};
use crate::{Row, StoreError, Tx, params};

const COLUMNS: &str = "id, kind, name, display_name, disabled, created_at, created_by";

fn from_row(row: &Row<'_>) -> Result<Principal, StoreError> {
    let kind: String = row.get(1)?;
    Ok(Principal {
        id: row.get(0)?,
        kind: PrincipalKind::parse(&kind)
            .ok_or_else(|| StoreError::Corrupt(format!("principal kind `{kind}`")))?,
        name: row.get(2)?,
        display_name: row.get(3)?,
        disabled: row.get(4)?,
        created_at: row.get(5)?,
        created_by: row.get(6)?,
    })
}

/// Adds a principal; a taken name is a unique violation.
pub fn insert(
    tx: &mut Tx<'_>,
    principal: &Principal,
    password_hash: Option<&str>,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO principals (id, kind, name, display_name, password_hash, disabled, created_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            &principal.id,
            principal.kind.as_str(),
            &principal.name,
            &principal.display_name,
            password_hash,
            principal.disabled,
            principal.created_at,
            &principal.created_by
        ],
    )?;
    Ok(())
}

/// The principal with that id.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<Principal>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM principals WHERE id = $1");
    tx.query_opt(&sql, params![id], from_row)
}

/// The principal with that name.
pub fn find(tx: &mut Tx<'_>, name: &str) -> Result<Option<Principal>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM principals WHERE name = $1");
    tx.query_opt(&sql, params![name], from_row)
}

/// The principal with that name and its password hash, for a login.
pub fn find_login(
    tx: &mut Tx<'_>,
    name: &str,
) -> Result<Option<(Principal, Option<String>)>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, password_hash FROM principals WHERE name = $1");
    tx.query_opt(&sql, params![name], |row| Ok((from_row(row)?, row.get(7)?)))
}

/// A page of principals, of one kind or of all.
pub fn list(
    tx: &mut Tx<'_>,
    kind: Option<PrincipalKind>,
    search: &ListSearch,
) -> Result<Vec<Keyed<Principal>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    if let Some(kind) = kind {
        list.equal("kind", kind.as_str());
    }
    list.prefix("name");
    let rows = Rows {
        columns: COLUMNS,
        width: 7,
        from: "principals",
        read: from_row,
        sorted_by: &[(SortKey::Name, "name"), (SortKey::CreatedAt, "created_at")],
        unique: "name",
    };
    list.run(tx, &rows)
}

/// Refuses, or accepts again, every credential of a principal. Says whether there is such a one.
pub fn set_disabled(tx: &mut Tx<'_>, id: &str, disabled: bool) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE principals SET disabled = $2 WHERE id = $1",
        params![id, disabled],
    )?;
    Ok(changed > 0)
}

/// Sets the password hash. Says whether there is such a principal.
pub fn set_password_hash(tx: &mut Tx<'_>, id: &str, hash: &str) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE principals SET password_hash = $2 WHERE id = $1",
        params![id, hash],
    )?;
    Ok(changed > 0)
}
