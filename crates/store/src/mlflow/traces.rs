//! Traces with their tags and metadata, and what they are linked to.
//!
//! Both sides keep the name, the session, the tokens and the cost in columns of their own; older MLflow had them among the
//! tags and metadata, from where they are taken as those rows come.

use lazuli_spec::traces::{
    Cost, META_COST, META_SESSION, META_TOKENS, TAG_ARTIFACTS, TAG_NAME, TokenUsage, TraceState,
};

use super::pipe::{Context, Pipe, key};
use super::places::{Root, Roots};
use super::{Schema, fields::Fields};
use crate::Kind::{self, Integer, Real, Text};
use crate::Value;

const FROM: &str = "FROM trace_info i JOIN experiments e ON e.experiment_id = i.experiment_id";
const TAG_FROM: &str = "FROM trace_tags t JOIN trace_info i ON i.request_id = t.request_id
    JOIN experiments e ON e.experiment_id = i.experiment_id";

const COUNT_TRACES: &str = "SELECT COUNT(*) FROM traces WHERE workspace_id = $1";
const COUNT_TAGS: &str = "SELECT COUNT(*) FROM trace_tags p JOIN traces t ON t.trace_no = p.trace_no WHERE t.workspace_id = $1";
const COUNT_METADATA: &str = "SELECT COUNT(*) FROM trace_metadata p JOIN traces t ON t.trace_no = p.trace_no WHERE t.workspace_id = $1";
const COUNT_RUNS: &str = "SELECT COUNT(*) FROM trace_runs p JOIN traces t ON t.workspace_id = p.workspace_id AND t.trace_id = p.trace_id WHERE p.workspace_id = $1";
const COUNT_PROMPTS: &str = "SELECT COUNT(*) FROM trace_prompts p JOIN traces t ON t.trace_no = p.trace_no WHERE t.workspace_id = $1";

const KINDS: &[Kind] = &[
    Text, Integer, Integer, Integer, Text, Text, Text, Text, Text, Text, Integer, Integer, Integer,
    Integer, Integer, Integer, Real, Real, Real,
];
/// Columns from the name on, the same on both sides but for the first.
const MEASURES: [(&str, &str); 11] = [
    ("trace_name", "TEXT"),
    ("session_id", "TEXT"),
    ("input_tokens", "BIGINT"),
    ("output_tokens", "BIGINT"),
    ("total_tokens", "BIGINT"),
    ("cache_read_input_tokens", "BIGINT"),
    ("cache_creation_input_tokens", "BIGINT"),
    ("cache_creation_input_tokens_above_1hr", "BIGINT"),
    ("input_cost", "DOUBLE PRECISION"),
    ("output_cost", "DOUBLE PRECISION"),
    ("total_cost", "DOUBLE PRECISION"),
];

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    if !schema.has("trace_info") {
        return Vec::new();
    }
    let mut pipes = vec![traces(schema), tags(schema), metadata(schema)];
    if schema.has("entity_associations") {
        pipes.push(links(
            schema,
            "traces of runs",
            "run",
            "INSERT INTO trace_runs (run_id, workspace_id, trace_id) SELECT v.target, t.workspace_id, t.trace_id FROM v CROSS JOIN traces t
             WHERE t.workspace_id = v.ws AND t.trace_id = v.trace ON CONFLICT DO NOTHING",
            COUNT_RUNS,
        ));
        pipes.push(links(
            schema,
            "prompts of traces",
            "prompt_version",
            "INSERT INTO trace_prompts (trace_no, prompt) SELECT t.trace_no, v.target FROM v CROSS JOIN traces t
             WHERE t.workspace_id = v.ws AND t.trace_id = v.trace ON CONFLICT DO NOTHING",
            COUNT_PROMPTS,
        ));
    }
    pipes
}

