//! Data sets, which runs read them, the tags of those uses, and the logged models that runs read and wrote.

use super::Schema;
use super::pipe::{Key, Pipe, key};
use crate::Kind::{Integer, Text};
use crate::Value;

const OF_WORKSPACE: &str =
    "JOIN experiments e ON e.experiment_no = d.experiment_no WHERE e.workspace_id = $1";
const INPUTS_BY: &[Key] = &[key("i.source_id", 0), key("i.destination_id", 1)];

const COUNT_DATASETS: &str =
    "SELECT COUNT(*) FROM datasets d JOIN experiments e ON e.experiment_no = d.experiment_no
    WHERE e.workspace_id = $1";
const COUNT_INPUTS: &str = "SELECT COUNT(*) FROM run_datasets i JOIN runs r ON r.run_no = i.run_no WHERE r.workspace_id = $1";
const COUNT_TAGS: &str = "SELECT COUNT(*) FROM run_dataset_tags t JOIN runs r ON r.run_no = t.run_no WHERE r.workspace_id = $1";
const COUNT_MODELS: &str = "SELECT COUNT(*) FROM run_models i JOIN runs r ON r.run_no = i.run_no WHERE r.workspace_id = $1";

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    if !schema.has("datasets") || !schema.has("inputs") || !schema.has("input_tags") {
        return Vec::new();
    }
    vec![
        datasets(schema),
        inputs(schema),
        tags(schema),
        models(schema),
    ]
}

fn datasets(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let from = "FROM datasets d JOIN experiments e ON e.experiment_id = d.experiment_id";
    Pipe {
        noun: "datasets",
        select: format!(
            "SELECT d.experiment_id, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile
             {from} WHERE {ours}"
        ),
        keys: const { &[key("d.experiment_id", 0), key("d.name", 1), key("d.digest", 2)] },
        kinds: &[Integer, Text, Text, Text, Text, Text, Text],
        name: 1,
        convert: |context, row| {
            Ok(std::iter::once(Value::from(context.workspace_id.as_str()))
                .chain((0..7).map(|index| row.same(index)))
                .collect())
        },
        columns: "ws, experiment, name, digest, kind, source, columns_, profile",
        writes: vec![
            "INSERT INTO datasets (experiment_no, name, digest, source_type, source, dataset_schema, profile)
             SELECT e.experiment_no, v.name, v.digest, v.kind, v.source, v.columns_, v.profile
             FROM v CROSS JOIN experiments e WHERE e.workspace_id = v.ws AND e.experiment_id = v.experiment ON CONFLICT DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) {from} WHERE {ours}"),
        count_into: COUNT_DATASETS,
    }
}

fn inputs(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let from = "FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
        JOIN runs r ON r.run_uuid = i.destination_id JOIN experiments e ON e.experiment_id = d.experiment_id";
    let what = "i.source_type = 'DATASET' AND i.destination_type = 'RUN'";
    Pipe {
        noun: "dataset inputs",
        select: format!("SELECT i.source_id, i.destination_id, d.experiment_id, d.name, d.digest {from} WHERE {what} AND {ours}"),
        keys: INPUTS_BY,
        kinds: &[Text, Text, Integer, Text, Text],
        name: 3,
        convert: |context, row| {
            Ok(vec![
                context.workspace_id.as_str().into(),
                row.same(1),
                row.same(2),
                row.same(3),
                row.same(4),
            ])
        },
        columns: "ws, run, experiment, name, digest",
        writes: vec![
            "INSERT INTO run_datasets (run_no, dataset_no) SELECT r.run_no, d.dataset_no
             FROM v CROSS JOIN runs r CROSS JOIN experiments e CROSS JOIN datasets d
             WHERE r.run_id = v.run AND r.workspace_id = v.ws AND e.workspace_id = v.ws AND e.experiment_id = v.experiment
               AND d.experiment_no = e.experiment_no AND d.name = v.name AND d.digest = v.digest ON CONFLICT DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) {from} WHERE {what} AND {ours}"),
        count_into: COUNT_INPUTS,
    }
}

