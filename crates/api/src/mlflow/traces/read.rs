//! Traces as clients write them.

use lazuli_core::Core;
use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::traces::{TraceInfo, TraceState};
use serde_json::Value;

use crate::mlflow::assessments;
use crate::mlflow::errors::MlflowResult;
use crate::mlflow::json::{Message, invalid, missing};
use crate::mlflow::registered_models::{any_text, given};

/// Most assessments that come with a trace.
const ASSESSMENTS: usize = 1_000;

/// The trace that a client tells.
pub(super) fn trace(sent: &Message, core: &Core) -> MlflowResult<TraceInfo> {
    let sent = sent
        .message("trace_info")?
        .ok_or_else(|| missing("trace.trace_info"))?;
    let mut info = TraceInfo::new(sent.required("trace_id")?, experiment(&sent)?, time(&sent)?);
    info.execution_duration_ms = duration(&sent)?;
    info.state = sent
        .get("state")
        .map_or(Ok(TraceState::Unspecified), state)?;
    info.client_request_id = given(&sent, "client_request_id")?;
    info.request_preview = any_text(&sent, "request_preview")?;
    info.response_preview = any_text(&sent, "response_preview")?;
    info.put_tags(map(&sent, "tags")?);
    info.put_metadata(map(&sent, "trace_metadata")?);
    let told = sent.messages("assessments")?;
    if told.len() > ASSESSMENTS {
        return Err(invalid(format!(
            "a trace comes with at most {ASSESSMENTS} assessments"
        )));
    }
    for one in &told {
        info.assessments
            .push(core.completed(assessments::read(one)?)?);
    }
    Ok(info)
}

fn experiment(sent: &Message) -> MlflowResult<ExperimentId> {
    let location = sent
        .message("trace_location")?
        .ok_or_else(|| missing("trace.trace_info.trace_location"))?;
    let experiment = location
        .message("mlflow_experiment")?
        .ok_or_else(|| invalid("a trace is kept in an experiment: `trace_location` names none"))?;
    Ok(ExperimentId::parse(
        experiment.text_or_empty("experiment_id")?,
    )?)
}

fn time(sent: &Message) -> MlflowResult<i64> {
    let Some(text) = given(sent, "request_time")? else {
        return Ok(0);
    };
    let parsed = Timestamp::parse(&text);
    parsed
        .map(Timestamp::as_millis)
        .ok_or_else(|| wrong("request_time", &text, "an RFC 3339 time"))
}

/// Protobuf's way of writing a span of time, in milliseconds: `1.500s`.
fn duration(sent: &Message) -> MlflowResult<Option<i64>> {
    let Some(text) = given(sent, "execution_duration")? else {
        return Ok(None);
    };
    let millis = text.strip_suffix('s').and_then(millis);
    millis
        .map(Some)
        .ok_or_else(|| wrong("execution_duration", &text, "a duration such as 1.500s"))
}

fn millis(seconds: &str) -> Option<i64> {
    let (sign, digits) = match seconds.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, seconds),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !decimal(whole) || !decimal(part) {
        return None;
    }
    let thousandths: i64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    let whole: i64 = whole.parse().ok()?;
    Some(sign * whole.checked_mul(1_000)?.checked_add(thousandths)?)
}

/// A state by its word or number.
pub(super) fn state(value: &Value) -> MlflowResult<TraceState> {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    TraceState::parse(&text).ok_or_else(|| {
        wrong(
            "state",
            &text,
            "one of STATE_UNSPECIFIED, OK, ERROR, IN_PROGRESS",
        )
    })
}

/// A map from texts to texts.
fn map(sent: &Message, name: &str) -> MlflowResult<Vec<KeyValue>> {
    let pairs = match sent.get(name) {
        None => return Ok(Vec::new()),
        Some(Value::Object(pairs)) => pairs,
        Some(other) => return Err(wrong(name, &other.to_string(), "an object")),
    };
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(value) => Ok(KeyValue::new(key, value)),
        other => Err(wrong(
            &format!("{name}.{key}"),
            &other.to_string(),
            "a text",
        )),
    };
    pairs.iter().map(pair).collect()
}

fn wrong(field: &str, value: &str, wanted: &str) -> crate::mlflow::errors::MlflowError {
    let value = Value::from(value);
    invalid(format!(
        "Invalid value {value} for parameter '{field}' supplied: it must be {wanted}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_to_the_millisecond() {
        for (text, expected) in [
            ("1.5", 1_500),
            ("0.0019", 1),
            ("-0.005", -5),
            ("12", 12_000),
            ("0", 0),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "x",
            "1.2.3",
            "1e3",
            "99999999999999999999",
            "--1",
            "1.-2",
        ] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }
}
