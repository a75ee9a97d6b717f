//! Runs.

use super::experiments::stage;
use super::pipe::{Context, Converted, Pipe, key};
use super::places::{Root, Roots};
use super::{Schema, fields::Fields};
use crate::{Kind, Value};
use Kind::{Integer, Text};
use lazuli_spec::runs::RunStatus;

const COUNT_OURS: &str = "SELECT COUNT(*) FROM runs WHERE workspace_id = $1";
const FROM: &str = "FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id";

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    let ours = schema.in_workspace("experiments", "e");
    let deleted = schema.pick("runs", "r", "deleted_time", "BIGINT");
    vec![Pipe {
        noun: "runs",
        select: format!(
            "SELECT r.run_uuid, r.experiment_id, r.name, r.user_id, r.status, r.start_time, r.end_time, r.lifecycle_stage,
                 {deleted}, r.artifact_uri {FROM} WHERE {ours}"
        ),
        keys: const { &[key("r.run_uuid", 0)] },
        kinds: &[Text, Integer, Text, Text, Text, Integer, Integer, Text, Integer, Text],
        name: 0,
        convert: run,
        columns: "id, ws, experiment, name, person, status, begun, ended, stage, deleted, place",
        writes: vec![
            "INSERT INTO runs (run_id, workspace_id, experiment_no, experiment_id, name, user_id, status, start_time, end_time,
                 lifecycle_stage, deleted_at, artifact_uri)
             SELECT v.id, v.ws, e.experiment_no, e.experiment_id, v.name, v.person, v.status, v.begun, v.ended, v.stage, v.deleted, v.place
             FROM v CROSS JOIN experiments e WHERE e.workspace_id = v.ws AND e.experiment_id = v.experiment
             ON CONFLICT (run_id) DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) {FROM} WHERE {ours}"),
        count_into: COUNT_OURS,
    }]
}

fn run(context: &Context, row: &Fields) -> Converted {
    let word = row.opt_text(4).unwrap_or("RUNNING");
    let status = RunStatus::parse(word).ok_or_else(|| format!("`{word}` is no status of a run"))?;
    let id = row.text(0);
    lazuli_spec::runs::validate_id(&id).map_err(|error| error.0)?;
    let root = place(row.int(1), &id);
    Ok(vec![
        id.into(),
        context.workspace_id.as_str().into(),
        row.same(1),
        row.filled(2),
        row.filled(3),
        status.as_str().into(),
        row.micros(5),
        row.opt_micros(6),
        stage(row, 7)?,
        row.opt_micros(8),
        context.places.root(&row.text(9), &root).into(),
    ])
}

/// Where a run's files are behind our proxy.
pub(super) fn place(experiment: i64, run_id: &str) -> String {
    format!("{experiment}/{run_id}/artifacts")
}

pub(super) fn roots(schema: &Schema) -> Roots {
    let ours = schema.in_workspace("experiments", "e");
    Roots {
        pipe: Pipe {
            noun: "files of runs",
            select: format!(
                "SELECT r.run_uuid, r.experiment_id, r.artifact_uri {FROM} WHERE {ours}"
            ),
            keys: const { &[key("r.run_uuid", 0)] },
            kinds: &[Text, Integer, Text],
            name: 0,
            convert: |_, _| Ok(Vec::new()),
            columns: "",
            writes: Vec::new(),
            count_from: format!("SELECT COUNT(*) {FROM} WHERE {ours}"),
            count_into: COUNT_OURS,
        },
        root: |context, row| {
            Some(Root {
                name: format!("run {}", row.text(0)),
                theirs: context.places.below(row.opt_text(2)?)?,
                ours: place(row.int(1), &row.text(0)),
            })
        },
        address: |row| row.text(2),
    }
}

pub(super) fn exports() -> Vec<Pipe> {
    vec![Pipe {
        noun: "runs",
        select: "SELECT run_id, experiment_id, name, user_id, status, start_time, end_time, lifecycle_stage, deleted_at, artifact_uri
                 FROM runs WHERE workspace_id = $1"
            .to_owned(),
        keys: const { &[key("run_id", 0)] },
        kinds: &[Text, Integer, Text, Text, Text, Integer, Integer, Text, Integer, Text],
        name: 0,
        convert: |context, row| {
            Ok(vec![
                row.same(0),
                row.same(1),
                row.same(2),
                row.same(3),
                row.same(4),
                row.millis(5),
                row.millis(6),
                row.same(7),
                row.millis(8),
                context.places.exported(&row.text(9)).into(),
                Value::from("UNKNOWN"),
            ])
        },
        columns: "id, experiment, name, person, status, begun, ended, stage, deleted, place, kind",
        writes: vec![
            "INSERT INTO runs (run_uuid, experiment_id, name, user_id, status, start_time, end_time, lifecycle_stage, deleted_time,
                 artifact_uri, source_type, source_name, entry_point_name, source_version)
             SELECT id, experiment, name, person, status, begun, ended, stage, deleted, place, kind, '', '', '' FROM v WHERE true
             ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_OURS.to_owned(),
        count_into: "SELECT COUNT(*) FROM runs",
    }]
}
