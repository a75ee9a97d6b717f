//! Traces as clients read them, in the present protocol and the former one.

use lazuli_spec::Timestamp;
use lazuli_spec::traces::{TraceInfo, TraceState};
use serde_json::{Map, Value, json};

use crate::mlflow::assessments;

/// A trace without its spans.
pub(crate) fn shown(info: &TraceInfo) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        let empty =
            value.is_null() || value.as_object().is_some_and(Map::is_empty) || value == json!([]);
        if !empty {
            out.insert(key.to_owned(), value);
        }
    };
    put("trace_id", json!(info.trace_id));
    put("client_request_id", json!(info.client_request_id));
    put(
        "trace_location",
        json!({
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": { "experiment_id": info.experiment_id },
        }),
    );
    put("request_preview", json!(info.request_preview));
    put("response_preview", json!(info.response_preview));
    put(
        "request_time",
        json!(Timestamp::from_millis(info.request_time_ms)),
    );
    put(
        "execution_duration",
        json!(info.execution_duration_ms.map(duration)),
    );
    put("state", json!(info.state.as_str()));
    put("trace_metadata", json!(info.shown_metadata()));
    put("tags", json!(info.shown_tags()));
    let said = info.assessments.iter();
    put(
        "assessments",
        said.map(|one| assessments::shown(one, &info.trace_id))
            .collect(),
    );
    Value::Object(out)
}

/// Protobuf's way of writing a span of time: `1.500s`.
fn duration(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let (seconds, rest) = (millis.unsigned_abs() / 1_000, millis.unsigned_abs() % 1_000);
    match rest {
        0 => format!("{sign}{seconds}s"),
        rest => format!("{sign}{seconds}.{rest:03}s"),
    }
}

/// The same in the former protocol.
pub(super) fn former(info: &TraceInfo) -> Value {
    let pairs = |map: std::collections::BTreeMap<String, String>| -> Vec<Value> {
        let pair = |(key, value)| json!({ "key": key, "value": value });
        map.into_iter().map(pair).collect()
    };
    let status = match info.state {
        TraceState::Unspecified => "TRACE_STATUS_UNSPECIFIED",
        state => state.as_str(),
    };
    let mut out = json!({
        "request_id": info.trace_id,
        "experiment_id": info.experiment_id,
        "timestamp_ms": info.request_time_ms,
        "status": status,
        "request_metadata": pairs(info.shown_metadata()),
        "tags": pairs(info.shown_tags()),
    });
    if let Some(duration) = info.execution_duration_ms {
        out["execution_time_ms"] = duration.into();
    }
    out
}

#[cfg(test)]
mod tests {
    use lazuli_spec::experiments::ExperimentId;

    use super::*;

    #[test]
    fn times_are_written_as_protobuf_writes_them() {
        let mut info = TraceInfo::new("tr-1", ExperimentId(3), 1_700_000_000_123);
        info.execution_duration_ms = Some(1_500);
        let view = shown(&info);
        assert_eq!(view["request_time"], "2023-11-14T22:13:20.123Z");
        assert_eq!(view["execution_duration"], "1.500s");
        assert_eq!(view.get("tags"), None);
        assert_eq!(
            (duration(2_000), duration(-5)),
            ("2s".into(), "-0.005s".into())
        );
        assert_eq!(former(&info)["execution_time_ms"], 1_500);
    }
}
