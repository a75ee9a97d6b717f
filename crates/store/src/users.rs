//! Principals as MLflow's interface shows them: those that are in use, and whether each is an owner of the server.

use lazuli_spec::roles::{OWNER_ID, SERVER_SCOPE};
use lazuli_spec::users::User;

use crate::{Row, StoreError, Tx, params};

const SELECT: &str = "SELECT p.id, p.name,
        CASE WHEN EXISTS (SELECT 1 FROM role_assignments a
             WHERE a.principal_id = p.id AND a.role_id = $1 AND a.scope = $2) THEN 1 ELSE 0 END
     FROM principals p WHERE p.disabled = 0";

fn from_row(row: &Row<'_>) -> Result<User, StoreError> {
    Ok(User {
        id: row.get(0)?,
        username: row.get(1)?,
        is_admin: row.get(2)?,
    })
}

/// The user of that name.
pub fn find(tx: &mut Tx<'_>, name: &str) -> Result<Option<User>, StoreError> {
    let sql = format!("{SELECT} AND p.name = $3");
    tx.query_opt(&sql, params![OWNER_ID, SERVER_SCOPE, name], from_row)
}

/// A page of users by name, after the given one.
pub fn list(tx: &mut Tx<'_>, after: &str, limit: u32) -> Result<Vec<User>, StoreError> {
    let sql = format!("{SELECT} AND p.kind = 'user' AND p.name > $3 ORDER BY p.name LIMIT $4");
    let limit = i64::from(limit);
    tx.query(
        &sql,
        params![OWNER_ID, SERVER_SCOPE, after, limit],
        from_row,
    )
}

#[cfg(test)]
mod tests {
    use lazuli_spec::Timestamp;
    use lazuli_spec::principals::{Principal, PrincipalKind};
    use lazuli_spec::roles::RoleAssignment;

    use super::*;
    use crate::testing::each_backend;
    use crate::tracking_fixture::with;
    use crate::{principals, roles};

    #[test]
    fn owners_of_the_server_are_administrators_and_the_disabled_are_gone() {
        each_backend(|store| async move {
            with(&store, |tx| {
                for (name, disabled) in [("ada", false), ("bob", false), ("eve", true)] {
                    let principal = Principal {
                        id: format!("id of {name}"),
                        kind: PrincipalKind::User,
                        name: name.to_owned(),
                        display_name: String::new(),
                        disabled,
                        created_at: Timestamp(0),
                        created_by: String::new(),
                    };
                    principals::insert(tx, &principal, None)?;
                }
                let owner = RoleAssignment {
                    id: "a".to_owned(),
                    principal_id: "id of ada".to_owned(),
                    role_id: OWNER_ID.to_owned(),
                    scope: SERVER_SCOPE.to_owned(),
                };
                roles::assign(tx, &owner, Timestamp(0), "")?;
                let users = list(tx, "", 10)?;
                let seen: Vec<_> = users
                    .iter()
                    .map(|u| (u.username.as_str(), u.is_admin))
                    .collect();
                assert_eq!(seen, [("ada", true), ("bob", false)]);
                assert_eq!(list(tx, "ada", 10)?.len(), 1);
                assert!(find(tx, "eve")?.is_none() && find(tx, "ada")?.is_some());
                Ok(())
            })
            .await;
        });
    }
}
