//! Spans of traces, and what is said of them.

use lazuli_spec::assessments::{AssessmentValue, SourceKind};
use lazuli_spec::python_json;
use lazuli_spec::traces::{Cost, META_SESSION, TokenUsage};

use super::pipe::{Context, Converted, Pipe, key};
use super::{Schema, fields::Fields};
use crate::Kind::{self, Integer, Real, Text};
use crate::Value;

/// Attributes of a span, each the text of some JSON.
const TOKENS: &str = "mlflow.chat.tokenUsage";
const COST: &str = "mlflow.llm.cost";

const COUNT_SPANS: &str = "SELECT COUNT(*) FROM spans p JOIN traces t ON t.trace_no = p.trace_no WHERE t.workspace_id = $1";
const COUNT_ASSESSMENTS: &str = "SELECT COUNT(*) FROM assessments p JOIN traces t ON t.trace_no = p.trace_no WHERE t.workspace_id = $1";

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    let mut pipes = Vec::new();
    if schema.has("spans") {
        pipes.push(spans(schema));
    }
    if schema.has("assessments") {
        pipes.push(assessments(schema));
    }
    pipes
}

fn spans(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let pick = |column: &str, sql_type: &str| schema.pick("spans", "s", column, sql_type);
    Pipe {
        noun: "spans",
        select: format!(
            "SELECT s.trace_id, s.span_id, s.parent_span_id, s.name, s.type, s.status, s.start_time_unix_nano, s.end_time_unix_nano,
                 s.content, {}, {}, {}, {}, {} FROM spans s WHERE 1 = 1",
            pick("input_cost", "DOUBLE PRECISION"),
            pick("output_cost", "DOUBLE PRECISION"),
            pick("total_cost", "DOUBLE PRECISION"),
            pick("model_name", "TEXT"),
            pick("model_provider", "TEXT"),
        ),
        keys: const { &[key("s.trace_id", 0), key("s.span_id", 1)] },
        kinds: &[
            Text, Text, Text, Text, Text, Text, Integer, Integer, Text, Real, Real, Real, Text, Text,
        ],
        name: 1,
        convert: span,
        columns: "ws, trace, id, parent, name, kind, status, begun, ended, content, tokens, c1, c2, c3, model, provider",
        writes: vec![
            "INSERT INTO spans (trace_no, span_id, parent_span_id, name, type, status, start_ns, end_ns, content, tokens,
                 input_cost, output_cost, total_cost, model_name, model_provider)
             SELECT t.trace_no, v.id, v.parent, v.name, v.kind, v.status, v.begun, v.ended, v.content, v.tokens,
                 v.c1, v.c2, v.c3, v.model, v.provider
             FROM v CROSS JOIN traces t WHERE t.workspace_id = v.ws AND t.trace_id = v.trace ON CONFLICT DO NOTHING",
        ],
        count_from: format!(
            "SELECT COUNT(*) FROM spans s JOIN trace_info i ON i.request_id = s.trace_id
             JOIN experiments e ON e.experiment_id = i.experiment_id WHERE {ours}"
        ),
        count_into: COUNT_SPANS,
    }
}

fn span(context: &Context, row: &Fields) -> Converted {
    let content: serde_json::Value = serde_json::from_str(row.opt_text(8).unwrap_or_default())
        .map_err(|_| "its content is not in the database".to_owned())?;
    let said = |name: &str| content["attributes"][name].as_str().unwrap_or_default();
    let tokens = TokenUsage::from_json(said(TOKENS)).to_json();
    let cost = Cost::from_json(said(COST)).0;
    let part = |index: usize, place: usize| {
        let known = row.opt_real(index).or(cost[place]);
        known.map_or(Value::Null(Real), Value::Real)
    };
    Ok(vec![
        context.workspace_id.as_str().into(),
        row.same(0),
        row.same(1),
        row.same(2),
        row.filled(3),
        row.same(4),
        row.same(5),
        row.same(6),
        row.same(7),
        // filters look for text as people type it
        python_json::unescaped(&content).into(),
        tokens.map_or(Value::Null(Text), Value::Text),
        part(9, 0),
        part(10, 1),
        part(11, 2),
        row.same(12),
        row.same(13),
    ])
}

const KINDS: &[Kind] = &[
    Text, Text, Text, Text, Text, Text, Integer, Integer, Text, Text, Text, Text, Text, Text,
    Integer, Text,
];

fn assessments(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("experiments", "e");
    let metadata = schema.pick("assessments", "a", "assessment_metadata", "TEXT");
    Pipe {
        noun: "assessments",
        select: format!(
            "SELECT a.assessment_id, a.trace_id, a.name, a.assessment_type, a.value, a.error, a.created_timestamp,
                 a.last_updated_timestamp, a.source_type, a.source_id, a.run_id, a.span_id, a.rationale, a.overrides, a.valid, {metadata}
             FROM assessments a WHERE 1 = 1"
        ),
        keys: const { &[key("a.assessment_id", 0)] },
        kinds: KINDS,
        name: 0,
        convert: assessment,
        columns: "ws, id, trace, name, kind, value, error, made, changed, source_type, source, run, span, why, overrides, valid, metadata,
            number, is_number, of_session",
        writes: vec![
            "INSERT INTO assessments (trace_no, assessment_id, name, kind, value, error, source_type, source_id, rationale, metadata,
                 run_id, span_id, overrides, valid, aggregate_value, is_numeric, session_scoped, created_ms, updated_ms)
             SELECT t.trace_no, v.id, v.name, v.kind, v.value, v.error, v.source_type, v.source, v.why, v.metadata,
                 v.run, v.span, v.overrides, v.valid, v.number, v.is_number, v.of_session, v.made, v.changed
             FROM v CROSS JOIN traces t WHERE t.workspace_id = v.ws AND t.trace_id = v.trace ON CONFLICT DO NOTHING",
        ],
        count_from: format!(
            "SELECT COUNT(*) FROM assessments a JOIN trace_info i ON i.request_id = a.trace_id
             JOIN experiments e ON e.experiment_id = i.experiment_id WHERE {ours}"
        ),
        count_into: COUNT_ASSESSMENTS,
    }
}

