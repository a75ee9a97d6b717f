//! Evaluation data sets with their records, and scorers with their versions.

use lazuli_spec::evaluation_records::SentRecord;
use lazuli_spec::python_json;
use lazuli_spec::trees::ContentHash;
use serde_json::Value as Json;

use super::pipe::{Context, Converted, Pipe, key};
use super::{Schema, fields::Fields};
use crate::Kind::{self, Integer, Real, Text};
use crate::Value;

/// MLflow keeps outputs below this key, because they may be anything.
const WRAPPED: &str = "mlflow_wrapped";

const COUNT_SETS: &str = "SELECT COUNT(*) FROM evaluation_datasets WHERE workspace_id = $1";
const COUNT_TAGS: &str = "SELECT COUNT(*) FROM evaluation_dataset_tags p JOIN evaluation_datasets d ON d.dataset_no = p.dataset_no
    WHERE d.workspace_id = $1";
const COUNT_RECORDS: &str = "SELECT COUNT(*) FROM evaluation_records p JOIN evaluation_datasets d ON d.dataset_no = p.dataset_no
    WHERE d.workspace_id = $1";
const COUNT_EXPERIMENTS: &str = "SELECT COUNT(*) FROM evaluation_dataset_experiments p
    JOIN evaluation_datasets d ON d.dataset_no = p.dataset_no WHERE d.workspace_id = $1";
const COUNT_SCORERS: &str = "SELECT COUNT(*) FROM scorers WHERE workspace_id = $1";
const COUNT_VERSIONS: &str = "SELECT COUNT(*) FROM scorer_versions p JOIN scorers s ON s.scorer_id = p.scorer_id WHERE s.workspace_id = $1";
const COUNT_RULES: &str = "SELECT COUNT(*) FROM online_scoring_configs p JOIN scorers s ON s.scorer_id = p.scorer_id WHERE s.workspace_id = $1";

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    let mut pipes = Vec::new();
    if schema.has("evaluation_datasets") && schema.has("evaluation_dataset_records") {
        pipes.extend([sets(schema), set_tags(schema), records(schema)]);
        if schema.has("entity_associations") {
            pipes.push(set_experiments(schema));
        }
    }
    if schema.has("scorers") && schema.has("scorer_versions") {
        pipes.extend(scorers(schema));
    }
    pipes
}

fn sets(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("evaluation_datasets", "d");
    Pipe {
        noun: "evaluation datasets",
        select: format!(
            "SELECT d.dataset_id, d.name, d.schema, d.digest, d.created_time, d.last_update_time, d.created_by, d.last_updated_by,
                 (SELECT COUNT(*) FROM evaluation_dataset_records r WHERE r.dataset_id = d.dataset_id)
             FROM evaluation_datasets d WHERE {ours}"
        ),
        keys: const { &[key("d.dataset_id", 0)] },
        kinds: &[Text, Text, Text, Text, Integer, Integer, Text, Text, Integer],
        name: 1,
        convert: |context, row| {
            Ok(vec![
                row.same(0),
                context.workspace_id.as_str().into(),
                row.filled(1),
                row.same(2),
                row.same(8),
                row.filled(3),
                row.micros(4),
                row.micros(5),
                row.same(6),
                row.same(7),
            ])
        },
        columns: "id, ws, name, fields, records, digest, made, changed, maker, changer",
        writes: vec![
            "INSERT INTO evaluation_datasets (dataset_id, workspace_id, name, dataset_schema, records, digest, created_at, updated_at,
                 created_by, last_updated_by)
             SELECT id, ws, name, fields, records, digest, made, changed, maker, changer FROM v WHERE true
             ON CONFLICT (dataset_id) DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) FROM evaluation_datasets d WHERE {ours}"),
        count_into: COUNT_SETS,
    }
}

fn set_tags(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("evaluation_datasets", "d");
    Pipe {
        noun: "evaluation dataset tags",
        select: "SELECT t.dataset_id, t.key, t.value FROM evaluation_dataset_tags t WHERE 1 = 1".to_owned(),
        keys: const { &[key("t.dataset_id", 0), key("t.key", 1)] },
        kinds: &[Text, Text, Text],
        name: 1,
        convert: |context, row| {
            Ok(vec![context.workspace_id.as_str().into(), row.same(0), row.same(1), row.filled(2)])
        },
        columns: "ws, id, key, value",
        writes: vec![
            "INSERT INTO evaluation_dataset_tags (dataset_no, key, value) SELECT d.dataset_no, v.key, v.value
             FROM v CROSS JOIN evaluation_datasets d WHERE d.dataset_id = v.id AND d.workspace_id = v.ws ON CONFLICT DO NOTHING",
        ],
        count_from: format!(
            "SELECT COUNT(*) FROM evaluation_dataset_tags t JOIN evaluation_datasets d ON d.dataset_id = t.dataset_id WHERE {ours}"
        ),
        count_into: COUNT_TAGS,
    }
}

