//! Parameters and tags of runs.

use super::Schema;
use super::pipe::{Key, Pipe, key};
use crate::Kind::{Integer, Text};

const PARAMS: &str =
    "INSERT INTO run_params (run_no, key, experiment_no, value) SELECT r.run_no, v.key, r.experiment_no, v.value
     FROM v CROSS JOIN runs r WHERE r.run_id = v.run AND r.workspace_id = v.ws ON CONFLICT DO NOTHING";
const TAGS: &str =
    "INSERT INTO run_tags (run_no, key, experiment_no, value) SELECT r.run_no, v.key, r.experiment_no, v.value
     FROM v CROSS JOIN runs r WHERE r.run_id = v.run AND r.workspace_id = v.ws ON CONFLICT DO NOTHING";
/// Before MLflow 2 a run's name was in its tag alone.
const NAMES: &str = "UPDATE runs SET name = (SELECT v.value FROM v WHERE v.run = runs.run_id AND v.key = 'mlflow.runName')
     WHERE name = '' AND run_id IN (SELECT v.run FROM v WHERE v.key = 'mlflow.runName')";

const KEYS: &[Key] = &[key("t.key", 1), key("t.run_uuid", 0)];

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    vec![
        import(schema, "params", "params", vec![PARAMS], COUNT_PARAMS),
        import(schema, "tags", "tags", vec![TAGS, NAMES], COUNT_TAGS),
    ]
}

const COUNT_PARAMS: &str = "SELECT COUNT(*) FROM run_params p JOIN runs r ON r.run_no = p.run_no WHERE r.workspace_id = $1";
const COUNT_TAGS: &str =
    "SELECT COUNT(*) FROM run_tags t JOIN runs r ON r.run_no = t.run_no WHERE r.workspace_id = $1";

/// The runs of other workspaces fall away where the rows are written: they are not there.
fn import(
    schema: &Schema,
    noun: &'static str,
    table: &str,
    writes: Vec<&'static str>,
    count_into: &'static str,
) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    Pipe {
        noun,
        select: format!("SELECT t.run_uuid, t.key, t.value FROM {table} t WHERE 1 = 1"),
        keys: KEYS,
        kinds: &[Text, Text, Text],
        name: 1,
        convert: |context, row| {
            Ok(vec![
                context.workspace_id.as_str().into(),
                row.same(0),
                row.same(1),
                row.filled(2),
            ])
        },
        columns: "ws, run, key, value",
        writes,
        count_from: format!(
            "SELECT COUNT(*) FROM {table} t JOIN runs r ON r.run_uuid = t.run_uuid
             JOIN experiments e ON e.experiment_id = r.experiment_id WHERE {ours}"
        ),
        count_into,
    }
}

pub(super) fn exports() -> Vec<Pipe> {
    let export = |noun, table: &str, write, count_from: &str, count_into| Pipe {
        noun,
        select: format!(
            "SELECT r.run_id, t.key, t.value, t.run_no FROM {table} t JOIN runs r ON r.run_no = t.run_no WHERE r.workspace_id = $1"
        ),
        keys: const { &[key("t.run_no", 3), key("t.key", 1)] },
        kinds: &[Text, Text, Text, Integer],
        name: 1,
        convert: |_, row| Ok(vec![row.same(0), row.same(1), row.same(2)]),
        columns: "run, key, value",
        writes: vec![write],
        count_from: count_from.to_owned(),
        count_into,
    };
    vec![
        export(
            "params",
            "run_params",
            "INSERT INTO params (run_uuid, key, value) SELECT run, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
            COUNT_PARAMS,
            "SELECT COUNT(*) FROM params",
        ),
        export(
            "tags",
            "run_tags",
            "INSERT INTO tags (run_uuid, key, value) SELECT run, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
            COUNT_TAGS,
            "SELECT COUNT(*) FROM tags",
        ),
    ]
}