fn traces(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let pick = |column: &str, sql_type: &str| schema.pick("trace_info", "i", column, sql_type);
    let measures: Vec<String> = MEASURES
        .iter()
        .map(|(column, sql_type)| pick(column, sql_type))
        .collect();
    Pipe {
        noun: "traces",
        select: format!(
            "SELECT i.request_id, i.experiment_id, i.timestamp_ms, i.execution_time_ms, i.status, {}, {}, {}, {} {FROM} WHERE {ours}",
            pick("client_request_id", "TEXT"),
            pick("request_preview", "TEXT"),
            pick("response_preview", "TEXT"),
            measures.join(", ")
        ),
        keys: const { &[key("i.request_id", 0)] },
        kinds: KINDS,
        name: 0,
        convert: |context, row| {
            let word = row.text(4);
            let state = TraceState::parse(&word).ok_or_else(|| format!("`{word}` is no state of a trace"))?;
            let mut values = vec![Value::from(context.workspace_id.as_str())];
            values.extend((0..KINDS.len()).map(|index| row.same(index)));
            values[5] = state.as_str().into();
            Ok(values)
        },
        columns: "ws, id, experiment, at, lasted, state, client_id, request, response, name, session, t1, t2, t3, t4, t5, t6, c1, c2, c3",
        writes: vec![
            "INSERT INTO traces (trace_id, workspace_id, experiment_no, experiment_id, request_time_ms, execution_duration_ms, state,
                 client_request_id, request_preview, response_preview, name, session_id, input_tokens, output_tokens, total_tokens,
                 cache_read_input_tokens, cache_creation_input_tokens, cache_creation_input_tokens_above_1hr,
                 input_cost, output_cost, total_cost)
             SELECT v.id, v.ws, e.experiment_no, e.experiment_id, v.at, v.lasted, v.state, v.client_id, v.request, v.response, v.name,
                 v.session, v.t1, v.t2, v.t3, v.t4, v.t5, v.t6, v.c1, v.c2, v.c3
             FROM v CROSS JOIN experiments e WHERE e.workspace_id = v.ws AND e.experiment_id = v.experiment
             ON CONFLICT (workspace_id, trace_id) DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) {FROM} WHERE {ours}"),
        count_into: COUNT_TRACES,
    }
}

/// Where a trace's files are behind our proxy.
fn place(experiment: i64, trace_id: &str) -> String {
    format!("{experiment}/traces/{trace_id}/artifacts")
}

fn tags(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    Pipe {
        noun: "trace tags",
        select: format!("SELECT t.request_id, t.key, t.value, i.experiment_id {TAG_FROM} WHERE {ours}"),
        keys: const { &[key("t.key", 1), key("t.request_id", 0)] },
        kinds: &[Text, Text, Text, Integer],
        name: 1,
        convert: |context, row| {
            let value = if row.opt_text(1) == Some(TAG_ARTIFACTS) {
                context.places.root(&row.text(2), &place(row.int(3), &row.text(0))).into()
            } else {
                row.filled(2)
            };
            Ok(vec![context.workspace_id.as_str().into(), row.same(0), row.same(1), value])
        },
        columns: "ws, trace, key, value",
        writes: vec![
            "INSERT INTO trace_tags (trace_no, key, experiment_no, value) SELECT t.trace_no, v.key, t.experiment_no, v.value
             FROM v CROSS JOIN traces t WHERE t.workspace_id = v.ws AND t.trace_id = v.trace AND v.key <> 'mlflow.traceName'
             ON CONFLICT DO NOTHING",
            "UPDATE traces SET name = v.value FROM v WHERE traces.workspace_id = v.ws AND traces.trace_id = v.trace
               AND traces.name IS NULL AND v.key = 'mlflow.traceName'",
        ],
        count_from: format!("SELECT COUNT(*) {TAG_FROM} WHERE t.key <> '{TAG_NAME}' AND {ours}"),
        count_into: COUNT_TAGS,
    }
}

fn metadata(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let from = "FROM trace_request_metadata t JOIN trace_info i ON i.request_id = t.request_id
        JOIN experiments e ON e.experiment_id = i.experiment_id";
    Pipe {
        noun: "trace metadata",
        select: "SELECT t.request_id, t.key, t.value FROM trace_request_metadata t WHERE 1 = 1".to_owned(),
        keys: const { &[key("t.key", 1), key("t.request_id", 0)] },
        kinds: &[Text, Text, Text],
        name: 1,
        convert: |context, row| Ok(measured(context, row)),
        columns: "ws, trace, key, value, t1, t2, t3, t4, t5, t6, c1, c2, c3",
        writes: vec![
            "INSERT INTO trace_metadata (trace_no, key, experiment_no, value) SELECT t.trace_no, v.key, t.experiment_no, v.value
             FROM v CROSS JOIN traces t WHERE t.workspace_id = v.ws AND t.trace_id = v.trace
               AND v.key NOT IN ('mlflow.trace.session', 'mlflow.trace.tokenUsage', 'mlflow.trace.cost') ON CONFLICT DO NOTHING",
            "UPDATE traces SET session_id = v.value FROM v WHERE traces.workspace_id = v.ws AND traces.trace_id = v.trace
               AND traces.session_id IS NULL AND v.key = 'mlflow.trace.session'",
            "UPDATE traces SET input_tokens = COALESCE(input_tokens, v.t1), output_tokens = COALESCE(output_tokens, v.t2),
                 total_tokens = COALESCE(total_tokens, v.t3), cache_read_input_tokens = COALESCE(cache_read_input_tokens, v.t4),
                 cache_creation_input_tokens = COALESCE(cache_creation_input_tokens, v.t5),
                 cache_creation_input_tokens_above_1hr = COALESCE(cache_creation_input_tokens_above_1hr, v.t6)
             FROM v WHERE traces.workspace_id = v.ws AND traces.trace_id = v.trace AND v.key = 'mlflow.trace.tokenUsage'",
            "UPDATE traces SET input_cost = COALESCE(input_cost, v.c1), output_cost = COALESCE(output_cost, v.c2),
                 total_cost = COALESCE(total_cost, v.c3)
             FROM v WHERE traces.workspace_id = v.ws AND traces.trace_id = v.trace AND v.key = 'mlflow.trace.cost'",
        ],
        count_from: format!(
            "SELECT COUNT(*) {from} WHERE t.key NOT IN ('{META_SESSION}', '{META_TOKENS}', '{META_COST}') AND {ours}"
        ),
        count_into: COUNT_METADATA,
    }
}

