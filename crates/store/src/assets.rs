//! Rows of `assets` and `asset_versions`: data, environments and code, told apart by their kind.

use std::collections::BTreeMap;

use lazuli_spec::Timestamp;
use lazuli_spec::assets::{Asset, AssetKind, Origin, version_number};
use lazuli_spec::trees::ContentHash;

use crate::{Row, StoreError, Tx, params};

/// What a query for whole versions selects, from `asset_versions v` joined with `assets a`.
pub(crate) const COLUMNS: &str = "v.name, v.version, v.sequence, v.content, v.content_hash, v.size, v.files, v.description, v.tags, \
     v.job, v.output, v.archived, v.created_at, v.created_by, v.updated_at, a.archived, v.properties";

/// The join that goes with [`COLUMNS`].
pub(crate) const TABLES: &str = "asset_versions v JOIN assets a \
     ON a.workspace_id = v.workspace_id AND a.kind = v.kind AND a.name = v.name";

pub(crate) fn from_row(row: &Row<'_>) -> Result<Asset, StoreError> {
    let (content, tags): (String, String) = (row.get(3)?, row.get(8)?);
    let hash: String = row.get(4)?;
    let corrupt = |error| StoreError::Corrupt(format!("a content hash cannot be read: {error}"));
    Ok(Asset {
        name: row.get(0)?,
        version: row.get(1)?,
        sequence: row.get(2)?,
        content: crate::json::decode(&content)?,
        content_hash: ContentHash::parse(&hash).map_err(corrupt)?,
        size: row.get::<i64>(5)?.unsigned_abs(),
        files: row.get::<i64>(6)?.unsigned_abs(),
        description: row.get(7)?,
        tags: crate::json::decode(&tags)?,
        properties: crate::json::decode(&row.get::<String>(16)?)?,
        origin: Origin {
            job: row.get(9)?,
            output: row.get(10)?,
        },
        archived: row.get::<bool>(11)? || row.get::<bool>(15)?,
        created_at: row.get(12)?,
        created_by: row.get(13)?,
        updated_at: row.get(14)?,
    })
}

/// A place for a new version: its name's row is locked until the transaction ends, so no two get the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The number that comes next.
    pub next_version: i64,
    /// The version's place in the order of making.
    pub sequence: i64,
    /// Whether the whole name is archived.
    pub archived: bool,
}

/// Makes the name's row if there is none, and takes its next place.
pub fn reserve(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
    now: Timestamp,
) -> Result<Reserved, StoreError> {
    tx.query_one(
        "INSERT INTO assets (workspace_id, kind, name, next_version, next_sequence, archived, created_at)
         VALUES ($1, $2, $3, 1, 2, 0, $4)
         ON CONFLICT (workspace_id, kind, name) DO UPDATE SET next_sequence = assets.next_sequence + 1
         RETURNING next_version, next_sequence - 1, archived",
        params![workspace_id, kind.as_str(), name, now],
        |row| {
            Ok(Reserved {
                next_version: row.get(0)?,
                sequence: row.get(1)?,
                archived: row.get(2)?,
            })
        },
    )
}

/// Adds a version in the place that was reserved for it.
pub fn insert(tx: &mut Tx<'_>, workspace_id: &str, asset: &Asset) -> Result<(), StoreError> {
    let kind = asset.content.kind();
    tx.execute(
        "INSERT INTO asset_versions (workspace_id, kind, name, version, sequence, content, content_hash, size, files,
            description, tags, job, output, archived, created_at, created_by, updated_at, properties)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        params![
            workspace_id,
            kind.as_str(),
            &asset.name,
            &asset.version,
            asset.sequence,
            crate::json::encode(&asset.content)?,
            asset.content_hash.as_str(),
            asset.size as i64,
            asset.files as i64,
            &asset.description,
            crate::json::encode(&asset.tags)?,
            asset.origin.job.as_deref(),
            asset.origin.output.as_deref(),
            asset.archived,
            asset.created_at,
            &asset.created_by,
            asset.updated_at,
            crate::json::encode(&asset.properties)?
        ],
    )?;
    if let Some(number) = version_number(&asset.version) {
        tx.execute(
            "UPDATE assets SET next_version = $4 WHERE workspace_id = $1 AND kind = $2 AND name = $3 AND next_version < $4",
            params![workspace_id, kind.as_str(), &asset.name, number + 1],
        )?;
    }
    insert_tags(
        tx,
        workspace_id,
        kind,
        &asset.name,
        &asset.version,
        &asset.tags,
    )
}

