//! Logged models with their parameters, tags and metrics.

use super::experiments::stage;
use super::pipe::{Context, Converted, Pipe, key};
use super::places::{Root, Roots};
use super::{Schema, fields::Fields};
use crate::Kind::{Integer, Real, Text};
use crate::Value;
use lazuli_spec::logged_models::LoggedModelStatus;

const FROM: &str = "FROM logged_models m JOIN experiments e ON e.experiment_id = m.experiment_id";

const COUNT_MODELS: &str = "SELECT COUNT(*) FROM logged_models WHERE workspace_id = $1";
const COUNT_PARAMS: &str =
    "SELECT COUNT(*) FROM logged_model_params p JOIN logged_models m ON m.model_id = p.model_id
    WHERE m.workspace_id = $1";
const COUNT_TAGS: &str =
    "SELECT COUNT(*) FROM logged_model_tags p JOIN logged_models m ON m.model_id = p.model_id
    WHERE m.workspace_id = $1";
const COUNT_METRICS: &str =
    "SELECT COUNT(*) FROM logged_model_metrics p JOIN logged_models m ON m.model_id = p.model_id
    WHERE m.workspace_id = $1";

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    if !schema.has("logged_models") {
        return Vec::new();
    }
    vec![
        models(schema),
        pairs(
            schema,
            "logged model params",
            ("logged_model_params", "param_key", "param_value"),
            "INSERT INTO logged_model_params (model_id, key, value) SELECT m.model_id, v.key, v.value
             FROM v CROSS JOIN logged_models m WHERE m.model_id = v.model AND m.workspace_id = v.ws ON CONFLICT DO NOTHING",
            COUNT_PARAMS,
        ),
        pairs(
            schema,
            "logged model tags",
            ("logged_model_tags", "tag_key", "tag_value"),
            "INSERT INTO logged_model_tags (model_id, key, value) SELECT m.model_id, v.key, v.value
             FROM v CROSS JOIN logged_models m WHERE m.model_id = v.model AND m.workspace_id = v.ws ON CONFLICT DO NOTHING",
            COUNT_TAGS,
        ),
        metrics(schema),
    ]
}

fn models(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    Pipe {
        noun: "logged models",
        select: format!(
            "SELECT m.model_id, m.experiment_id, m.name, m.artifact_location, m.creation_timestamp_ms, m.last_updated_timestamp_ms,
                 m.status, m.lifecycle_stage, m.model_type, m.source_run_id {FROM} WHERE {ours}"
        ),
        keys: const { &[key("m.model_id", 0)] },
        kinds: &[Text, Integer, Text, Text, Integer, Integer, Integer, Text, Text, Text],
        name: 0,
        convert: model,
        columns: "id, ws, experiment, name, place, status, kind, run, stage, made, changed",
        writes: vec![
            "INSERT INTO logged_models (model_id, workspace_id, experiment_id, name, artifact_location, status, model_type,
                 source_run_id, lifecycle_stage, created_at, updated_at)
             SELECT id, ws, experiment, name, place, status, kind, run, stage, made, changed FROM v WHERE true
             ON CONFLICT (model_id) DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) {FROM} WHERE {ours}"),
        count_into: COUNT_MODELS,
    }
}

fn model(context: &Context, row: &Fields) -> Converted {
    let id = row.text(0);
    let status = LoggedModelStatus::from_number(row.int(6))
        .ok_or_else(|| format!("{} is no status of logged models", row.int(6)))?;
    let root = place(row.int(1), &id);
    Ok(vec![
        id.into(),
        context.workspace_id.as_str().into(),
        row.same(1),
        row.filled(2),
        context.places.root(&row.text(3), &root).into(),
        status.number().into(),
        some_text(row, 8),
        some_text(row, 9),
        stage(row, 7)?,
        row.micros(4),
        row.micros(5),
    ])
}

/// A text, or null where it is empty.
pub(super) fn some_text(row: &Fields, index: usize) -> Value {
    let text = row.opt_text(index).filter(|text| !text.is_empty());
    text.map_or(Value::Null(Text), Value::from)
}

