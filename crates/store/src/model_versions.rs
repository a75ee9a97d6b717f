//! Rows of `model_versions` and their tags.

use std::collections::HashMap;

use lazuli_spec::Timestamp;
use lazuli_spec::models::{ModelType, ModelVersion, Stage};
use lazuli_spec::runs::KeyValue;

use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, json, models, params};

/// A version's row.
#[derive(Clone, Debug)]
pub struct VersionRow {
    /// Its number over all workspaces.
    pub version_no: i64,
    /// Its model's number.
    pub model_no: i64,
    /// The version; [`complete`] adds tags and aliases.
    pub version: ModelVersion,
}

/// The columns that [`from_row`] reads, of `model_versions v` joined with `registered_models m`.
pub(crate) const COLUMNS: &str = "v.version_no, v.model_no, m.name, v.version, v.type, v.source, v.location, v.tree, v.run_id, \
     v.run_link, v.model_id, v.job, v.description, v.user_id, v.stage, v.archived, v.properties, v.created_at, v.updated_at, v.number";

/// Where they come from.
pub(crate) const FROM: &str =
    "model_versions v JOIN registered_models m ON m.model_no = v.model_no";

pub(crate) fn from_row(row: &Row<'_>) -> Result<VersionRow, StoreError> {
    let (model_type, stage): (String, String) = (row.get(4)?, row.get(14)?);
    let unknown =
        |word: &str| StoreError::Corrupt(format!("`{word}` is no word of model versions"));
    let properties: String = row.get(16)?;
    Ok(VersionRow {
        version_no: row.get(0)?,
        model_no: row.get(1)?,
        version: ModelVersion {
            name: row.get(2)?,
            version: row.get(3)?,
            model_type: ModelType::parse(&model_type).ok_or_else(|| unknown(&model_type))?,
            source: row.get(5)?,
            location: row.get(6)?,
            tree: row.get(7)?,
            run_id: row.get(8)?,
            run_link: row.get(9)?,
            model_id: row.get(10)?,
            job: row.get(11)?,
            description: row.get(12)?,
            user_id: row.get(13)?,
            stage: Stage::parse(&stage).map_err(|_| unknown(&stage))?,
            archived: row.get(15)?,
            properties: json::decode(&properties)?,
            created_at: row.get(17)?,
            updated_at: row.get(18)?,
            tags: Vec::new(),
            aliases: Vec::new(),
        },
    })
}

/// The number after the greatest that was ever given out.
pub fn next_number(tx: &mut Tx<'_>, model_no: i64) -> Result<i64, StoreError> {
    let sql = "SELECT COALESCE(MAX(number), 0) FROM model_versions WHERE model_no = $1";
    let greatest: i64 = tx.query_one(sql, params![model_no], |row| row.get(0))?;
    Ok(greatest.max(0).saturating_add(1))
}

/// Adds a version with its tags; a taken one is a unique violation.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    model_no: i64,
    version: &ModelVersion,
) -> Result<i64, StoreError> {
    let version_no = tx.query_one(
        "INSERT INTO model_versions (workspace_id, model_no, version, number, type, source, location, tree, run_id, run_link,
             model_id, job, description, user_id, stage, archived, deleted, properties, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, $17, $18, $19) RETURNING version_no",
        params![
            workspace_id,
            model_no,
            &version.version,
            number(&version.version),
            version.model_type.as_str(),
            &version.source,
            &version.location,
            &version.tree,
            &version.run_id,
            &version.run_link,
            &version.model_id,
            &version.job,
            &version.description,
            &version.user_id,
            version.stage.as_str(),
            version.archived,
            json::encode(&version.properties)?,
            version.created_at,
            version.updated_at
        ],
        |row| row.get(0),
    )?;
    for tag in &version.tags {
        set_tag(tx, version_no, tag)?;
    }
    Ok(version_no)
}

/// The version's place among numbers; only the plain spelling of a number is one.
fn number(version: &str) -> i64 {
    let parsed: Option<i64> = version.parse().ok();
    parsed
        .filter(|number| *number >= 0 && number.to_string() == version)
        .unwrap_or(-1)
}

/// One version, without what [`complete`] adds.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    version: &str,
) -> Result<Option<VersionRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE m.workspace_id = $1 AND m.name = $2 AND v.version = $3 AND v.deleted = 0"
    );
    tx.query_opt(&sql, params![workspace_id, name, version], from_row)
}

/// Whether the version was ever given out, also when it was deleted since.
pub fn is_taken(tx: &mut Tx<'_>, model_no: i64, version: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM model_versions WHERE model_no = $1 AND version = $2";
    Ok(tx
        .query_opt(sql, params![model_no, version], |row| row.get::<i64>(0))?
        .is_some())
}

/// The newest version that is not archived: the greatest number, else the last registered.
pub fn newest(tx: &mut Tx<'_>, model_no: i64) -> Result<Option<VersionRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE v.model_no = $1 AND v.deleted = 0 AND v.archived = 0
         ORDER BY v.number DESC, v.created_at DESC, v.version_no DESC LIMIT 1"
    );
    tx.query_opt(&sql, params![model_no], from_row)
}