fn tags(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let from = "FROM input_tags t JOIN inputs i ON i.input_uuid = t.input_uuid JOIN datasets d ON d.dataset_uuid = i.source_id
        JOIN runs r ON r.run_uuid = i.destination_id JOIN experiments e ON e.experiment_id = d.experiment_id";
    let what = "i.source_type = 'DATASET' AND i.destination_type = 'RUN'";
    Pipe {
        noun: "dataset input tags",
        select: format!(
            "SELECT t.input_uuid, t.name, t.value, i.destination_id, d.experiment_id, d.name, d.digest {from} WHERE {what} AND {ours}"
        ),
        keys: const { &[key("t.input_uuid", 0), key("t.name", 1)] },
        kinds: &[Text, Text, Text, Text, Integer, Text, Text],
        name: 1,
        convert: |context, row| {
            Ok(vec![
                context.workspace_id.as_str().into(),
                row.same(1),
                row.same(2),
                row.same(3),
                row.same(4),
                row.same(5),
                row.same(6),
            ])
        },
        columns: "ws, key, value, run, experiment, name, digest",
        writes: vec![
            "INSERT INTO run_dataset_tags (run_no, dataset_no, key, value) SELECT r.run_no, d.dataset_no, v.key, v.value
             FROM v CROSS JOIN runs r CROSS JOIN experiments e CROSS JOIN datasets d
             WHERE r.run_id = v.run AND r.workspace_id = v.ws AND e.workspace_id = v.ws AND e.experiment_id = v.experiment
               AND d.experiment_no = e.experiment_no AND d.name = v.name AND d.digest = v.digest ON CONFLICT DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) {from} WHERE {what} AND {ours}"),
        count_into: COUNT_TAGS,
    }
}

/// What runs read and wrote of logged models: the same table, with other words in it.
fn models(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let step = if schema.column("inputs", "step") {
        "i.step"
    } else {
        "0"
    };
    let from = "FROM inputs i JOIN runs r ON r.run_uuid = i.source_id JOIN experiments e ON e.experiment_id = r.experiment_id";
    let what = "i.source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND i.destination_type IN ('MODEL_INPUT', 'MODEL_OUTPUT')";
    Pipe {
        noun: "model inputs and outputs",
        select: format!("SELECT i.source_type, i.source_id, i.destination_id, {step} FROM inputs i WHERE {what}"),
        keys: const { &[key("i.source_type", 0), key("i.source_id", 1), key("i.destination_id", 2)] },
        kinds: &[Text, Text, Text, Integer],
        name: 2,
        convert: |context, row| {
            let direction = if row.opt_text(0) == Some("RUN_INPUT") { "input" } else { "output" };
            Ok(vec![
                context.workspace_id.as_str().into(),
                row.same(1),
                direction.into(),
                row.same(2),
                row.int(3).into(),
            ])
        },
        columns: "ws, run, direction, model, step",
        writes: vec![
            "INSERT INTO run_models (run_no, direction, model_id, step) SELECT r.run_no, v.direction, v.model, v.step
             FROM v CROSS JOIN runs r WHERE r.run_id = v.run AND r.workspace_id = v.ws ON CONFLICT DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) {from} WHERE {what} AND {ours}"),
        count_into: COUNT_MODELS,
    }
}

/// A number as the ids that MLflow gives data sets and uses of them: 32 hexadecimal digits.
pub(super) fn id(kind: &str, parts: &[i64]) -> Value {
    let numbers: Vec<String> = parts.iter().map(i64::to_string).collect();
    let text = format!("lazuli {kind} {}", numbers.join(" "));
    let hash = lazuli_spec::trees::ContentHash::of(text.as_bytes());
    Value::Text(hash.as_str().chars().take(32).collect())
}