fn assessment(context: &Context, row: &Fields) -> Converted {
    let json: serde_json::Value =
        serde_json::from_str(&row.text(4)).map_err(|_| "its value is no JSON".to_owned())?;
    let value = match row.text(3).as_str() {
        "feedback" => AssessmentValue::Feedback {
            value: json,
            error: None,
        },
        "expectation" => AssessmentValue::Expectation(json),
        "issue" => {
            AssessmentValue::Issue(json["issue_name"].as_str().unwrap_or_default().to_owned())
        }
        other => return Err(format!("`{other}` is no kind of assessment")),
    };
    let source = SourceKind::parse(&row.text(8)).map_err(|error| error.0)?;
    let (number, is_number) = value.aggregate();
    let metadata: Option<serde_json::Value> = row
        .opt_text(15)
        .and_then(|text| serde_json::from_str(text).ok());
    let of_session = metadata
        .as_ref()
        .is_some_and(|pairs| pairs.get(META_SESSION).is_some());
    let mut values = vec![
        Value::from(context.workspace_id.as_str()),
        row.same(0),
        row.same(1),
        row.same(2),
        row.same(3),
        python_json::text(&value.json()).into(),
        row.same(5),
        row.same(6),
        row.same(7),
        source.as_str().into(),
    ];
    values.extend((9..15).map(|index| row.same(index)));
    values.extend([
        texts(metadata),
        number.map_or(Value::Null(Real), Value::Real),
        is_number.into(),
        of_session.into(),
    ]);
    Ok(values)
}

/// Metadata's values are texts.
fn texts(metadata: Option<serde_json::Value>) -> Value {
    let Some(serde_json::Value::Object(pairs)) = metadata else {
        return Value::Null(Text);
    };
    let pairs: serde_json::Map<String, serde_json::Value> = pairs
        .into_iter()
        .map(|(key, value)| match value {
            serde_json::Value::String(_) => (key, value),
            other => (key, python_json::text(&other).into()),
        })
        .collect();
    serde_json::Value::Object(pairs).to_string().into()
}

pub(super) fn exports() -> Vec<Pipe> {
    let spans = Pipe {
        noun: "spans",
        select: "SELECT t.trace_id, t.experiment_id, s.span_id, s.parent_span_id, s.name, s.type, s.status, s.start_ns, s.end_ns, s.content,
                     s.input_cost, s.output_cost, s.total_cost, s.model_name, s.model_provider, s.trace_no
                 FROM spans s JOIN traces t ON t.trace_no = s.trace_no WHERE t.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("s.trace_no", 15), key("s.span_id", 2)] },
        kinds: &[
            Text, Integer, Text, Text, Text, Text, Text, Integer, Integer, Text, Real, Real, Real, Text, Text, Integer,
        ],
        name: 2,
        convert: |_, row| Ok((0..15).map(|index| row.same(index)).collect()),
        columns: "trace, experiment, id, parent, name, kind, status, begun, ended, content, c1, c2, c3, model, provider",
        writes: vec![
            "INSERT INTO spans (trace_id, experiment_id, span_id, parent_span_id, name, type, status, start_time_unix_nano,
                 end_time_unix_nano, content, input_cost, output_cost, total_cost, model_name, model_provider)
             SELECT trace, experiment, id, parent, name, kind, status, begun, ended, content, c1, c2, c3, model, provider
             FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_SPANS.to_owned(),
        count_into: "SELECT COUNT(*) FROM spans",
    };
    let assessments = Pipe {
        noun: "assessments",
        select: "SELECT a.assessment_id, t.trace_id, a.name, a.kind, a.value, a.error, a.created_ms, a.updated_ms, a.source_type, a.source_id,
                     a.run_id, a.span_id, a.rationale, a.overrides, a.valid, a.metadata, t.experiment_id, t.request_time_ms,
                     a.aggregate_value, a.is_numeric, a.trace_no
                 FROM assessments a JOIN traces t ON t.trace_no = a.trace_no WHERE t.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("a.trace_no", 20), key("a.assessment_id", 0)] },
        kinds: &[
            Text, Text, Text, Text, Text, Text, Integer, Integer, Text, Text, Text, Text, Text, Text, Integer, Text, Integer, Integer,
            Real, Integer, Integer,
        ],
        name: 0,
        convert: |_, row| Ok((0..20).map(|index| row.same(index)).collect()),
        columns: "id, trace, name, kind, value, error, made, changed, source_type, source, run, span, why, overrides, valid, metadata,
            experiment, at, number, is_number",
        writes: vec![
            "INSERT INTO assessments (assessment_id, trace_id, name, assessment_type, value, error, created_timestamp,
                 last_updated_timestamp, source_type, source_id, run_id, span_id, rationale, overrides, valid, assessment_metadata,
                 experiment_id, trace_timestamp_ms, aggregate_value, is_numeric_value)
             SELECT id, trace, name, kind, value, error, made, changed, source_type, source, run, span, why, overrides, valid = 1, metadata,
                 experiment, at, number, is_number = 1
             FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_ASSESSMENTS.to_owned(),
        count_into: "SELECT COUNT(*) FROM assessments",
    };
    vec![spans, assessments]
}
