//! Rows of `gateway_endpoint_models`: which models stand behind which endpoint.

use std::collections::HashMap;

use lazuli_spec::Timestamp;
use lazuli_spec::gateway::endpoints::{Linkage, Mapping, ModelConfig};

use super::model_definitions;
use super::unknown;
use crate::sql::{padded_chunks, placeholders};
use crate::{Param, Row, StoreError, Tx, params};

/// How many columns a definition has.
const DEFINITION: usize = 10;

fn from_row(row: &Row<'_>) -> Result<Mapping, StoreError> {
    let linkage: String = row.get(DEFINITION + 2)?;
    Ok(Mapping {
        definition: model_definitions::from_row(row)?,
        id: row.get(DEFINITION)?,
        endpoint_id: row.get(DEFINITION + 1)?,
        linkage: Linkage::parse(&linkage).ok_or_else(|| unknown(&linkage))?,
        weight: row.get(DEFINITION + 3)?,
        fallback_order: row.get(DEFINITION + 4)?,
        created_at: row.get(DEFINITION + 5)?,
        created_by: row.get(DEFINITION + 6)?,
    })
}

/// Puts a model behind an endpoint, after those that stand there. One that stands there already is a unique violation.
pub(super) fn insert(
    tx: &mut Tx<'_>,
    endpoint_id: &str,
    (mapping_id, config): (&str, &ModelConfig),
    now: Timestamp,
    by: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO gateway_endpoint_models (mapping_id, endpoint_id, definition_id, linkage, place, weight, fallback_order, created_at, created_by)
         VALUES ($1, $2, $3, $4, (SELECT COALESCE(MAX(place), 0) + 1 FROM gateway_endpoint_models WHERE endpoint_id = $2), $5, $6, $7, $8)",
        params![
            mapping_id,
            endpoint_id,
            &config.definition_id,
            config.linkage.as_str(),
            config.weight,
            config.fallback_order,
            now,
            by
        ],
    )
    .map(drop)
}

/// Takes all models away from an endpoint.
pub(super) fn clear(tx: &mut Tx<'_>, endpoint_id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM gateway_endpoint_models WHERE endpoint_id = $1";
    tx.execute(sql, params![endpoint_id]).map(drop)
}

/// Takes away one mapping.
pub(super) fn delete(tx: &mut Tx<'_>, mapping_id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM gateway_endpoint_models WHERE mapping_id = $1";
    tx.execute(sql, params![mapping_id]).map(drop)
}

/// The models of some endpoints, each in its order, by endpoint.
pub(super) fn of(
    tx: &mut Tx<'_>,
    endpoint_ids: &[String],
) -> Result<HashMap<String, Vec<Mapping>>, StoreError> {
    let mut found: HashMap<String, Vec<Mapping>> = HashMap::new();
    for chunk in padded_chunks(endpoint_ids) {
        let sql = format!(
            "SELECT {}, m.mapping_id, m.endpoint_id, m.linkage, m.weight, m.fallback_order, m.created_at, m.created_by
             FROM gateway_endpoint_models m JOIN gateway_model_definitions d ON d.definition_id = m.definition_id
             LEFT JOIN gateway_secrets s ON s.secret_id = d.secret_id
             WHERE m.endpoint_id IN ({}) ORDER BY m.endpoint_id, m.place, m.mapping_id",
            model_definitions::COLUMNS,
            placeholders(1, chunk.len())
        );
        let values: Vec<Param<'_>> = chunk.iter().map(|id| Param::Text(id)).collect();
        for mapping in tx.query(&sql, &values, from_row)? {
            let of_endpoint = found.entry(mapping.endpoint_id.clone()).or_default();
            of_endpoint.push(mapping);
        }
    }
    Ok(found)
}