const RECORD: &[Kind] = &[
    Text, Text, Text, Text, Text, Text, Text, Integer, Integer, Text, Text, Integer,
];

/// In the order in which MLflow shows them: ours keep the order in which they come.
fn records(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("evaluation_datasets", "d");
    let outputs = schema.pick("evaluation_dataset_records", "r", "outputs", "TEXT");
    Pipe {
        noun: "evaluation records",
        select: format!(
            "SELECT r.dataset_record_id, r.dataset_id, CAST(r.inputs AS TEXT), CAST({outputs} AS TEXT), CAST(r.expectations AS TEXT),
                 CAST(r.tags AS TEXT), CAST(r.source AS TEXT), r.created_time, r.last_update_time, r.created_by, r.last_updated_by,
                 COALESCE(r.created_time, 0)
             FROM evaluation_dataset_records r WHERE 1 = 1"
        ),
        keys: const { &[key("COALESCE(r.created_time, 0)", 11), key("r.dataset_record_id", 0)] },
        kinds: RECORD,
        name: 0,
        convert: record,
        columns: "ws, id, dataset, hash, inputs, outputs, expectations, tags, source, made, changed, maker, changer",
        writes: vec![
            "INSERT INTO evaluation_records (record_id, dataset_no, input_hash, inputs, outputs, expectations, tags, source, created_at,
                 updated_at, created_by, last_updated_by)
             SELECT v.id, d.dataset_no, v.hash, v.inputs, v.outputs, v.expectations, v.tags, v.source, v.made, v.changed, v.maker, v.changer
             FROM v CROSS JOIN evaluation_datasets d WHERE d.dataset_id = v.dataset AND d.workspace_id = v.ws ON CONFLICT DO NOTHING",
        ],
        count_from: format!(
            "SELECT COUNT(*) FROM evaluation_dataset_records r JOIN evaluation_datasets d ON d.dataset_id = r.dataset_id WHERE {ours}"
        ),
        count_into: COUNT_RECORDS,
    }
}

/// JSON in a column; a JSON null is none.
fn json(row: &Fields, index: usize) -> Result<Option<Json>, String> {
    let text = row.opt_text(index).filter(|text| !text.is_empty());
    let parsed = text.map(serde_json::from_str).transpose();
    let parsed: Option<Json> = parsed.map_err(|error| format!("a value is no JSON: {error}"))?;
    Ok(parsed.filter(|value| !value.is_null()))
}

fn text(value: Option<&Json>) -> Value {
    value.map_or(Value::Null(Text), |value| Value::Text(value.to_string()))
}

fn record(context: &Context, row: &Fields) -> Converted {
    let Some(Json::Object(inputs)) = json(row, 2)? else {
        return Err("its inputs are no JSON object".to_owned());
    };
    let sent = SentRecord {
        inputs,
        outputs: None,
        expectations: None,
        tags: None,
        source: None,
    };
    let outputs = json(row, 3)?.map(|outputs| outputs.get(WRAPPED).cloned().unwrap_or(outputs));
    let tags = json(row, 5)?.unwrap_or_else(|| Json::Object(serde_json::Map::new()));
    Ok(vec![
        context.workspace_id.as_str().into(),
        row.same(0),
        row.same(1),
        sent.input_hash().into(),
        text(Some(&Json::Object(sent.inputs))),
        text(outputs.as_ref()),
        text(json(row, 4)?.as_ref()),
        text(Some(&tags)),
        text(json(row, 6)?.as_ref()),
        row.micros(7),
        row.micros(8),
        row.same(9),
        row.same(10),
    ])
}