/// A pair, with the tokens and the cost that it may tell.
fn measured(context: &Context, row: &Fields) -> Vec<Value> {
    let (name, value) = (row.opt_text(1), row.text(2));
    let tokens = if name == Some(META_TOKENS) {
        TokenUsage::from_json(&value)
    } else {
        TokenUsage::default()
    };
    let cost = if name == Some(META_COST) {
        Cost::from_json(&value)
    } else {
        Cost::default()
    };
    let mut values = vec![
        context.workspace_id.as_str().into(),
        row.same(0),
        row.same(1),
        value.into(),
    ];
    values.extend(
        tokens
            .0
            .map(|count| count.map_or(Value::Null(Integer), Value::Integer)),
    );
    values.extend(
        cost.0
            .map(|part| part.map_or(Value::Null(Real), Value::Real)),
    );
    values
}

fn links(
    schema: &Schema,
    noun: &'static str,
    target: &str,
    write: &'static str,
    count_into: &'static str,
) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let what = format!("a.source_type = 'trace' AND a.destination_type = '{target}'");
    Pipe {
        noun,
        select: format!("SELECT a.source_id, a.destination_id FROM entity_associations a WHERE {what}"),
        keys: const { &[key("a.source_id", 0), key("a.destination_id", 1)] },
        kinds: &[Text, Text],
        name: 0,
        convert: |context, row| Ok(vec![context.workspace_id.as_str().into(), row.same(0), row.same(1)]),
        columns: "ws, trace, target",
        writes: vec![write],
        count_from: format!(
            "SELECT COUNT(*) FROM entity_associations a JOIN trace_info i ON i.request_id = a.source_id
             JOIN experiments e ON e.experiment_id = i.experiment_id WHERE {what} AND {ours}"
        ),
        count_into,
    }
}

pub(super) fn roots(schema: &Schema) -> Option<Roots> {
    let ours = schema.in_workspace("experiments", "e");
    schema.has("trace_info").then(|| Roots {
        pipe: Pipe {
            noun: "files of traces",
            select: format!(
                "SELECT t.request_id, i.experiment_id, t.value {TAG_FROM} WHERE t.key = '{TAG_ARTIFACTS}' AND {ours}"
            ),
            keys: const { &[key("t.request_id", 0)] },
            kinds: &[Text, Integer, Text],
            name: 0,
            convert: |_, _| Ok(Vec::new()),
            columns: "",
            writes: Vec::new(),
            count_from: format!("SELECT COUNT(*) {TAG_FROM} WHERE t.key = '{TAG_ARTIFACTS}' AND {ours}"),
            count_into: COUNT_TRACES,
        },
        root: |context, row| {
            Some(Root {
                name: format!("trace {}", row.text(0)),
                theirs: context.places.below(row.opt_text(2)?)?,
                ours: place(row.int(1), &row.text(0)),
            })
        },
        address: |row| row.text(2),
    })
}

