//! Experiments and their tags.

use super::pipe::{Context, Converted, Pipe, key};
use super::{Schema, fields::Fields};
use crate::{Kind, Value};
use Kind::{Integer, Text};

/// The default experiment is on both sides from the start: it is written over, and not counted.
const WRITE: &str = "INSERT INTO experiments (workspace_id, experiment_id, name, artifact_location, lifecycle_stage, created_at, updated_at)
    SELECT ws, id, name, place, stage, made, changed FROM v WHERE true
    ON CONFLICT (workspace_id, experiment_id) DO UPDATE SET name = excluded.name, artifact_location = excluded.artifact_location,
        lifecycle_stage = excluded.lifecycle_stage, created_at = excluded.created_at, updated_at = excluded.updated_at";

/// The next experiment made here comes after the greatest that came.
const COUNT_ON: &str = "INSERT INTO experiment_counters (workspace_id, next_id) SELECT ws, MAX(id) + 1 FROM v WHERE true GROUP BY ws
    ON CONFLICT (workspace_id) DO UPDATE SET next_id =
        CASE WHEN excluded.next_id > experiment_counters.next_id THEN excluded.next_id ELSE experiment_counters.next_id END";

const COUNT_OURS: &str =
    "SELECT COUNT(*) FROM experiments WHERE workspace_id = $1 AND experiment_id <> 0";
const COUNT_OUR_TAGS: &str =
    "SELECT COUNT(*) FROM experiment_tags t JOIN experiments e ON e.experiment_no = t.experiment_no
    WHERE e.workspace_id = $1";
const COUNT_THEIRS: &str = "SELECT COUNT(*) FROM experiments WHERE experiment_id <> 0";

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    let ours = schema.in_workspace("experiments", "e");
    let (made, changed) = (
        schema.pick("experiments", "e", "creation_time", "BIGINT"),
        schema.pick("experiments", "e", "last_update_time", "BIGINT"),
    );
    let experiments = Pipe {
        noun: "experiments",
        select: format!(
            "SELECT e.experiment_id, e.name, e.artifact_location, e.lifecycle_stage, {made}, {changed} FROM experiments e WHERE {ours}"
        ),
        keys: const { &[key("e.experiment_id", 0)] },
        kinds: &[Integer, Text, Text, Text, Integer, Integer],
        name: 1,
        convert: experiment,
        columns: "ws, id, name, place, stage, made, changed",
        writes: vec![WRITE, COUNT_ON],
        count_from: format!(
            "SELECT COUNT(*) FROM experiments e WHERE {ours} AND e.experiment_id <> 0"
        ),
        count_into: COUNT_OURS,
    };
    let from = "FROM experiment_tags t JOIN experiments e ON e.experiment_id = t.experiment_id";
    let tags = Pipe {
        noun: "experiment tags",
        select: format!("SELECT t.experiment_id, t.key, t.value {from} WHERE {ours}"),
        keys: const { &[key("t.key", 1), key("t.experiment_id", 0)] },
        kinds: &[Integer, Text, Text],
        name: 1,
        convert: |context, row| {
            Ok(vec![context.workspace_id.as_str().into(), row.same(0), row.same(1), row.filled(2)])
        },
        columns: "ws, id, key, value",
        writes: vec![
            "INSERT INTO experiment_tags (experiment_no, key, value) SELECT e.experiment_no, v.key, v.value
             FROM v CROSS JOIN experiments e WHERE e.workspace_id = v.ws AND e.experiment_id = v.id
             ON CONFLICT (experiment_no, key) DO UPDATE SET value = excluded.value",
        ],
        count_from: format!("SELECT COUNT(*) {from} WHERE {ours}"),
        count_into: COUNT_OUR_TAGS,
    };
    vec![experiments, tags]
}

fn experiment(context: &Context, row: &Fields) -> Converted {
    let id = row.int(0);
    let place = row.text(2);
    let place = if place.is_empty() {
        super::places::proxied(&id.to_string())
    } else {
        context.places.root(&place, &id.to_string())
    };
    Ok(vec![
        context.workspace_id.as_str().into(),
        Value::Integer(id),
        row.filled(1),
        place.into(),
        stage(row, 3)?,
        row.micros(4),
        row.micros(5),
    ])
}

/// `active` or `deleted`; MLflow's oldest rows have none and mean active.
pub(super) fn stage(row: &Fields, index: usize) -> Result<Value, String> {
    match row.opt_text(index) {
        None | Some("active" | "") => Ok("active".into()),
        Some("deleted") => Ok("deleted".into()),
        Some(other) => Err(format!("`{other}` is no lifecycle stage")),
    }
}

pub(super) fn exports() -> Vec<Pipe> {
    let experiments = Pipe {
        noun: "experiments",
        select: "SELECT experiment_id, name, artifact_location, lifecycle_stage, created_at, updated_at FROM experiments
                 WHERE workspace_id = $1"
            .to_owned(),
        keys: const { &[key("experiment_id", 0)] },
        kinds: &[Integer, Text, Text, Text, Integer, Integer],
        name: 1,
        convert: |context, row| {
            Ok(vec![
                row.same(0),
                row.same(1),
                context.places.exported(&row.text(2)).into(),
                row.same(3),
                row.millis(4),
                row.millis(5),
            ])
        },
        columns: "id, name, place, stage, made, changed",
        writes: vec![
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
             SELECT id, name, place, stage, made, changed FROM v WHERE true
             ON CONFLICT (experiment_id) DO UPDATE SET name = excluded.name, artifact_location = excluded.artifact_location,
                 lifecycle_stage = excluded.lifecycle_stage, creation_time = excluded.creation_time,
                 last_update_time = excluded.last_update_time",
        ],
        count_from: COUNT_OURS.to_owned(),
        count_into: COUNT_THEIRS,
    };
    let tags = Pipe {
        noun: "experiment tags",
        select: "SELECT e.experiment_id, t.key, t.value, t.experiment_no FROM experiment_tags t
                 JOIN experiments e ON e.experiment_no = t.experiment_no WHERE e.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("t.experiment_no", 3), key("t.key", 1)] },
        kinds: &[Integer, Text, Text, Integer],
        name: 1,
        convert: |_, row| Ok(vec![row.same(0), row.same(1), row.same(2)]),
        columns: "id, key, value",
        writes: vec![
            "INSERT INTO experiment_tags (experiment_id, key, value) SELECT id, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_OUR_TAGS.to_owned(),
        count_into: "SELECT COUNT(*) FROM experiment_tags",
    };
    vec![experiments, tags]
}
