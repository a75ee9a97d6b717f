//! Rows of `gateway_endpoints`, with their models and tags.

use std::collections::HashMap;

use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::gateway::endpoints::{
    Endpoint, Fallback, FallbackStrategy, ModelConfig, RoutingStrategy,
};
use lazuli_spec::runs::KeyValue;

use super::{mappings, stamps, unknown};
use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, params};

const COLUMNS: &str = "p.endpoint_id, p.name, p.routing, p.has_fallback, p.fallback_strategy, p.fallback_attempts, x.experiment_id, p.usage_tracking, p.created_at, p.updated_at, p.created_by, p.updated_by";
const FROM: &str =
    "gateway_endpoints p LEFT JOIN experiments x ON x.experiment_no = p.experiment_no";

/// Names one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// By its id.
    Id(String),
    /// By its name.
    Name(String),
}

fn from_row(row: &Row<'_>) -> Result<Endpoint, StoreError> {
    let read = |text: Option<String>| -> Result<Option<RoutingStrategy>, StoreError> {
        let parse = |text: String| RoutingStrategy::parse(&text).ok_or_else(|| unknown(&text));
        text.map(parse).transpose()
    };
    let experiment: Option<i64> = row.get(6)?;
    Ok(Endpoint {
        id: row.get(0)?,
        name: row.get(1)?,
        routing: read(row.get(2)?)?,
        fallback: fallback(row)?,
        experiment_id: experiment.map(ExperimentId),
        usage_tracking: row.get(7)?,
        mappings: Vec::new(),
        tags: Vec::new(),
        stamps: stamps(row, 8)?,
    })
}

fn fallback(row: &Row<'_>) -> Result<Option<Fallback>, StoreError> {
    if !row.get::<bool>(3)? {
        return Ok(None);
    }
    let strategy: Option<String> = row.get(4)?;
    let parse = |text: String| FallbackStrategy::parse(&text).ok_or_else(|| unknown(&text));
    Ok(Some(Fallback {
        strategy: strategy.map(parse).transpose()?,
        max_attempts: row.get(5)?,
    }))
}

/// Adds an endpoint without models and tags. A taken name is a unique violation.
pub fn insert(tx: &mut Tx<'_>, workspace_id: &str, endpoint: &Endpoint) -> Result<(), StoreError> {
    let stamps = &endpoint.stamps;
    tx.execute(
        "INSERT INTO gateway_endpoints (endpoint_id, workspace_id, name, has_fallback, usage_tracking, created_at, updated_at, created_by, updated_by)
         VALUES ($1, $2, $3, 0, 0, $4, $5, $6, $7)",
        params![
            &endpoint.id,
            workspace_id,
            &endpoint.name,
            stamps.created_at,
            stamps.updated_at,
            &stamps.created_by,
            &stamps.updated_by
        ],
    )?;
    update(tx, workspace_id, endpoint)
}

/// Changes an endpoint, but not its models and tags. A taken name is a unique violation.
pub fn update(tx: &mut Tx<'_>, workspace_id: &str, endpoint: &Endpoint) -> Result<(), StoreError> {
    let fallback = endpoint.fallback.unwrap_or_default();
    tx.execute(
        "UPDATE gateway_endpoints SET name = $3, routing = $4, has_fallback = $5, fallback_strategy = $6, fallback_attempts = $7,
            experiment_no = (SELECT experiment_no FROM experiments WHERE workspace_id = $2 AND experiment_id = $8),
            usage_tracking = $9, updated_at = $10, updated_by = $11
         WHERE endpoint_id = $1 AND workspace_id = $2",
        params![
            &endpoint.id,
            workspace_id,
            &endpoint.name,
            endpoint.routing.map(RoutingStrategy::as_str),
            endpoint.fallback.is_some(),
            fallback.strategy.map(FallbackStrategy::as_str),
            fallback.max_attempts,
            endpoint.experiment_id.map(|id| id.0),
            endpoint.usage_tracking,
            endpoint.stamps.updated_at,
            &endpoint.stamps.updated_by
        ],
    )
    .map(drop)
}

/// Puts models behind an endpoint, each under an id of its own, after those that stand there. One that stands there already
/// is a unique violation.
pub fn add_models(
    tx: &mut Tx<'_>,
    endpoint_id: &str,
    models: &[(String, ModelConfig)],
    now: Timestamp,
    by: &str,
) -> Result<(), StoreError> {
    for (id, config) in models {
        mappings::insert(tx, endpoint_id, (id, config), now, by)?;
    }
    Ok(())
}

