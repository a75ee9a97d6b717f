//! Model versions, with their stages, sources and tags.

use super::logged_models::some_text;
use super::pipe::{Context, Converted, Pipe, key};
use super::places::{Moved, Root, Roots};
use super::{Schema, fields::Fields, logged_models, runs};
use crate::Kind::{Integer, Text};
use crate::{Kind, Value};
use lazuli_spec::models::Stage;

/// MLflow's stage of a version that was deleted and keeps its number.
const DELETED: &str = "Deleted_Internal";

const COUNT_VERSIONS: &str = "SELECT COUNT(*) FROM model_versions WHERE workspace_id = $1";
const COUNT_TAGS: &str =
    "SELECT COUNT(*) FROM model_version_tags t JOIN model_versions v ON v.version_no = t.version_no
    WHERE v.workspace_id = $1";

const KINDS: &[Kind] = &[
    Text, Integer, Integer, Integer, Text, Text, Text, Text, Text, Text, Text, Text, Integer, Text,
    Text, Integer,
];

/// The columns that a version's row and its files' place are made from, with the run and the logged model it came from.
fn select(schema: &Schema) -> String {
    let ours = schema.in_workspace("model_versions", "v");
    let pick = |column: &str, sql_type: &str| schema.pick("model_versions", "v", column, sql_type);
    let (model, join) = if schema.has("logged_models") {
        (
            "m.model_id, m.artifact_location, m.experiment_id",
            "LEFT JOIN logged_models m ON v.source = 'models:/' || m.model_id",
        )
    } else {
        (
            "CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS BIGINT)",
            "",
        )
    };
    format!(
        "SELECT v.name, v.version, v.creation_time, v.last_updated_time, v.description, {}, v.current_stage, v.source, v.run_id,
             v.run_link, {}, r.artifact_uri, r.experiment_id, {model}
         FROM model_versions v LEFT JOIN runs r ON r.run_uuid = v.run_id {join} WHERE {ours}",
        pick("user_id", "TEXT"),
        pick("storage_location", "TEXT")
    )
}

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    let ours = schema.in_workspace("model_versions", "v");
    let versions = Pipe {
        noun: "model versions",
        select: select(schema),
        keys: const { &[key("v.name", 0), key("v.version", 1)] },
        kinds: KINDS,
        name: 0,
        convert: version,
        columns: "ws, name, version, number, source, place, run, link, model, description, person, stage, gone, made, changed",
        writes: vec![
            "INSERT INTO model_versions (workspace_id, model_no, version, number, type, source, location, tree, run_id, run_link,
                 model_id, job, description, user_id, stage, archived, deleted, properties, created_at, updated_at)
             SELECT v.ws, m.model_no, v.version, v.number, 'mlflow_model', v.source, v.place, NULL, v.run, v.link,
                 v.model, NULL, v.description, v.person, v.stage, 0, v.gone, '[]', v.made, v.changed
             FROM v CROSS JOIN registered_models m WHERE m.workspace_id = v.ws AND m.name = v.name
             ON CONFLICT (model_no, version) DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) FROM model_versions v WHERE {ours}"),
        count_into: COUNT_VERSIONS,
    };
    let mut pipes = vec![versions];
    if schema.has("model_version_tags") {
        pipes.push(tags(schema));
    }
    pipes
}

/// The roots that a version's files may be in: its run's and its logged model's, theirs and ours.
fn owners(row: &Fields) -> Vec<(&str, String)> {
    let mut owners = Vec::new();
    if let (Some(run), Some(root)) = (row.opt_text(8), row.opt_text(11)) {
        owners.push((root, runs::place(row.int(12), run)));
    }
    if let (Some(model), Some(root)) = (row.opt_text(13), row.opt_text(14)) {
        owners.push((root, logged_models::place(row.int(15), model)));
    }
    owners
}

/// Where MLflow's clients find the files: what MLflow noted, or the source, with its run or logged model looked up.
fn location(row: &Fields) -> String {
    let source = row.text(7);
    let noted = row.opt_text(10).filter(|noted| !noted.is_empty());
    let place = noted.unwrap_or(&source);
    let of_run = row
        .opt_text(8)
        .and_then(|run| place.strip_prefix(&format!("runs:/{run}")));
    if let (Some(path), Some(root)) = (of_run, row.opt_text(11)) {
        return format!("{}{path}", root.trim_end_matches('/'));
    }
    match row.opt_text(14) {
        Some(root) if place.starts_with("models:/") => root.to_owned(),
        _ => place.to_owned(),
    }
}

fn version(context: &Context, row: &Fields) -> Converted {
    let gone = row.opt_text(6) == Some(DELETED);
    let word = row.opt_text(6).filter(|_| !gone).unwrap_or("None");
    let stage = Stage::parse(word).map_err(|error| error.0)?;
    let model = row.text(7);
    let model = model
        .strip_prefix("models:/")
        .filter(|id| id.starts_with("m-") && !id.contains(['/', '@']));
    let number = row.int(1);
    Ok(vec![
        context.workspace_id.as_str().into(),
        row.same(0),
        number.to_string().into(),
        number.into(),
        moved(context, row, &row.text(7)).into(),
        moved(context, row, &location(row)).into(),
        some_text(row, 8),
        some_text(row, 9),
        model.map_or(Value::Null(Text), Value::from),
        row.same(4),
        row.filled(5),
        stage.as_str().into(),
        gone.into(),
        row.micros(2),
        row.micros(3),
    ])
}

