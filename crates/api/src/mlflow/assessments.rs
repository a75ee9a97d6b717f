//! `/mlflow/traces/<id>/assessments`: what is said about traces.

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use lazuli_spec::assessments::{
    Assessment, AssessmentError, AssessmentUpdate, AssessmentValue, Source, SourceKind,
    cut_stack_trace,
};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::{Action, Timestamp, python_json};
use serde_json::{Map, Value, json};

use super::errors::{MlflowResult, Path};
use super::json::{Message, invalid, missing};
use super::registered_models::{flag, given};
use super::{Call, MlflowCaller, Paths};
use crate::AppState;
use crate::routing::{Permission, Routes};

type Answer = MlflowResult<Json<Value>>;

const SERIALIZED: &str = "JSON_FORMAT";

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::TracesRead);
    let write = Permission::Workspace(Action::TracesWrite);
    let mut paths = Paths::below(routes, "3.0/mlflow/traces/{trace_id}/assessments");
    paths.add(Method::POST, "", write, create);
    paths.add(Method::GET, "/{assessment_id}", read, get);
    paths.add(Method::PATCH, "/{assessment_id}", write, update);
    // who may say something may take it back
    paths.add(Method::DELETE, "/{assessment_id}", write, delete);
}

async fn create(Path(trace_id): Path<String>, call: Call) -> Answer {
    let sent = call.fields.message("assessment")?;
    let sent = sent.ok_or_else(|| missing("assessment"))?;
    let assessment = read(&sent)?;
    let made = call
        .core
        .create_assessment(&call.caller, &call.workspace, &trace_id, assessment)
        .await?;
    Ok(one(&made, &trace_id))
}

async fn get(
    State(app): State<AppState>,
    Path((trace_id, assessment_id)): Path<(String, String)>,
    who: MlflowCaller,
) -> Answer {
    let found = app
        .core
        .get_assessment(&who.caller, &who.workspace, &trace_id, &assessment_id)
        .await?;
    Ok(one(&found, &trace_id))
}

async fn update(Path((trace_id, assessment_id)): Path<(String, String)>, call: Call) -> Answer {
    let sent = call.fields.message("assessment")?;
    let sent = sent.ok_or_else(|| missing("assessment"))?;
    let update = changes(&sent, call.fields.required("update_mask")?)?;
    let changed = call
        .core
        .update_assessment(
            &call.caller,
            &call.workspace,
            &trace_id,
            &assessment_id,
            update,
        )
        .await?;
    Ok(one(&changed, &trace_id))
}

async fn delete(
    State(app): State<AppState>,
    Path((trace_id, assessment_id)): Path<(String, String)>,
    who: MlflowCaller,
) -> Answer {
    app.core
        .delete_assessment(&who.caller, &who.workspace, &trace_id, &assessment_id)
        .await?;
    Ok(Json(json!({})))
}

fn one(assessment: &Assessment, trace_id: &str) -> Json<Value> {
    Json(json!({ "assessment": shown(assessment, trace_id) }))
}

/// Reads an assessment. What is absent is empty: an id that is to be made, a time that is to be now.
pub(crate) fn read(sent: &Message) -> MlflowResult<Assessment> {
    let value = value(sent)?.ok_or_else(|| invalid("Unknown assessment type: None"))?;
    Ok(Assessment {
        assessment_id: given(sent, "assessment_id")?.unwrap_or_default(),
        name: sent.text_or_empty("assessment_name")?.to_owned(),
        value,
        source: source(sent)?,
        rationale: given(sent, "rationale")?,
        metadata: metadata(sent)?,
        run_id: None,
        span_id: given(sent, "span_id")?,
        overrides: given(sent, "overrides")?,
        valid: true,
        created_ms: time(sent, "create_time")?,
        updated_ms: time(sent, "last_update_time")?,
    })
}

/// The fields that the mask names, which is a list of paths with commas between.
fn changes(sent: &Message, mask: &str) -> MlflowResult<AssessmentUpdate> {
    let mut update = AssessmentUpdate::default();
    for path in mask.split(',').map(str::trim) {
        match path {
            "assessmentName" | "assessment_name" => {
                update.name = Some(sent.text_or_empty("assessment_name")?.to_owned());
            }
            "expectation" | "feedback" | "issue" => update.value = value(sent)?,
            "rationale" => update.rationale = Some(sent.text_or_empty("rationale")?.to_owned()),
            "metadata" => update.metadata = metadata(sent)?,
            "valid" => update.valid = Some(flag(sent, "valid")?),
            _ => {}
        }
    }
    Ok(update)
}