/// Takes all models away from an endpoint.
pub fn clear_models(tx: &mut Tx<'_>, endpoint_id: &str) -> Result<(), StoreError> {
    mappings::clear(tx, endpoint_id)
}

/// Takes one model away from an endpoint.
pub fn remove_model(tx: &mut Tx<'_>, mapping_id: &str) -> Result<(), StoreError> {
    mappings::delete(tx, mapping_id)
}

/// Removes an endpoint with its models, its tags and its uses.
pub fn delete(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM gateway_endpoints WHERE endpoint_id = $1";
    tx.execute(sql, params![id]).map(drop)
}

/// One endpoint.
pub fn find(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    key: &Key,
) -> Result<Option<Endpoint>, StoreError> {
    let (column, value) = match key {
        Key::Id(id) => ("endpoint_id", id),
        Key::Name(name) => ("name", name),
    };
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE p.workspace_id = $1 AND p.{column} = $2");
    let Some(endpoint) = tx.query_opt(&sql, params![workspace_id, value], from_row)? else {
        return Ok(None);
    };
    let mut found = vec![endpoint];
    complete(tx, &mut found)?;
    Ok(found.pop())
}

/// A workspace's endpoints by name, or those with a model of one provider.
pub fn list(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    provider: Option<&str>,
) -> Result<Vec<Endpoint>, StoreError> {
    let mut sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE p.workspace_id = $1");
    let mut values = vec![Param::Text(workspace_id)];
    if let Some(provider) = provider {
        values.push(Param::Text(provider));
        sql.push_str(
            " AND EXISTS (SELECT 1 FROM gateway_endpoint_models m JOIN gateway_model_definitions d ON d.definition_id = m.definition_id
              WHERE m.endpoint_id = p.endpoint_id AND d.provider = $2)",
        );
    }
    sql.push_str(" ORDER BY p.name");
    let mut found = tx.query(&sql, &values, from_row)?;
    complete(tx, &mut found)?;
    Ok(found)
}

/// How many endpoints a workspace has.
pub fn count(tx: &mut Tx<'_>, workspace_id: &str) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM gateway_endpoints WHERE workspace_id = $1";
    tx.query_one(sql, params![workspace_id], |row| row.get(0))
}

/// Sets a tag.
pub fn set_tag(tx: &mut Tx<'_>, endpoint_id: &str, tag: &KeyValue) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO gateway_endpoint_tags (endpoint_id, key, value) VALUES ($1, $2, $3)
         ON CONFLICT (endpoint_id, key) DO UPDATE SET value = excluded.value",
        params![endpoint_id, &tag.key, &tag.value],
    )
    .map(drop)
}

/// Removes a tag, if it is there.
pub fn delete_tag(tx: &mut Tx<'_>, endpoint_id: &str, key: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM gateway_endpoint_tags WHERE endpoint_id = $1 AND key = $2";
    tx.execute(sql, params![endpoint_id, key]).map(drop)
}

/// How many tags an endpoint has.
pub fn count_tags(tx: &mut Tx<'_>, endpoint_id: &str) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM gateway_endpoint_tags WHERE endpoint_id = $1";
    tx.query_one(sql, params![endpoint_id], |row| row.get(0))
}

/// Adds models and tags.
fn complete(tx: &mut Tx<'_>, endpoints: &mut [Endpoint]) -> Result<(), StoreError> {
    let ids: Vec<String> = endpoints.iter().map(|found| found.id.clone()).collect();
    let mut models = mappings::of(tx, &ids)?;
    let mut tags = tags(tx, &ids)?;
    for endpoint in endpoints {
        endpoint.mappings = models.remove(&endpoint.id).unwrap_or_default();
        endpoint.tags = tags.remove(&endpoint.id).unwrap_or_default();
    }
    Ok(())
}

fn tags(tx: &mut Tx<'_>, ids: &[String]) -> Result<HashMap<String, Vec<KeyValue>>, StoreError> {
    let mut found: HashMap<String, Vec<KeyValue>> = HashMap::new();
    for chunk in padded_chunks(ids) {
        let sql = format!(
            "SELECT endpoint_id, key, value FROM gateway_endpoint_tags WHERE endpoint_id IN ({}) ORDER BY endpoint_id, key",
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|id| Param::Text(id)).collect();
        tx.for_each(&sql, &values, |row| {
            let (key, value): (String, String) = (row.get(1)?, row.get(2)?);
            let of_endpoint = found.entry(row.get(0)?).or_default();
            of_endpoint.push(KeyValue::new(&key, &value));
            Ok(())
        })?;
    }
    Ok(found)
}