fn moved(context: &Context, row: &Fields, address: &str) -> String {
    match context.places.moved(address, &owners(row)) {
        Moved::Owned(ours) => ours,
        Moved::Alone(root) => super::places::proxied(&root.ours),
        Moved::Kept => address.to_owned(),
    }
}

/// Files of versions that are in no run's or logged model's folder: the run was deleted for good, or they were put there by hand.
pub(super) fn roots(schema: &Schema) -> Roots {
    Roots {
        pipe: Pipe {
            noun: "files of model versions",
            select: select(schema),
            keys: const { &[key("v.name", 0), key("v.version", 1)] },
            kinds: KINDS,
            name: 0,
            convert: |_, _| Ok(Vec::new()),
            columns: "",
            writes: Vec::new(),
            count_from: format!(
                "SELECT COUNT(*) FROM model_versions v WHERE {}",
                schema.in_workspace("model_versions", "v")
            ),
            count_into: COUNT_VERSIONS,
        },
        root: |context, row| match context.places.moved(&location(row), &owners(row)) {
            Moved::Alone(root) => Some(Root {
                name: format!("model version {}/{}", row.text(0), row.int(1)),
                ..root
            }),
            Moved::Owned(_) | Moved::Kept => None,
        },
        address: location,
    }
}

fn tags(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("model_version_tags", "t");
    Pipe {
        noun: "model version tags",
        select: format!("SELECT t.name, t.version, t.key, t.value FROM model_version_tags t WHERE {ours}"),
        keys: const { &[key("t.key", 2), key("t.name", 0), key("t.version", 1)] },
        kinds: &[Text, Integer, Text, Text],
        name: 2,
        convert: |context, row| {
            Ok(vec![
                context.workspace_id.as_str().into(),
                row.same(0),
                row.int(1).to_string().into(),
                row.same(2),
                row.filled(3),
            ])
        },
        columns: "ws, name, version, key, value",
        writes: vec![
            "INSERT INTO model_version_tags (version_no, key, value) SELECT n.version_no, v.key, v.value
             FROM v CROSS JOIN registered_models m CROSS JOIN model_versions n
             WHERE m.workspace_id = v.ws AND m.name = v.name AND n.model_no = m.model_no AND n.version = v.version ON CONFLICT DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) FROM model_version_tags t WHERE {ours}"),
        count_into: COUNT_TAGS,
    }
}

/// MLflow's versions are numbers.
pub(super) fn number(version: &str) -> Result<i64, String> {
    version
        .parse()
        .map_err(|_| format!("MLflow's versions are numbers, `{version}` is none"))
}

pub(super) fn exports() -> Vec<Pipe> {
    let versions = Pipe {
        noun: "model versions",
        select: "SELECT m.name, v.version, v.created_at, v.updated_at, v.description, v.user_id, v.stage, v.source, v.run_id, v.run_link,
                     v.location, v.deleted, v.version_no
                 FROM model_versions v JOIN registered_models m ON m.model_no = v.model_no WHERE v.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("v.version_no", 12)] },
        kinds: &[
            Text, Text, Integer, Integer, Text, Text, Text, Text, Text, Text, Text, Integer, Integer,
        ],
        name: 0,
        convert: |context, row| {
            let stage = if row.int(11) == 1 { DELETED.into() } else { row.same(6) };
            Ok(vec![
                row.same(0),
                number(&row.text(1))?.into(),
                row.millis(2),
                row.millis(3),
                row.same(4),
                row.same(5),
                stage,
                context.places.exported(&row.text(7)).into(),
                row.same(8),
                row.same(9),
                context.places.exported(&row.text(10)).into(),
                "READY".into(),
            ])
        },
        columns: "name, version, made, changed, description, person, stage, source, run, link, place, status",
        writes: vec![
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, user_id, current_stage, source,
                 run_id, run_link, storage_location, status)
             SELECT name, version, made, changed, description, person, stage, source, run, link, place, status FROM v WHERE true
             ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_VERSIONS.to_owned(),
        count_into: "SELECT COUNT(*) FROM model_versions",
    };
    let tags = Pipe {
        noun: "model version tags",
        select: "SELECT m.name, v.version, t.key, t.value, t.version_no FROM model_version_tags t
                 JOIN model_versions v ON v.version_no = t.version_no JOIN registered_models m ON m.model_no = v.model_no
                 WHERE v.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("t.version_no", 4), key("t.key", 2)] },
        kinds: &[Text, Text, Text, Text, Integer],
        name: 2,
        convert: |_, row| {
            Ok(vec![row.same(0), number(&row.text(1))?.into(), row.same(2), row.same(3)])
        },
        columns: "name, version, key, value",
        writes: vec![
            "INSERT INTO model_version_tags (name, version, key, value) SELECT name, version, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_TAGS.to_owned(),
        count_into: "SELECT COUNT(*) FROM model_version_tags",
    };
    vec![versions, tags]
}