fn value(sent: &Message) -> MlflowResult<Option<AssessmentValue>> {
    if let Some(expectation) = sent.message("expectation")? {
        return expected(&expectation).map(Some);
    }
    if let Some(feedback) = sent.message("feedback")? {
        let error = feedback.message("error")?;
        return Ok(Some(AssessmentValue::Feedback {
            value: as_double(feedback.get("value").cloned().unwrap_or_default()),
            error: error.as_ref().map(failure).transpose()?,
        }));
    }
    let issue = sent.message("issue")?;
    issue
        .map(|issue| {
            Ok(AssessmentValue::Issue(
                issue.text_or_empty("issue_name")?.to_owned(),
            ))
        })
        .transpose()
}

/// Lists and objects come as a text that holds JSON, single values as they are.
fn expected(sent: &Message) -> MlflowResult<AssessmentValue> {
    let Some(serialized) = sent.message("serialized_value")? else {
        let value = sent.get("value").cloned().unwrap_or_default();
        return Ok(AssessmentValue::Expectation(as_double(value)));
    };
    let format = serialized.text_or_empty("serialization_format")?;
    if format != SERIALIZED {
        return Err(invalid(format!(
            "Unknown serialization format: {format}. Only JSON_FORMAT is supported."
        )));
    }
    let text = serialized.text_or_empty("value")?;
    let value = serde_json::from_str(text)
        .map_err(|error| invalid(format!("The serialized value is not valid JSON: {error}")))?;
    Ok(AssessmentValue::Expectation(value))
}

/// Numbers of this message are floats: 5 is 5.0.
fn as_double(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(values) => values.into_iter().map(as_double).collect(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(key, value)| (key, as_double(value)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

fn failure(sent: &Message) -> MlflowResult<AssessmentError> {
    Ok(AssessmentError {
        error_code: sent.text_or_empty("error_code")?.to_owned(),
        error_message: given(sent, "error_message")?,
        stack_trace: given(sent, "stack_trace")?.map(cut_stack_trace),
    })
}

fn source(sent: &Message) -> MlflowResult<Source> {
    let Some(source) = sent.message("source")? else {
        let kind = SourceKind::default();
        return Ok(Source { kind, id: None });
    };
    let kind = match source.get("source_type") {
        None => SourceKind::default(),
        Some(Value::String(word)) => SourceKind::parse(word)?,
        Some(_) => SourceKind::from_number(source.int("source_type")?.unwrap_or(0))?,
    };
    let id = given(&source, "source_id")?;
    Ok(Source { kind, id })
}

fn metadata(sent: &Message) -> MlflowResult<Vec<KeyValue>> {
    let Some(value) = sent.get("metadata") else {
        return Ok(Vec::new());
    };
    let pairs = value.as_object().and_then(|fields| {
        let pair = |(key, value): (&String, &Value)| Some(KeyValue::new(key, value.as_str()?));
        fields.iter().map(pair).collect::<Option<Vec<_>>>()
    });
    pairs.ok_or_else(|| {
        invalid("Invalid value for parameter 'metadata' supplied: texts by name are wanted")
    })
}

/// Milliseconds of a time as protobuf writes it; 0 when it is absent.
fn time(sent: &Message, field: &str) -> MlflowResult<i64> {
    let Some(text) = sent.text(field)?.filter(|text| !text.is_empty()) else {
        return Ok(0);
    };
    let time = Timestamp::parse(text).map(Timestamp::as_millis);
    time.ok_or_else(|| {
        invalid(format!(
            "Invalid value {} for parameter '{field}' supplied: it is not an RFC 3339 time",
            Value::from(text)
        ))
    })
}

/// An assessment as clients read it.
pub(crate) fn shown(assessment: &Assessment, trace_id: &str) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            out.insert(key.to_owned(), value);
        }
    };
    put("assessment_id", json!(assessment.assessment_id));
    put("assessment_name", json!(assessment.name));
    put("trace_id", json!(trace_id));
    put("span_id", json!(assessment.span_id));
    put("source", source_shown(&assessment.source));
    put("create_time", json!(moment(assessment.created_ms)));
    put("last_update_time", json!(moment(assessment.updated_ms)));
    put(assessment.value.kind(), value_shown(&assessment.value));
    put("rationale", json!(assessment.rationale));
    let metadata = assessment.metadata.iter();
    let metadata: Map<String, Value> = metadata
        .map(|pair| (pair.key.clone(), json!(pair.value)))
        .collect();
    if !metadata.is_empty() {
        put("metadata", Value::Object(metadata));
    }
    put("overrides", json!(assessment.overrides));
    put("valid", json!(assessment.valid));
    Value::Object(out)
}

