//! Numbers for charts, and how two filters go together.

use axum::Json;
use lazuli_core::traces::{MetricsPoint, TraceMetrics};
use lazuli_spec::Timestamp;
use lazuli_spec::trace_metrics::{Aggregation, MetricsView};
use serde_json::{Map, Value, json};

use super::{Answer, experiments};
use crate::mlflow::Call;
use crate::mlflow::errors::MlflowResult;
use crate::mlflow::json::{Message, invalid, missing};

pub(super) async fn metrics(call: Call) -> Answer {
    let asked = read(&call.fields)?;
    let (metric, dimensions, aggregations) = (
        asked.metric.clone(),
        asked.dimensions.clone(),
        asked.aggregations.clone(),
    );
    let points = call
        .core
        .query_trace_metrics(&call.caller, &call.workspace, asked)
        .await?;
    let points: Vec<Value> = points
        .into_iter()
        .filter_map(|point| shown(point, &metric, &dimensions, &aggregations))
        .collect();
    Ok(Json(if points.is_empty() {
        json!({})
    } else {
        json!({ "data_points": points })
    }))
}

fn read(fields: &Message) -> MlflowResult<TraceMetrics> {
    let ids = fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(missing("experiment_ids"));
    }
    let view = fields
        .get("view_type")
        .map(word)
        .ok_or_else(|| missing("view_type"))?;
    let unknown = || {
        invalid(format!(
            "view_type must be one of ['TRACES', 'SPANS', 'ASSESSMENTS'], got '{view}'"
        ))
    };
    let aggregations = fields.messages("aggregations")?;
    if aggregations.is_empty() {
        return Err(missing("aggregations"));
    }
    let aggregation = |one: &Message| {
        let kind = one.get("aggregation_type").map(word);
        let kind = kind.ok_or_else(|| missing("aggregation_type"))?;
        Ok(Aggregation::parse(&kind, one.float("percentile_value")?)?)
    };
    Ok(TraceMetrics {
        experiments: experiments(&ids)?,
        view: MetricsView::parse(&view).ok_or_else(unknown)?,
        metric: fields.required("metric_name")?.to_owned(),
        aggregations: aggregations
            .iter()
            .map(aggregation)
            .collect::<MlflowResult<_>>()?,
        dimensions: fields.texts("dimensions")?,
        filters: fields.texts("filters")?,
        interval_seconds: fields.int("time_interval_seconds")?,
        start_ms: fields.int("start_time_ms")?,
        end_ms: fields.int("end_time_ms")?,
        limit: fields.int("max_results")?,
    })
}

/// A word or a number as a word.
fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A point as clients read it; none where nothing could be put together.
fn shown(
    point: MetricsPoint,
    metric: &str,
    dimensions: &[String],
    aggregations: &[Aggregation],
) -> Option<Value> {
    let mut groups = Map::new();
    if let Some(bucket) = point.bucket_ms {
        groups.insert("time_bucket".to_owned(), json!(moment(bucket)));
    }
    for (name, value) in dimensions.iter().zip(point.dimensions) {
        groups.insert(name.clone(), json!(value));
    }
    let values: Map<String, Value> = aggregations
        .iter()
        .zip(point.values)
        .filter_map(|(aggregation, value)| Some((aggregation.label(), json!(value?))))
        .collect();
    if values.is_empty() {
        return None;
    }
    let mut out = json!({ "metric_name": metric });
    if !groups.is_empty() {
        out["dimensions"] = Value::Object(groups);
    }
    out["values"] = Value::Object(values);
    Some(out)
}

/// A moment as Python writes one.
fn moment(millis: i64) -> String {
    Timestamp::from_millis(millis)
        .to_string()
        .replace('Z', "+00:00")
}

pub(super) async fn correlation(call: Call) -> Answer {
    let ids = call.fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(missing("experiment_ids"));
    }
    let filters = (
        call.fields.required("filter_string1")?,
        call.fields.required("filter_string2")?,
    );
    let base = call.fields.text_or_empty("base_filter")?;
    let found = call
        .core
        .correlate_trace_filters(
            &call.caller,
            &call.workspace,
            experiments(&ids)?,
            filters,
            base,
        )
        .await?;
    let number = |value: Option<f64>| value.map_or_else(|| json!("NaN"), |value| json!(value));
    Ok(Json(json!({
        "npmi": number(found.plain),
        "npmi_smoothed": number(found.smoothed),
        "filter1_count": found.counts.first,
        "filter2_count": found.counts.second,
        "joint_count": found.counts.both,
        "total_count": found.counts.total,
    })))
}