/// Where a logged model's files are behind our proxy.
pub(super) fn place(experiment: i64, model_id: &str) -> String {
    format!("{experiment}/models/{model_id}/artifacts")
}

pub(super) fn roots(schema: &Schema) -> Option<Roots> {
    let ours = schema.in_workspace("experiments", "e");
    schema.has("logged_models").then(|| Roots {
        pipe: Pipe {
            noun: "files of logged models",
            select: format!(
                "SELECT m.model_id, m.experiment_id, m.artifact_location {FROM} WHERE {ours}"
            ),
            keys: const { &[key("m.model_id", 0)] },
            kinds: &[Text, Integer, Text],
            name: 0,
            convert: |_, _| Ok(Vec::new()),
            columns: "",
            writes: Vec::new(),
            count_from: format!("SELECT COUNT(*) {FROM} WHERE {ours}"),
            count_into: COUNT_MODELS,
        },
        root: |context, row| {
            Some(Root {
                name: format!("logged model {}", row.text(0)),
                theirs: context.places.below(row.opt_text(2)?)?,
                ours: place(row.int(1), &row.text(0)),
            })
        },
        address: |row| row.text(2),
    })
}

fn pairs(
    schema: &Schema,
    noun: &'static str,
    (table, key_column, value_column): (&str, &str, &str),
    write: &'static str,
    count_into: &'static str,
) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    Pipe {
        noun,
        // the columns are named alike, so that one list of keys fits both tables
        select: format!(
            "SELECT p.model_id, p.key, p.value FROM (SELECT model_id, {key_column} AS key, {value_column} AS value FROM {table}) p
             WHERE 1 = 1"
        ),
        keys: const { &[key("p.model_id", 0), key("p.key", 1)] },
        kinds: &[Text, Text, Text],
        name: 1,
        convert: |context, row| {
            Ok(vec![context.workspace_id.as_str().into(), row.same(0), row.same(1), row.filled(2)])
        },
        columns: "ws, model, key, value",
        writes: vec![write],
        count_from: format!(
            "SELECT COUNT(*) FROM {table} p JOIN logged_models m ON m.model_id = p.model_id
             JOIN experiments e ON e.experiment_id = m.experiment_id WHERE {ours}"
        ),
        count_into,
    }
}

fn metrics(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    Pipe {
        noun: "logged model metrics",
        select: "SELECT p.model_id, p.metric_name, p.metric_timestamp_ms, p.metric_step, p.run_id, p.metric_value, p.dataset_name,
                     p.dataset_digest FROM logged_model_metrics p WHERE 1 = 1"
            .to_owned(),
        keys: const {
            &[
                key("p.model_id", 0),
                key("p.metric_name", 1),
                key("p.metric_timestamp_ms", 2),
                key("p.metric_step", 3),
                key("p.run_id", 4),
            ]
        },
        kinds: &[Text, Text, Integer, Integer, Text, Real, Text, Text],
        name: 1,
        convert: |context, row| {
            Ok(vec![
                context.workspace_id.as_str().into(),
                row.same(0),
                row.same(1),
                row.same(2),
                row.same(3),
                row.same(4),
                row.opt_real(5).unwrap_or(f64::NAN).into(),
                row.same(6),
                row.same(7),
            ])
        },
        columns: "ws, model, key, at, step, run, value, dataset, digest",
        writes: vec![
            "INSERT INTO logged_model_metrics (model_id, key, timestamp_ms, step, run_id, value, dataset_name, dataset_digest)
             SELECT m.model_id, v.key, v.at, v.step, v.run, v.value, v.dataset, v.digest
             FROM v CROSS JOIN logged_models m WHERE m.model_id = v.model AND m.workspace_id = v.ws ON CONFLICT DO NOTHING",
        ],
        count_from: format!(
            "SELECT COUNT(*) FROM logged_model_metrics p JOIN logged_models m ON m.model_id = p.model_id
             JOIN experiments e ON e.experiment_id = m.experiment_id WHERE {ours}"
        ),
        count_into: COUNT_METRICS,
    }
}