fn set_experiments(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("evaluation_datasets", "d");
    let what = "a.source_type = 'evaluation_dataset' AND a.destination_type = 'experiment'";
    Pipe {
        noun: "experiments of evaluation datasets",
        select: format!("SELECT a.source_id, a.destination_id FROM entity_associations a WHERE {what}"),
        keys: const { &[key("a.source_id", 0), key("a.destination_id", 1)] },
        kinds: &[Text, Text],
        name: 0,
        convert: |context, row| {
            let experiment: i64 = row.text(1).parse().map_err(|_| "it names no experiment".to_owned())?;
            Ok(vec![context.workspace_id.as_str().into(), row.same(0), experiment.into()])
        },
        columns: "ws, id, experiment",
        writes: vec![
            "INSERT INTO evaluation_dataset_experiments (dataset_no, experiment_no) SELECT d.dataset_no, e.experiment_no
             FROM v CROSS JOIN evaluation_datasets d CROSS JOIN experiments e WHERE d.dataset_id = v.id AND d.workspace_id = v.ws
               AND e.workspace_id = v.ws AND e.experiment_id = v.experiment ON CONFLICT DO NOTHING",
        ],
        count_from: format!(
            "SELECT COUNT(*) FROM entity_associations a JOIN evaluation_datasets d ON d.dataset_id = a.source_id
             JOIN experiments e ON CAST(e.experiment_id AS VARCHAR(36)) = a.destination_id WHERE {what} AND {ours}"
        ),
        count_into: COUNT_EXPERIMENTS,
    }
}

fn scorers(schema: &Schema) -> Vec<Pipe> {
    let ours = schema.in_workspace("experiments", "e");
    let from = "FROM scorers s JOIN experiments e ON e.experiment_id = s.experiment_id";
    let mut pipes = vec![
        Pipe {
            noun: "scorers",
            select: format!("SELECT s.scorer_id, s.experiment_id, s.scorer_name {from} WHERE {ours}"),
            keys: const { &[key("s.scorer_id", 0)] },
            kinds: &[Text, Integer, Text],
            name: 2,
            convert: |context, row| {
                Ok(vec![context.workspace_id.as_str().into(), row.same(0), row.same(1), row.same(2)])
            },
            columns: "ws, id, experiment, name",
            writes: vec![
                "INSERT INTO scorers (scorer_id, workspace_id, experiment_no, name) SELECT v.id, v.ws, e.experiment_no, v.name
                 FROM v CROSS JOIN experiments e WHERE e.workspace_id = v.ws AND e.experiment_id = v.experiment
                 ON CONFLICT DO NOTHING",
            ],
            count_from: format!("SELECT COUNT(*) {from} WHERE {ours}"),
            count_into: COUNT_SCORERS,
        },
        Pipe {
            noun: "scorer versions",
            select: "SELECT p.scorer_id, p.scorer_version, p.serialized_scorer, p.creation_time FROM scorer_versions p WHERE 1 = 1"
                .to_owned(),
            keys: const { &[key("p.scorer_id", 0), key("p.scorer_version", 1)] },
            kinds: &[Text, Integer, Text, Integer],
            name: 0,
            convert: |context, row| {
                Ok(vec![
                    context.workspace_id.as_str().into(),
                    row.same(0),
                    row.same(1),
                    row.same(2),
                    row.micros(3),
                ])
            },
            columns: "ws, id, version, text, made",
            writes: vec![
                "INSERT INTO scorer_versions (scorer_id, version, serialized, created_at) SELECT s.scorer_id, v.version, v.text, v.made
                 FROM v CROSS JOIN scorers s WHERE s.scorer_id = v.id AND s.workspace_id = v.ws ON CONFLICT DO NOTHING",
            ],
            count_from: format!(
                "SELECT COUNT(*) FROM scorer_versions p JOIN scorers s ON s.scorer_id = p.scorer_id
                 JOIN experiments e ON e.experiment_id = s.experiment_id WHERE {ours}"
            ),
            count_into: COUNT_VERSIONS,
        },
    ];
    if schema.has("online_scoring_configs") {
        pipes.push(Pipe {
            noun: "online scoring rules",
            select: "SELECT p.online_scoring_config_id, p.scorer_id, p.sample_rate, p.filter_string FROM online_scoring_configs p
                     WHERE 1 = 1"
                .to_owned(),
            keys: const { &[key("p.online_scoring_config_id", 0)] },
            kinds: &[Text, Text, Real, Text],
            name: 0,
            convert: |context, row| {
                Ok(vec![
                    context.workspace_id.as_str().into(),
                    row.same(0),
                    row.same(1),
                    row.same(2),
                    row.same(3),
                ])
            },
            columns: "ws, id, scorer, rate, filter",
            writes: vec![
                "INSERT INTO online_scoring_configs (scorer_id, config_id, sample_rate, filter) SELECT s.scorer_id, v.id, v.rate, v.filter
                 FROM v CROSS JOIN scorers s WHERE s.scorer_id = v.scorer AND s.workspace_id = v.ws ON CONFLICT DO NOTHING",
            ],
            count_from: format!(
                "SELECT COUNT(*) FROM online_scoring_configs p JOIN scorers s ON s.scorer_id = p.scorer_id
                 JOIN experiments e ON e.experiment_id = s.experiment_id WHERE {ours}"
            ),
            count_into: COUNT_RULES,
        });
    }
    pipes
}

