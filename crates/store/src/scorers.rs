//! Rows of `scorers`, their versions and their scoring rules.

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::scorers::{OnlineConfig, ScorerVersion};

use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, params};

const COLUMNS: &str = "s.scorer_id, e.experiment_id, s.name, v.version, v.serialized, v.created_at";
const FROM: &str = "scorers s JOIN experiments e ON e.experiment_no = s.experiment_no JOIN scorer_versions v ON v.scorer_id = s.scorer_id";
const LATEST: &str =
    "v.version = (SELECT MAX(w.version) FROM scorer_versions w WHERE w.scorer_id = s.scorer_id)";

fn from_row(row: &Row<'_>) -> Result<ScorerVersion, StoreError> {
    Ok(ScorerVersion {
        scorer_id: row.get(0)?,
        experiment_id: ExperimentId(row.get(1)?),
        name: row.get(2)?,
        version: row.get(3)?,
        serialized: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// The id of the scorer of that name; added under `new_id` when there is none. Its row stays locked until the transaction
/// ends, so that versions are counted one after the other.
pub fn named(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    experiment_no: i64,
    name: &str,
    new_id: &str,
) -> Result<String, StoreError> {
    tx.query_one(
        "INSERT INTO scorers (scorer_id, workspace_id, experiment_no, name) VALUES ($1, $2, $3, $4)
         ON CONFLICT (experiment_no, name) DO UPDATE SET name = excluded.name RETURNING scorer_id",
        params![new_id, workspace_id, experiment_no, name],
        |row| row.get(0),
    )
}

/// The scorer of that name, if there is one.
pub fn find(tx: &mut Tx<'_>, experiment_no: i64, name: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT scorer_id FROM scorers WHERE experiment_no = $1 AND name = $2";
    tx.query_opt(sql, params![experiment_no, name], |row| row.get(0))
}

/// How many scorers an experiment has.
pub fn count(tx: &mut Tx<'_>, experiment_no: i64) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM scorers WHERE experiment_no = $1";
    tx.query_one(sql, params![experiment_no], |row| row.get(0))
}

/// How many versions a scorer has, and the highest of them; 0 when there is none.
pub fn versions_of(tx: &mut Tx<'_>, scorer_id: &str) -> Result<(i64, i64), StoreError> {
    let sql =
        "SELECT COUNT(*), COALESCE(MAX(version), 0) FROM scorer_versions WHERE scorer_id = $1";
    tx.query_one(sql, params![scorer_id], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Adds a version.
pub fn insert_version(
    tx: &mut Tx<'_>,
    scorer_id: &str,
    version: i64,
    serialized: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO scorer_versions (scorer_id, version, serialized, created_at) VALUES ($1, $2, $3, $4)",
        params![scorer_id, version, serialized, now],
    )
    .map(drop)
}

/// One version of a scorer, or its latest.
pub fn version(
    tx: &mut Tx<'_>,
    scorer_id: &str,
    version: Option<i64>,
) -> Result<Option<ScorerVersion>, StoreError> {
    if let Some(version) = version {
        let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE s.scorer_id = $1 AND v.version = $2");
        return tx.query_opt(&sql, params![scorer_id, version], from_row);
    }
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE s.scorer_id = $1 AND {LATEST}");
    tx.query_opt(&sql, params![scorer_id], from_row)
}

/// All versions of a scorer, oldest first.
pub fn versions(tx: &mut Tx<'_>, scorer_id: &str) -> Result<Vec<ScorerVersion>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE s.scorer_id = $1 ORDER BY v.version");
    tx.query(&sql, params![scorer_id], from_row)
}

/// The latest version of every scorer of some active experiments, or of all of them, by experiment and name; of all at most `limit`.
pub fn latest(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    experiments: Option<&[ExperimentId]>,
    limit: u32,
) -> Result<Vec<ScorerVersion>, StoreError> {
    let select = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE s.workspace_id = $1 AND e.lifecycle_stage = 'active' AND {LATEST}"
    );
    let order = "ORDER BY e.experiment_id, s.name LIMIT $2";
    let fixed = [Param::Text(workspace_id), Param::Integer(limit.into())];
    let Some(experiments) = experiments else {
        return tx.query(&format!("{select} {order}"), &fixed, from_row);
    };
    let mut found = Vec::new();
    for chunk in padded_chunks(experiments) {
        let list = placeholders(3, chunk.len());
        let sql = format!("{select} AND e.experiment_id IN ({list}) {order}");
        let mut values = fixed.to_vec();
        values.extend(chunk.iter().map(|id| Param::Integer(id.0)));
        found.extend(tx.query(&sql, &values, from_row)?);
    }
    found.sort_by(|a, b| (a.experiment_id, &a.name).cmp(&(b.experiment_id, &b.name)));
    Ok(found)
}

/// Deletes one version of a scorer, or the whole scorer; false when there was none.
pub fn delete(tx: &mut Tx<'_>, scorer_id: &str, version: Option<i64>) -> Result<bool, StoreError> {
    let gone = match version {
        Some(version) => tx.execute(
            "DELETE FROM scorer_versions WHERE scorer_id = $1 AND version = $2",
            params![scorer_id, version],
        )?,
        None => tx.execute(
            "DELETE FROM scorers WHERE scorer_id = $1",
            params![scorer_id],
        )?,
    };
    Ok(gone > 0)
}

/// Sets the scoring rule of a scorer.
pub fn set_config(tx: &mut Tx<'_>, config: &OnlineConfig) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO online_scoring_configs (scorer_id, config_id, sample_rate, filter) VALUES ($1, $2, $3, $4)
         ON CONFLICT (scorer_id) DO UPDATE SET config_id = excluded.config_id, sample_rate = excluded.sample_rate, filter = excluded.filter",
        params![&config.scorer_id, &config.config_id, config.sample_rate, &config.filter],
    )
    .map(drop)
}

/// The scoring rules of some scorers of a workspace; those without one are left out.
pub fn configs(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    scorer_ids: &[String],
) -> Result<Vec<OnlineConfig>, StoreError> {
    let mut found = Vec::new();
    for chunk in padded_chunks(scorer_ids) {
        let sql = format!(
            "SELECT c.config_id, c.scorer_id, e.experiment_id, c.sample_rate, c.filter FROM online_scoring_configs c
             JOIN scorers s ON s.scorer_id = c.scorer_id JOIN experiments e ON e.experiment_no = s.experiment_no
             WHERE s.workspace_id = $1 AND c.scorer_id IN ({}) ORDER BY c.scorer_id",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Text(workspace_id)];
        values.extend(chunk.iter().map(|id| Param::Text(id)));
        found.extend(tx.query(&sql, &values, |row| {
            Ok(OnlineConfig {
                config_id: row.get(0)?,
                scorer_id: row.get(1)?,
                experiment_id: ExperimentId(row.get(2)?),
                sample_rate: row.get(3)?,
                filter: row.get(4)?,
            })
        })?);
    }
    Ok(found)
}

#[cfg(test)]
#[path = "scorers_tests.rs"]
mod tests;