pub(super) fn exports() -> Vec<Pipe> {
    let models = Pipe {
        noun: "logged models",
        select: "SELECT model_id, experiment_id, name, artifact_location, created_at, updated_at, status, lifecycle_stage, model_type,
                     source_run_id FROM logged_models WHERE workspace_id = $1"
            .to_owned(),
        keys: const { &[key("model_id", 0)] },
        kinds: &[Text, Integer, Text, Text, Integer, Integer, Integer, Text, Text, Text],
        name: 0,
        convert: |context, row| {
            Ok(vec![
                row.same(0),
                row.same(1),
                row.same(2),
                context.places.exported(&row.text(3)).into(),
                row.millis(4),
                row.millis(5),
                row.same(6),
                row.same(7),
                row.same(8),
                row.same(9),
            ])
        },
        columns: "id, experiment, name, place, made, changed, status, stage, kind, run",
        writes: vec![
            "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms,
                 last_updated_timestamp_ms, status, lifecycle_stage, model_type, source_run_id)
             SELECT id, experiment, name, place, made, changed, status, stage, kind, run FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_MODELS.to_owned(),
        count_into: "SELECT COUNT(*) FROM logged_models",
    };
    vec![
        models,
        pairs_export(
            "logged model params",
            "logged_model_params",
            "INSERT INTO logged_model_params (model_id, experiment_id, param_key, param_value)
             SELECT model, experiment, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
            COUNT_PARAMS,
            "SELECT COUNT(*) FROM logged_model_params",
        ),
        pairs_export(
            "logged model tags",
            "logged_model_tags",
            "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value)
             SELECT model, experiment, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
            COUNT_TAGS,
            "SELECT COUNT(*) FROM logged_model_tags",
        ),
        metrics_export(),
    ]
}

fn pairs_export(
    noun: &'static str,
    table: &str,
    write: &'static str,
    count_from: &str,
    count_into: &'static str,
) -> Pipe {
    Pipe {
        noun,
        select: format!(
            "SELECT p.model_id, m.experiment_id, p.key, p.value FROM {table} p JOIN logged_models m ON m.model_id = p.model_id
             WHERE m.workspace_id = $1"
        ),
        keys: const { &[key("p.model_id", 0), key("p.key", 2)] },
        kinds: &[Text, Integer, Text, Text],
        name: 2,
        convert: |_, row| Ok((0..4).map(|index| row.same(index)).collect()),
        columns: "model, experiment, key, value",
        writes: vec![write],
        count_from: count_from.to_owned(),
        count_into,
    }
}

fn metrics_export() -> Pipe {
    Pipe {
        noun: "logged model metrics",
        select: "SELECT p.model_id, p.key, p.timestamp_ms, p.step, p.run_id, p.value, m.experiment_id, p.dataset_name, p.dataset_digest
                 FROM logged_model_metrics p JOIN logged_models m ON m.model_id = p.model_id WHERE m.workspace_id = $1"
            .to_owned(),
        keys: const {
            &[
                key("p.model_id", 0),
                key("p.key", 1),
                key("p.timestamp_ms", 2),
                key("p.step", 3),
                key("p.run_id", 4),
            ]
        },
        kinds: &[Text, Text, Integer, Integer, Text, Real, Integer, Text, Text],
        name: 1,
        convert: |_, row| {
            let value = row.opt_real(5).filter(|value| !value.is_nan());
            let mut values: Vec<Value> = (0..9).map(|index| row.same(index)).collect();
            values[5] = value.map_or(Value::Null(Real), |value| {
                value.clamp(f64::MIN, f64::MAX).into()
            });
            Ok(values)
        },
        columns: "model, key, at, step, run, value, experiment, dataset, digest",
        writes: vec![
            "INSERT INTO logged_model_metrics (model_id, metric_name, metric_timestamp_ms, metric_step, run_id, metric_value,
                 experiment_id, dataset_name, dataset_digest)
             SELECT model, key, at, step, run, value, experiment, dataset, digest FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_METRICS.to_owned(),
        count_into: "SELECT COUNT(*) FROM logged_model_metrics",
    }
}
