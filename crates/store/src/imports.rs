//! Rows of `imports`: what was brought over from elsewhere, and how far it has come.

use lazuli_spec::Timestamp;

use crate::{Row, StoreError, Tx, params};

/// One import into a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: String,
    /// The workspace it goes into.
    pub workspace_id: String,
    /// Where it comes from, without passwords.
    pub source: String,
    /// Whether it has ended.
    pub is_done: bool,
    /// How far it is, as JSON.
    pub place: String,
    /// What it has to say of itself, as JSON.
    pub notes: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, workspace_id, source, done, place, notes, started_at, ended_at";

fn from_row(row: &Row<'_>) -> Result<Import, StoreError> {
    Ok(Import {
        id: row.get(0)?,
        workspace_id: row.get(1)?,
        source: row.get(2)?,
        is_done: row.get(3)?,
        place: row.get(4)?,
        notes: row.get(5)?,
        started_at: row.get(6)?,
        ended_at: row.get(7)?,
    })
}

/// Begins one.
pub fn insert(tx: &mut Tx<'_>, import: &Import) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO imports (id, workspace_id, source, done, place, notes, started_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            &import.id,
            &import.workspace_id,
            &import.source,
            import.is_done,
            &import.place,
            &import.notes,
            import.started_at,
            import.ended_at
        ],
    )
    .map(drop)
}

/// All of a workspace, oldest first.
pub fn list(tx: &mut Tx<'_>, workspace_id: &str) -> Result<Vec<Import>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM imports WHERE workspace_id = $1 ORDER BY started_at, id");
    tx.query(&sql, params![workspace_id], from_row)
}

/// Notes how far it is. In the transaction that brought it there.
pub fn advance(tx: &mut Tx<'_>, id: &str, place: &str, notes: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE imports SET place = $2, notes = $3 WHERE id = $1",
        params![id, place, notes],
    )
    .map(drop)
}

/// Ends it.
pub fn finish(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE imports SET done = 1, ended_at = $2 WHERE id = $1",
        params![id, now],
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::each_backend;

    #[test]
    fn an_import_is_found_where_it_stopped() {
        each_backend(|store| async move {
            let import = Import {
                id: "i".into(),
                workspace_id: "w".into(),
                source: "sqlite:///m.db".into(),
                is_done: false,
                place: "{}".into(),
                notes: "{}".into(),
                started_at: Timestamp(5),
                ended_at: None,
            };
            let begun = import.clone();
            store
                .write(move |tx| {
                    tx.execute(
                        "INSERT INTO workspaces (id, name, display_name, description, tags, created_at, created_by, updated_at)
                         VALUES ('w', 'w', '', '', '{}', 0, '', 0)",
                        params![],
                    )?;
                    insert(tx, &begun)?;
                    advance(tx, "i", "{\"step\":1}", "{}")
                })
                .await
                .unwrap();
            let found = store.read(|tx| list(tx, "w")).await.unwrap();
            assert_eq!(
                found,
                [Import {
                    place: "{\"step\":1}".into(),
                    ..import
                }]
            );
            store
                .write(|tx| finish(tx, "i", Timestamp(9)))
                .await
                .unwrap();
            let found = store.read(|tx| list(tx, "w")).await.unwrap();
            assert!(found[0].is_done && found[0].ended_at == Some(Timestamp(9)));
        });
    }
}