/// Adds tags and aliases.
pub fn complete(tx: &mut Tx<'_>, rows: &mut [VersionRow]) -> Result<(), StoreError> {
    let numbers: Vec<i64> = rows.iter().map(|row| row.version_no).collect();
    let select = "SELECT version_no, key, value FROM model_version_tags WHERE version_no IN";
    let mut tags = models::pairs(tx, select, &numbers, |key, value| KeyValue { key, value })?;
    let mut of_models: Vec<i64> = rows.iter().map(|row| row.model_no).collect();
    of_models.sort_unstable();
    of_models.dedup();
    let aliases = models::aliases(tx, &of_models)?;
    for row in rows {
        row.version.tags = tags.remove(&row.version_no).unwrap_or_default();
        let of_model = aliases
            .get(&row.model_no)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mine = of_model
            .iter()
            .filter(|alias| alias.version == row.version.version);
        row.version.aliases = mine.map(|alias| alias.alias.clone()).collect();
    }
    Ok(())
}

/// The newest version of each stage, for each of the models, complete.
pub(crate) fn newest_by_stage(
    tx: &mut Tx<'_>,
    models: &[i64],
) -> Result<HashMap<i64, Vec<ModelVersion>>, StoreError> {
    let mut rows = Vec::new();
    for chunk in padded_chunks(models) {
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT version_no, ROW_NUMBER() OVER (PARTITION BY model_no, stage
                 ORDER BY archived, number DESC, created_at DESC, version_no DESC) AS place
                 FROM model_versions WHERE deleted = 0 AND model_no IN ({})) newest
             JOIN model_versions v ON v.version_no = newest.version_no JOIN registered_models m ON m.model_no = v.model_no
             WHERE newest.place = 1 ORDER BY v.model_no, v.number, v.version",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|number| Param::Integer(*number)).collect();
        rows.extend(tx.query(&sql, &values, from_row)?);
    }
    complete(tx, &mut rows)?;
    let mut found: HashMap<i64, Vec<ModelVersion>> = HashMap::new();
    for row in rows {
        found.entry(row.model_no).or_default().push(row.version);
    }
    Ok(found)
}

/// Changes what may be changed of a version; its content may not.
pub fn update(tx: &mut Tx<'_>, row: &VersionRow) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE model_versions SET description = $2, stage = $3, archived = $4, properties = $5, updated_at = $6
         WHERE version_no = $1",
        params![
            row.version_no,
            &row.version.description,
            row.version.stage.as_str(),
            row.version.archived,
            json::encode(&row.version.properties)?,
            row.version.updated_at
        ],
    )
    .map(drop)
}

/// Notes the content tree, found later than the version was registered.
pub fn set_tree(tx: &mut Tx<'_>, version_no: i64, tree: &str) -> Result<(), StoreError> {
    let sql = "UPDATE model_versions SET tree = $2 WHERE version_no = $1 AND tree IS NULL";
    tx.execute(sql, params![version_no, tree]).map(drop)
}

/// Moves the other versions that are in the stage to `Archived`.
pub fn archive_others(
    tx: &mut Tx<'_>,
    row: &VersionRow,
    stage: Stage,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE model_versions SET stage = $4, updated_at = $5
         WHERE model_no = $1 AND version_no <> $2 AND stage = $3 AND deleted = 0",
        params![
            row.model_no,
            row.version_no,
            stage.as_str(),
            Stage::Archived.as_str(),
            now
        ],
    )
    .map(drop)
}

/// Deletes a version: what it said is wiped, its number stays taken, aliases that pointed to it go.
pub fn delete(tx: &mut Tx<'_>, row: &VersionRow, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE model_versions SET deleted = 1, description = NULL, user_id = '', source = '', location = '', tree = NULL,
             run_id = NULL, run_link = NULL, model_id = NULL, job = NULL, properties = '[]', updated_at = $2
         WHERE version_no = $1",
        params![row.version_no, now],
    )?;
    tx.execute(
        "DELETE FROM model_version_tags WHERE version_no = $1",
        params![row.version_no],
    )?;
    let sql = "DELETE FROM model_aliases WHERE model_no = $1 AND version = $2";
    tx.execute(sql, params![row.model_no, &row.version.version])
        .map(drop)
}

/// Sets a tag.
pub fn set_tag(tx: &mut Tx<'_>, version_no: i64, tag: &KeyValue) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO model_version_tags (version_no, key, value) VALUES ($1, $2, $3)
         ON CONFLICT (version_no, key) DO UPDATE SET value = excluded.value",
        params![version_no, &tag.key, &tag.value],
    )
    .map(drop)
}

/// Removes a tag, if it is there.
pub fn delete_tag(tx: &mut Tx<'_>, version_no: i64, key: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM model_version_tags WHERE version_no = $1 AND key = $2";
    tx.execute(sql, params![version_no, key]).map(drop)
}