pub(super) fn exports() -> Vec<Pipe> {
    let datasets = Pipe {
        noun: "datasets",
        select: format!(
            "SELECT d.dataset_no, e.experiment_id, d.name, d.digest, d.source_type, d.source, d.dataset_schema, d.profile
             FROM datasets d {OF_WORKSPACE}"
        ),
        keys: const { &[key("d.dataset_no", 0)] },
        kinds: &[Integer, Integer, Text, Text, Text, Text, Text, Text],
        name: 2,
        convert: |_, row| {
            Ok(std::iter::once(id("dataset", &[row.int(0)]))
                .chain((1..8).map(|index| row.same(index)))
                .collect())
        },
        columns: "id, experiment, name, digest, kind, source, columns_, profile",
        writes: vec![
            "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile)
             SELECT id, experiment, name, digest, kind, source, columns_, profile FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_DATASETS.to_owned(),
        count_into: "SELECT COUNT(*) FROM datasets",
    };
    let inputs = Pipe {
        noun: "dataset inputs",
        select: "SELECT i.run_no, i.dataset_no, r.run_id FROM run_datasets i JOIN runs r ON r.run_no = i.run_no WHERE r.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("i.run_no", 0), key("i.dataset_no", 1)] },
        kinds: &[Integer, Integer, Text],
        name: 2,
        convert: |_, row| {
            Ok(vec![
                id("input", &[row.int(0), row.int(1)]),
                id("dataset", &[row.int(1)]),
                row.same(2),
            ])
        },
        columns: "id, dataset, run",
        writes: vec![
            "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)
             SELECT id, 'DATASET', dataset, 'RUN', run FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_INPUTS.to_owned(),
        count_into: "SELECT COUNT(*) FROM inputs WHERE source_type = 'DATASET'",
    };
    let tags = Pipe {
        noun: "dataset input tags",
        select: "SELECT t.run_no, t.dataset_no, t.key, t.value FROM run_dataset_tags t JOIN runs r ON r.run_no = t.run_no
                 WHERE r.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("t.run_no", 0), key("t.dataset_no", 1), key("t.key", 2)] },
        kinds: &[Integer, Integer, Text, Text],
        name: 2,
        convert: |_, row| Ok(vec![id("input", &[row.int(0), row.int(1)]), row.same(2), row.same(3)]),
        columns: "id, key, value",
        writes: vec![
            "INSERT INTO input_tags (input_uuid, name, value) SELECT id, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_TAGS.to_owned(),
        count_into: "SELECT COUNT(*) FROM input_tags",
    };
    vec![datasets, inputs, tags, model_export()]
}

fn model_export() -> Pipe {
    Pipe {
        noun: "model inputs and outputs",
        select: "SELECT i.run_no, i.direction, i.model_id, i.step, r.run_id FROM run_models i JOIN runs r ON r.run_no = i.run_no
                 WHERE r.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("i.run_no", 0), key("i.direction", 1), key("i.model_id", 2)] },
        kinds: &[Integer, Text, Text, Integer, Text],
        name: 2,
        convert: |_, row| {
            let direction = row.text(1).to_ascii_uppercase();
            let text = format!("{} {direction} {}", row.text(4), row.text(2));
            let hash = lazuli_spec::trees::ContentHash::of(text.as_bytes());
            let uuid: String = hash.as_str().chars().take(32).collect();
            Ok(vec![
                uuid.into(),
                format!("RUN_{direction}").into(),
                row.same(4),
                format!("MODEL_{direction}").into(),
                row.same(2),
                row.same(3),
            ])
        },
        columns: "id, source_type, source, target_type, target, step",
        writes: vec![
            "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step)
             SELECT id, source_type, source, target_type, target, step FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_MODELS.to_owned(),
        count_into: "SELECT COUNT(*) FROM inputs WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT')",
    }
}