pub(super) fn exports() -> Vec<Pipe> {
    let traces = Pipe {
        noun: "traces",
        select: "SELECT trace_id, experiment_id, request_time_ms, execution_duration_ms, state, client_request_id, request_preview,
                     response_preview, name, session_id, input_tokens, output_tokens, total_tokens, cache_read_input_tokens,
                     cache_creation_input_tokens, cache_creation_input_tokens_above_1hr, input_cost, output_cost, total_cost
                 FROM traces WHERE workspace_id = $1"
            .to_owned(),
        keys: const { &[key("trace_id", 0)] },
        kinds: KINDS,
        name: 0,
        convert: |_, row| Ok((0..KINDS.len()).map(|index| row.same(index)).collect()),
        columns: "id, experiment, at, lasted, state, client_id, request, response, name, session, t1, t2, t3, t4, t5, t6, c1, c2, c3",
        writes: vec![
            "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status, client_request_id,
                 request_preview, response_preview, trace_name, session_id, input_tokens, output_tokens, total_tokens,
                 cache_read_input_tokens, cache_creation_input_tokens, cache_creation_input_tokens_above_1hr,
                 input_cost, output_cost, total_cost)
             SELECT id, experiment, at, lasted, state, client_id, request, response, name, session, t1, t2, t3, t4, t5, t6, c1, c2, c3
             FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_TRACES.to_owned(),
        count_into: "SELECT COUNT(*) FROM trace_info",
    };
    let pairs = |noun, table: &str, write, count_from: &str, count_into| {
        Pipe {
        noun,
        select: format!(
            "SELECT t.trace_id, p.key, p.value, p.trace_no FROM {table} p JOIN traces t ON t.trace_no = p.trace_no
             WHERE t.workspace_id = $1"
        ),
        keys: const { &[key("p.trace_no", 3), key("p.key", 1)] },
        kinds: &[Text, Text, Text, Integer],
        name: 1,
        convert: |context, row| {
            let value = if row.opt_text(1) == Some(TAG_ARTIFACTS) {
                context.places.exported(&row.text(2)).into()
            } else {
                row.same(2)
            };
            Ok(vec![row.same(0), row.same(1), value])
        },
        columns: "trace, key, value",
        writes: vec![write],
        count_from: count_from.to_owned(),
        count_into,
    }
    };
    vec![
        traces,
        pairs(
            "trace tags",
            "trace_tags",
            "INSERT INTO trace_tags (request_id, key, value) SELECT trace, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
            COUNT_TAGS,
            "SELECT COUNT(*) FROM trace_tags",
        ),
        pairs(
            "trace metadata",
            "trace_metadata",
            "INSERT INTO trace_request_metadata (request_id, key, value) SELECT trace, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
            COUNT_METADATA,
            "SELECT COUNT(*) FROM trace_request_metadata",
        ),
        link_export(
            "traces of runs",
            "SELECT p.trace_id, p.run_id, t.trace_no FROM trace_runs p
             JOIN traces t ON t.workspace_id = p.workspace_id AND t.trace_id = p.trace_id WHERE p.workspace_id = $1",
            const { &[key("p.run_id", 1), key("p.trace_id", 0)] },
            "INSERT INTO entity_associations (association_id, source_type, source_id, destination_type, destination_id)
             SELECT id, 'trace', trace, 'run', target FROM v WHERE true ON CONFLICT DO NOTHING",
            COUNT_RUNS,
            "SELECT COUNT(*) FROM entity_associations WHERE source_type = 'trace' AND destination_type = 'run'",
        ),
        link_export(
            "prompts of traces",
            "SELECT t.trace_id, p.prompt, p.trace_no FROM trace_prompts p JOIN traces t ON t.trace_no = p.trace_no WHERE t.workspace_id = $1",
            const { &[key("p.trace_no", 2), key("p.prompt", 1)] },
            "INSERT INTO entity_associations (association_id, source_type, source_id, destination_type, destination_id)
             SELECT id, 'trace', trace, 'prompt_version', target FROM v WHERE true ON CONFLICT DO NOTHING",
            COUNT_PROMPTS,
            "SELECT COUNT(*) FROM entity_associations WHERE source_type = 'trace' AND destination_type = 'prompt_version'",
        ),
    ]
}

fn link_export(
    noun: &'static str,
    select: &str,
    keys: &'static [super::pipe::Key],
    write: &'static str,
    count_from: &str,
    count_into: &'static str,
) -> Pipe {
    Pipe {
        noun,
        select: select.to_owned(),
        keys,
        kinds: &[Text, Text, Integer],
        name: 0,
        convert: |_, row| {
            let id = super::datasets::id(&format!("{} {}", row.text(0), row.text(1)), &[]);
            Ok(vec![id, row.same(0), row.same(1)])
        },
        columns: "id, trace, target",
        writes: vec![write],
        count_from: count_from.to_owned(),
        count_into,
    }
}
