//! Rows of `registered_models`, their tags and aliases. Versions are in [`model_versions`].

use std::collections::HashMap;

use lazuli_spec::Timestamp;
use lazuli_spec::models::{Alias, RegisteredModel};
use lazuli_spec::runs::KeyValue;

use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, model_versions, params};

/// A registered model's row, with the number that its versions refer to.
#[derive(Clone, Debug)]
pub struct ModelRow {
    /// Its number over all workspaces.
    pub model_no: i64,
    /// Whether it is a prompt, which model searches leave out.
    pub is_prompt: bool,
    /// The model; [`complete`] adds tags, aliases and latest versions.
    pub model: RegisteredModel,
}

/// The columns that [`from_row`] reads, of `registered_models m`.
pub(crate) const COLUMNS: &str =
    "m.model_no, m.name, m.description, m.archived, m.is_prompt, m.created_at, m.updated_at";

pub(crate) fn from_row(row: &Row<'_>) -> Result<ModelRow, StoreError> {
    Ok(ModelRow {
        model_no: row.get(0)?,
        is_prompt: row.get(4)?,
        model: RegisteredModel {
            name: row.get(1)?,
            description: row.get(2)?,
            archived: row.get(3)?,
            created_at: row.get(5)?,
            updated_at: row.get(6)?,
            tags: Vec::new(),
            aliases: Vec::new(),
            latest_versions: Vec::new(),
        },
    })
}

/// Adds a model without versions; a taken name is a unique violation.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
    description: Option<&str>,
    is_prompt: bool,
    now: Timestamp,
) -> Result<i64, StoreError> {
    tx.query_one(
        "INSERT INTO registered_models (workspace_id, name, description, archived, is_prompt, created_at, updated_at)
         VALUES ($1, $2, $3, 0, $4, $5, $5) RETURNING model_no",
        params![workspace_id, name, description, is_prompt, now],
        |row| row.get(0),
    )
}

/// The model of that name, without what [`complete`] adds.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
) -> Result<Option<ModelRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM registered_models m WHERE m.workspace_id = $1 AND m.name = $2"
    );
    tx.query_opt(&sql, params![workspace_id, name], from_row)
}

/// Adds tags, aliases and the newest version of each stage.
pub fn complete(tx: &mut Tx<'_>, rows: &mut [ModelRow]) -> Result<(), StoreError> {
    let numbers: Vec<i64> = rows.iter().map(|row| row.model_no).collect();
    let mut tags = tags(tx, &numbers)?;
    let mut aliases = aliases(tx, &numbers)?;
    let mut versions = model_versions::newest_by_stage(tx, &numbers)?;
    for row in rows {
        row.model.tags = tags.remove(&row.model_no).unwrap_or_default();
        row.model.aliases = aliases.remove(&row.model_no).unwrap_or_default();
        row.model.latest_versions = versions.remove(&row.model_no).unwrap_or_default();
    }
    Ok(())
}

/// Notes that the model or one of its versions changed. Also the lock that orders the writers of one model.
pub fn touch(tx: &mut Tx<'_>, model_no: i64, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE registered_models SET updated_at = $2 WHERE model_no = $1";
    tx.execute(sql, params![model_no, now]).map(drop)
}

/// Changes what may be changed: name, description, whether it is archived.
pub fn update(tx: &mut Tx<'_>, row: &ModelRow) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE registered_models SET name = $2, description = $3, archived = $4, updated_at = $5 WHERE model_no = $1",
        params![
            row.model_no,
            &row.model.name,
            &row.model.description,
            row.model.archived,
            row.model.updated_at
        ],
    )
    .map(drop)
}

/// Removes the model with its versions, tags and aliases.
pub fn delete(tx: &mut Tx<'_>, model_no: i64) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM registered_models WHERE model_no = $1",
        params![model_no],
    )
    .map(drop)
}

/// Sets a tag.
pub fn set_tag(tx: &mut Tx<'_>, model_no: i64, tag: &KeyValue) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO registered_model_tags (model_no, key, value) VALUES ($1, $2, $3)
         ON CONFLICT (model_no, key) DO UPDATE SET value = excluded.value",
        params![model_no, &tag.key, &tag.value],
    )
    .map(drop)
}

/// Whether the model is a prompt: made as one, or marked as one since.
pub fn is_prompt(tx: &mut Tx<'_>, model_no: i64) -> Result<bool, StoreError> {
    tx.query_one(
        "SELECT CASE WHEN m.is_prompt = 1 OR EXISTS (SELECT 1 FROM registered_model_tags t
             WHERE t.model_no = m.model_no AND t.key = $2 AND LOWER(t.value) = 'true') THEN 1 ELSE 0 END
         FROM registered_models m WHERE m.model_no = $1",
        params![model_no, lazuli_spec::models::TAG_IS_PROMPT],
        |row| row.get::<i64>(0).map(|found| found == 1),
    )
}

/// Removes a tag, if it is there.
pub fn delete_tag(tx: &mut Tx<'_>, model_no: i64, key: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM registered_model_tags WHERE model_no = $1 AND key = $2";
    tx.execute(sql, params![model_no, key]).map(drop)
}

/// Points an alias to a version.
pub fn set_alias(
    tx: &mut Tx<'_>,
    model_no: i64,
    alias: &str,
    version: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO model_aliases (model_no, alias, version) VALUES ($1, $2, $3)
         ON CONFLICT (model_no, alias) DO UPDATE SET version = excluded.version",
        params![model_no, alias, version],
    )
    .map(drop)
}

/// Removes an alias; false when there was none.
pub fn delete_alias(tx: &mut Tx<'_>, model_no: i64, alias: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM model_aliases WHERE model_no = $1 AND alias = $2";
    Ok(tx.execute(sql, params![model_no, alias])? > 0)
}

/// The version that an alias points to.
pub fn alias_target(
    tx: &mut Tx<'_>,
    model_no: i64,
    alias: &str,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT version FROM model_aliases WHERE model_no = $1 AND alias = $2";
    tx.query_opt(sql, params![model_no, alias], |row| row.get(0))
}

fn tags(tx: &mut Tx<'_>, numbers: &[i64]) -> Result<HashMap<i64, Vec<KeyValue>>, StoreError> {
    pairs(
        tx,
        "SELECT model_no, key, value FROM registered_model_tags WHERE model_no IN",
        numbers,
        |key, value| KeyValue { key, value },
    )
}

pub(crate) fn aliases(
    tx: &mut Tx<'_>,
    numbers: &[i64],
) -> Result<HashMap<i64, Vec<Alias>>, StoreError> {
    pairs(
        tx,
        "SELECT model_no, alias, version FROM model_aliases WHERE model_no IN",
        numbers,
        |alias, version| Alias { alias, version },
    )
}

/// Rows of (number, text, text) for the numbers, grouped and in order of the first text.
pub(crate) fn pairs<T>(
    tx: &mut Tx<'_>,
    select: &str,
    numbers: &[i64],
    make: impl Fn(String, String) -> T,
) -> Result<HashMap<i64, Vec<T>>, StoreError> {
    let mut found: HashMap<i64, Vec<T>> = HashMap::new();
    for chunk in padded_chunks(numbers) {
        let sql = format!("{select} ({}) ORDER BY 1, 2", placeholders(1, chunk.len()));
        let values: Vec<Param<'_>> = chunk.iter().map(|number| Param::Integer(*number)).collect();
        tx.for_each(&sql, &values, |row| {
            found
                .entry(row.get(0)?)
                .or_default()
                .push(make(row.get(1)?, row.get(2)?));
            Ok(())
        })?;
    }
    Ok(found)
}