pub(super) fn exports() -> Vec<Pipe> {
    let mut pipes = set_exports();
    pipes.extend(scorer_exports());
    pipes
}

fn set_exports() -> Vec<Pipe> {
    let of_workspace = "JOIN evaluation_datasets d ON d.dataset_no = p.dataset_no";
    let sets = Pipe {
        noun: "evaluation datasets",
        select: "SELECT dataset_id, name, dataset_schema, digest, created_at, updated_at, created_by, last_updated_by, records
                 FROM evaluation_datasets WHERE workspace_id = $1"
            .to_owned(),
        keys: const { &[key("dataset_id", 0)] },
        kinds: &[Text, Text, Text, Text, Integer, Integer, Text, Text, Integer],
        name: 1,
        convert: |_, row| {
            let profile = match row.int(8) {
                0 => Value::Null(Text),
                count => format!("{{\"num_records\": {count}}}").into(),
            };
            Ok(vec![
                row.same(0),
                row.same(1),
                row.same(2),
                row.same(3),
                row.millis(4),
                row.millis(5),
                row.same(6),
                row.same(7),
                profile,
            ])
        },
        columns: "id, name, fields, digest, made, changed, maker, changer, profile",
        writes: vec![
            "INSERT INTO evaluation_datasets (dataset_id, name, schema, digest, created_time, last_update_time, created_by,
                 last_updated_by, profile)
             SELECT id, name, fields, digest, made, changed, maker, changer, profile FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_SETS.to_owned(),
        count_into: "SELECT COUNT(*) FROM evaluation_datasets",
    };
    let tags = Pipe {
        noun: "evaluation dataset tags",
        select: format!(
            "SELECT d.dataset_id, p.key, p.value, p.dataset_no FROM evaluation_dataset_tags p {of_workspace} WHERE d.workspace_id = $1"
        ),
        keys: const { &[key("p.dataset_no", 3), key("p.key", 1)] },
        kinds: &[Text, Text, Text, Integer],
        name: 1,
        convert: |_, row| Ok(vec![row.same(0), row.same(1), row.same(2)]),
        columns: "id, key, value",
        writes: vec![
            "INSERT INTO evaluation_dataset_tags (dataset_id, key, value) SELECT id, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_TAGS.to_owned(),
        count_into: "SELECT COUNT(*) FROM evaluation_dataset_tags",
    };
    let records = Pipe {
        noun: "evaluation records",
        select: format!(
            "SELECT p.record_id, d.dataset_id, p.inputs, p.outputs, p.expectations, p.tags, p.source, p.created_at, p.updated_at,
                 p.created_by, p.last_updated_by, p.record_no FROM evaluation_records p {of_workspace} WHERE d.workspace_id = $1"
        ),
        keys: const { &[key("p.record_no", 11)] },
        kinds: RECORD,
        name: 0,
        convert: record_out,
        columns: "id, dataset, hash, inputs, outputs, expectations, tags, source, source_type, made, changed, maker, changer",
        // MLflow's columns are of type JSON, which SQLite has not
        writes: vec![
            "INSERT INTO evaluation_dataset_records (dataset_record_id, dataset_id, input_hash, inputs, outputs, expectations, tags, source,
                 source_type, created_time, last_update_time, created_by, last_updated_by)
             SELECT id, dataset, hash, CAST(inputs AS /*sqlite:TEXT*//*postgres:JSON*/), CAST(outputs AS /*sqlite:TEXT*//*postgres:JSON*/),
                 CAST(expectations AS /*sqlite:TEXT*//*postgres:JSON*/), CAST(tags AS /*sqlite:TEXT*//*postgres:JSON*/),
                 CAST(source AS /*sqlite:TEXT*//*postgres:JSON*/), source_type, made, changed, maker, changer
             FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_RECORDS.to_owned(),
        count_into: "SELECT COUNT(*) FROM evaluation_dataset_records",
    };
    let experiments = Pipe {
        noun: "experiments of evaluation datasets",
        select: "SELECT d.dataset_id, e.experiment_id, p.dataset_no, p.experiment_no FROM evaluation_dataset_experiments p
                 JOIN evaluation_datasets d ON d.dataset_no = p.dataset_no JOIN experiments e ON e.experiment_no = p.experiment_no
                 WHERE d.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("p.dataset_no", 2), key("p.experiment_no", 3)] },
        kinds: &[Text, Integer, Integer, Integer],
        name: 0,
        convert: |_, row| {
            let experiment = row.int(1).to_string();
            let id = super::datasets::id(&format!("{} {experiment}", row.text(0)), &[]);
            Ok(vec![id, row.same(0), experiment.into()])
        },
        columns: "id, dataset, experiment",
        writes: vec![
            "INSERT INTO entity_associations (association_id, source_type, source_id, destination_type, destination_id)
             SELECT id, 'evaluation_dataset', dataset, 'experiment', experiment FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_EXPERIMENTS.to_owned(),
        count_into: "SELECT COUNT(*) FROM entity_associations WHERE source_type = 'evaluation_dataset' AND destination_type = 'experiment'",
    };
    vec![sets, tags, records, experiments]
}