/// That version.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
    version: &str,
) -> Result<Option<Asset>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE v.workspace_id = $1 AND v.kind = $2 AND v.name = $3 AND v.version = $4"
    );
    tx.query_opt(
        &sql,
        params![workspace_id, kind.as_str(), name, version],
        from_row,
    )
}

/// The version made last among those that are not archived.
pub fn latest(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
) -> Result<Option<Asset>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE v.workspace_id = $1 AND v.kind = $2 AND v.name = $3
         AND v.archived = 0 AND a.archived = 0 ORDER BY v.sequence DESC LIMIT 1"
    );
    tx.query_opt(&sql, params![workspace_id, kind.as_str(), name], from_row)
}

/// Whether there is anything of that name, archived or not.
pub fn name_exists(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM assets WHERE workspace_id = $1 AND kind = $2 AND name = $3";
    let found = tx.query_opt(sql, params![workspace_id, kind.as_str(), name], |row| {
        row.get::<i64>(0)
    })?;
    Ok(found.is_some())
}

/// Writes a version's description, tags, properties, own archived mark and time of change.
pub fn update(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    asset: &Asset,
    archived: bool,
) -> Result<(), StoreError> {
    let kind = asset.content.kind();
    tx.execute(
        "UPDATE asset_versions SET description = $5, tags = $6, archived = $7, updated_at = $8, properties = $9
         WHERE workspace_id = $1 AND kind = $2 AND name = $3 AND version = $4",
        params![
            workspace_id,
            kind.as_str(),
            &asset.name,
            &asset.version,
            &asset.description,
            crate::json::encode(&asset.tags)?,
            archived,
            asset.updated_at,
            crate::json::encode(&asset.properties)?
        ],
    )?;
    tx.execute(
        "DELETE FROM asset_tags WHERE workspace_id = $1 AND kind = $2 AND name = $3 AND version = $4",
        params![workspace_id, kind.as_str(), &asset.name, &asset.version],
    )?;
    insert_tags(
        tx,
        workspace_id,
        kind,
        &asset.name,
        &asset.version,
        &asset.tags,
    )
}

/// A version's own archived mark, whatever its name's is.
pub fn own_mark(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
    version: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT archived FROM asset_versions WHERE workspace_id = $1 AND kind = $2 AND name = $3 AND version = $4";
    tx.query_one(
        sql,
        params![workspace_id, kind.as_str(), name, version],
        |row| row.get(0),
    )
}

/// Sets the archived mark of a whole name; says whether that changed anything, `None` when there is no such name.
pub fn mark_name(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
    archived: bool,
) -> Result<Option<bool>, StoreError> {
    if !name_exists(tx, workspace_id, kind, name)? {
        return Ok(None);
    }
    let sql = "UPDATE assets SET archived = $4 WHERE workspace_id = $1 AND kind = $2 AND name = $3 AND archived <> $4";
    let changed = tx.execute(sql, params![workspace_id, kind.as_str(), name, archived])?;
    Ok(Some(changed > 0))
}

fn insert_tags(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
    version: &str,
    tags: &BTreeMap<String, String>,
) -> Result<(), StoreError> {
    for (key, value) in tags {
        tx.execute(
            "INSERT INTO asset_tags (workspace_id, kind, name, version, key, value) VALUES ($1, $2, $3, $4, $5, $6)",
            params![workspace_id, kind.as_str(), name, version, key, value],
        )?;
    }
    Ok(())
}