fn source_shown(source: &Source) -> Value {
    let kind = source.kind.as_str();
    match &source.id {
        Some(id) => json!({ "source_type": kind, "source_id": id }),
        None => json!({ "source_type": kind }),
    }
}

fn value_shown(value: &AssessmentValue) -> Value {
    match value {
        AssessmentValue::Feedback { value, error } => match error {
            Some(error) => json!({ "value": value, "error": error }),
            None => json!({ "value": value }),
        },
        AssessmentValue::Expectation(value @ (Value::Array(_) | Value::Object(_))) => {
            let text = python_json::text(value);
            json!({ "serialized_value": { "serialization_format": SERIALIZED, "value": text } })
        }
        AssessmentValue::Expectation(value) => json!({ "value": value }),
        AssessmentValue::Issue(name) => json!({ "issue_name": name }),
    }
}

fn moment(millis: i64) -> String {
    Timestamp::from_millis(millis).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: &Value) -> MlflowResult<Assessment> {
        read(&Message::from_json(value.to_string().as_bytes())?)
    }

    #[test]
    fn what_clients_send_is_what_they_read() {
        let value = json!({
            "assessment_id": "a-1", "assessment_name": "correct", "trace_id": "tr-1", "span_id": "s",
            "source": { "source_type": "HUMAN", "source_id": "me" },
            "create_time": "2023-11-14T22:13:20.125Z", "last_update_time": "2023-11-14T22:13:20Z",
            "feedback": { "value": { "a": 1.0 }, "error": { "error_code": "E", "error_message": "m" } },
            "rationale": "because", "metadata": { "k": "v" }, "overrides": "a-0", "valid": true,
        });
        assert_eq!(shown(&sent(&value).unwrap(), "tr-1"), value);
        let serialized =
            json!({ "serialization_format": "JSON_FORMAT", "value": "[1, {\"k\": null}]" });
        let listed =
            json!({ "assessment_name": "n", "expectation": { "serialized_value": serialized } });
        let read = sent(&listed).unwrap();
        assert_eq!(
            read.value,
            AssessmentValue::Expectation(json!([1, { "k": null }]))
        );
        assert_eq!(shown(&read, "t")["expectation"], listed["expectation"]);
    }

    #[test]
    fn numbers_are_floats_and_null_is_a_value() {
        let read = sent(&json!({ "assessmentName": "n", "feedback": { "value": 5 } })).unwrap();
        assert_eq!(
            shown(&read, "t")["feedback"].to_string(),
            r#"{"value":5.0}"#
        );
        let null = sent(&json!({ "assessmentName": "n", "feedback": { "value": null } })).unwrap();
        assert_eq!(
            shown(&null, "t")["feedback"].to_string(),
            r#"{"value":null}"#
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for bad in [
            json!({}),
            json!({ "feedback": 5 }),
            json!({ "feedback": {}, "metadata": { "k": 5 } }),
            json!({ "feedback": {}, "create_time": "yesterday" }),
            json!({ "feedback": {}, "source": { "source_type": "ROBOT" } }),
            json!({ "feedback": {}, "source": { "source_type": 9 } }),
            json!({ "expectation": { "serialized_value": { "serialization_format": "X", "value": "1" } } }),
            json!({ "expectation": { "serialized_value": { "serialization_format": "JSON_FORMAT", "value": "{" } } }),
        ] {
            assert!(sent(&bad).is_err(), "{bad}");
        }
    }
}