/// Objects with their keys in order, all the way down.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(fields) => {
            let in_order: std::collections::BTreeMap<_, _> = fields.iter().collect();
            let fields = in_order.into_iter();
            Json::Object(
                fields
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect(),
            )
        }
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn record_out(_: &Context, row: &Fields) -> Converted {
    let inputs = json(row, 2)?.unwrap_or_default();
    let hash = ContentHash::of(python_json::text(&sorted(&inputs)).as_bytes());
    let outputs = json(row, 3)?.map(|outputs| serde_json::json!({ WRAPPED: outputs }));
    let kind =
        json(row, 6)?.and_then(|source| Some(source.get("source_type")?.as_str()?.to_owned()));
    Ok(vec![
        row.same(0),
        row.same(1),
        hash.as_str().into(),
        row.same(2),
        text(outputs.as_ref()),
        row.same(4),
        row.same(5),
        row.same(6),
        kind.map_or(Value::Null(Text), Value::Text),
        row.millis(7),
        row.millis(8),
        row.same(9),
        row.same(10),
    ])
}

fn scorer_exports() -> Vec<Pipe> {
    let scorers = Pipe {
        noun: "scorers",
        select: "SELECT s.scorer_id, e.experiment_id, s.name FROM scorers s JOIN experiments e ON e.experiment_no = s.experiment_no
                 WHERE s.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("s.scorer_id", 0)] },
        kinds: &[Text, Integer, Text],
        name: 2,
        convert: |_, row| Ok(vec![row.same(0), row.same(1), row.same(2)]),
        columns: "id, experiment, name",
        writes: vec![
            "INSERT INTO scorers (scorer_id, experiment_id, scorer_name) SELECT id, experiment, name FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_SCORERS.to_owned(),
        count_into: "SELECT COUNT(*) FROM scorers",
    };
    let versions = Pipe {
        noun: "scorer versions",
        select: "SELECT p.scorer_id, p.version, p.serialized, p.created_at FROM scorer_versions p JOIN scorers s ON s.scorer_id = p.scorer_id
                 WHERE s.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("p.scorer_id", 0), key("p.version", 1)] },
        kinds: &[Text, Integer, Text, Integer],
        name: 0,
        convert: |_, row| Ok(vec![row.same(0), row.same(1), row.same(2), row.millis(3)]),
        columns: "id, version, text, made",
        writes: vec![
            "INSERT INTO scorer_versions (scorer_id, scorer_version, serialized_scorer, creation_time)
             SELECT id, version, text, made FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_VERSIONS.to_owned(),
        count_into: "SELECT COUNT(*) FROM scorer_versions",
    };
    let rules = Pipe {
        noun: "online scoring rules",
        select: "SELECT p.config_id, p.scorer_id, p.sample_rate, p.filter, e.experiment_id FROM online_scoring_configs p
                 JOIN scorers s ON s.scorer_id = p.scorer_id JOIN experiments e ON e.experiment_no = s.experiment_no WHERE s.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("p.config_id", 0)] },
        kinds: &[Text, Text, Real, Text, Integer],
        name: 0,
        convert: |_, row| Ok((0..5).map(|index| row.same(index)).collect()),
        columns: "id, scorer, rate, filter, experiment",
        writes: vec![
            "INSERT INTO online_scoring_configs (online_scoring_config_id, scorer_id, sample_rate, filter_string, experiment_id)
             SELECT id, scorer, rate, filter, experiment FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_RULES.to_owned(),
        count_into: "SELECT COUNT(*) FROM online_scoring_configs",
    };
    vec![scorers, versions, rules]
}
