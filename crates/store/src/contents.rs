//! Rows of `contents` and `trees`: which stored bytes belong to which workspace.

use std::collections::BTreeMap;

use lazuli_spec::Timestamp;
use lazuli_spec::trees::{ContentHash, Tree, TreeId};

use crate::sql::{padded_chunks, placeholders};
use crate::{StoreError, Tx, Value, as_params, params};

/// Notes that a workspace has this content; again is no error.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    sha256: &ContentHash,
    size: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO contents (workspace_id, sha256, size, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (workspace_id, sha256) DO NOTHING",
        params![workspace_id, sha256.as_str(), size as i64, now],
    )?;
    Ok(())
}

/// The sizes of those of these contents that the workspace has.
pub fn sizes(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    hashes: &[ContentHash],
) -> Result<BTreeMap<ContentHash, u64>, StoreError> {
    let mut found = BTreeMap::new();
    for chunk in padded_chunks(hashes) {
        let sql = format!(
            "SELECT sha256, size FROM contents WHERE workspace_id = $1 AND sha256 IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Value::Text(workspace_id.to_owned())];
        values.extend(
            chunk
                .iter()
                .map(|hash| Value::Text(hash.as_str().to_owned())),
        );
        let rows = tx.query(&sql, &as_params(&values), |row| {
            Ok((row.get::<String>(0)?, row.get::<i64>(1)?))
        })?;
        for (hash, size) in rows {
            let corrupt =
                |error| StoreError::Corrupt(format!("a content hash cannot be read: {error}"));
            found.insert(
                ContentHash::parse(&hash).map_err(corrupt)?,
                size.unsigned_abs(),
            );
        }
    }
    Ok(found)
}

/// Notes that a workspace has this tree; again is no error.
pub fn insert_tree(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    id: &TreeId,
    tree: &Tree,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO trees (workspace_id, tree, size, files, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (workspace_id, tree) DO NOTHING",
        params![workspace_id, id.as_str(), tree.size() as i64, tree.count() as i64, now],
    )?;
    Ok(())
}

/// Whether the workspace has this tree.
pub fn has_tree(tx: &mut Tx<'_>, workspace_id: &str, id: &TreeId) -> Result<bool, StoreError> {
    let sql = "SELECT size FROM trees WHERE workspace_id = $1 AND tree = $2";
    let found = tx.query_opt(sql, params![workspace_id, id.as_str()], |row| {
        row.get::<i64>(0)
    })?;
    Ok(found.is_some())
}
