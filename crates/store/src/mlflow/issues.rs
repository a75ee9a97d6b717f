//! Issues found in traces. The traces themselves say in their assessments which issues they show.

use lazuli_spec::issues::{IssueStatus, Severity};
use lazuli_spec::python_json;
use serde_json::Value as Json;

use super::pipe::{Context, Converted, Pipe, key};
use super::{Schema, fields::Fields};
use crate::Kind::{self, Integer, Text};
use crate::Value;

const COUNT: &str = "SELECT COUNT(*) FROM issues WHERE workspace_id = $1";
const KINDS: &[Kind] = &[
    Text, Integer, Text, Text, Text, Text, Text, Text, Text, Text, Integer, Integer,
];

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    if !schema.has("issues") {
        return Vec::new();
    }
    let ours = schema.in_workspace("experiments", "e");
    let from = "FROM issues i JOIN experiments e ON e.experiment_id = i.experiment_id";
    let categories = schema.pick("issues", "i", "categories", "TEXT");
    vec![Pipe {
        noun: "issues",
        select: format!(
            "SELECT i.issue_id, i.experiment_id, i.name, i.description, i.status, i.severity, i.root_causes, {categories},
                 i.source_run_id, i.created_by, i.created_timestamp, i.last_updated_timestamp {from} WHERE {ours}"
        ),
        keys: const { &[key("i.issue_id", 0)] },
        kinds: KINDS,
        name: 0,
        convert: imported,
        columns: "ws, id, experiment, name, description, status, severity, causes, categories, run, maker, made, changed",
        writes: vec![
            "INSERT INTO issues (issue_id, workspace_id, experiment_no, experiment_id, name, description, status, severity, root_causes,
                 categories, source_run_id, created_by, created_at, updated_at)
             SELECT v.id, v.ws, e.experiment_no, v.experiment, v.name, v.description, v.status, v.severity, v.causes, v.categories,
                 (SELECT r.run_id FROM runs r WHERE r.run_id = v.run AND r.workspace_id = v.ws), v.maker, v.made, v.changed
             FROM v CROSS JOIN experiments e WHERE e.workspace_id = v.ws AND e.experiment_id = v.experiment
             ON CONFLICT (issue_id) DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) {from} WHERE {ours}"),
        count_into: COUNT,
    }]
}

fn imported(context: &Context, row: &Fields) -> Converted {
    let status = IssueStatus::parse(&row.text(4)).map_err(|error| error.0)?;
    let severity = row.opt_text(5).filter(|word| !word.is_empty());
    let severity = severity.map(Severity::parse).transpose();
    let severity = severity.map_err(|error| error.0)?;
    Ok(vec![
        context.workspace_id.as_str().into(),
        row.same(0),
        row.same(1),
        row.filled(2),
        row.filled(3),
        status.as_str().into(),
        Severity::rank(severity).into(),
        texts(row, 6, "root causes")?,
        texts(row, 7, "categories")?,
        row.same(8),
        row.same(9),
        row.micros(10),
        row.micros(11),
    ])
}

/// A list of texts as ours, which is never null.
fn texts(row: &Fields, index: usize, what: &str) -> Result<Value, String> {
    let Some(text) = row.opt_text(index).filter(|text| !text.is_empty()) else {
        return Ok("[]".into());
    };
    let list: Vec<String> = serde_json::from_str(text)
        .map_err(|_| format!("its {what} are no list of texts in JSON"))?;
    Ok(Json::from(list).to_string().into())
}

pub(super) fn exports() -> Vec<Pipe> {
    vec![Pipe {
        noun: "issues",
        select: "SELECT i.issue_id, i.experiment_id, i.name, i.description, i.status, i.severity, i.root_causes, i.categories,
                     i.source_run_id, i.created_by, i.created_at, i.updated_at FROM issues i WHERE i.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("i.issue_id", 0)] },
        kinds: const {
            &[
                Text, Integer, Text, Text, Text, Integer, Text, Text, Text, Text, Integer, Integer,
            ]
        },
        name: 0,
        convert: |_, row| Ok(exported(row)),
        columns: "id, experiment, name, description, status, severity, causes, categories, run, maker, made, changed",
        writes: vec![
            "INSERT INTO issues (issue_id, experiment_id, name, description, status, severity, root_causes, categories, source_run_id,
                 created_by, created_timestamp, last_updated_timestamp)
             SELECT id, experiment, name, description, status, severity, causes, categories, run, maker, made, changed FROM v WHERE true
             ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT.to_owned(),
        count_into: "SELECT COUNT(*) FROM issues",
    }]
}

fn exported(row: &Fields) -> Vec<Value> {
    let severity = Severity::at_rank(row.int(5));
    let list = |index: usize| match serde_json::from_str::<Json>(&row.text(index)) {
        Ok(Json::Array(items)) if items.is_empty() => Value::Null(Text),
        Ok(list) => python_json::text(&list).into(),
        Err(_) => row.same(index),
    };
    vec![
        row.same(0),
        row.same(1),
        row.same(2),
        row.same(3),
        row.same(4),
        severity.map_or(Value::Null(Text), |one| one.as_str().into()),
        list(6),
        list(7),
        row.same(8),
        row.same(9),
        row.millis(10),
        row.millis(11),
    ]
}
