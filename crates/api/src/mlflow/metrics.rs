//! What runs stream in (`runs/log-*`, tags). Reading it back is in `metric_history.rs`.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Json;
use lazuli_spec::Action;
use lazuli_spec::metrics::Metric;
use lazuli_spec::runs::{Batch, KeyValue};

use super::errors::MlflowResult;
use super::experiments::Empty;
use super::json::{Message, body, missing};
use super::{Call, MlflowCaller, Paths};
use crate::AppState;
use crate::routing::{Permission, Routes};

pub(crate) fn add_routes(routes: &mut Routes) {
    let write = Permission::Workspace(Action::RunsWrite);
    let metrics = Permission::Workspace(Action::MetricsWrite);
    let mut paths = Paths::below(routes, "2.0/mlflow/runs/");
    paths.add(Method::POST, "log-metric", metrics, log_metric);
    paths.add(Method::POST, "log-parameter", write, log_param);
    paths.add(Method::POST, "log-batch", metrics, log_batch);
    paths.add(Method::POST, "set-tag", write, set_tag);
    paths.add(Method::POST, "delete-tag", write, delete_tag);
}

async fn log_metric(call: Call) -> MlflowResult<Json<Empty>> {
    let run_id = call.fields.run_id()?;
    call.fields.required("key")?;
    let metric = metric(&call.fields, "")?;
    call.core
        .log_metric(&call.caller, &call.workspace, run_id, metric)
        .await?;
    Ok(Json(Empty {}))
}

/// A metric; `path` names its place in a list.
fn metric(message: &Message, path: &str) -> MlflowResult<Metric> {
    let absent = |name: &str| {
        if path.is_empty() {
            missing(name)
        } else {
            missing(&format!("{path}.{name}"))
        }
    };
    let optional = |name| {
        Ok::<_, super::errors::MlflowError>(
            message
                .text(name)?
                .filter(|t| !t.is_empty())
                .map(str::to_owned),
        )
    };
    Ok(Metric {
        key: message
            .text("key")?
            .filter(|key| !key.is_empty())
            .ok_or_else(|| absent("key"))?
            .to_owned(),
        value: message.float("value")?.ok_or_else(|| absent("value"))?,
        timestamp_ms: message
            .int("timestamp")?
            .ok_or_else(|| absent("timestamp"))?,
        step: message.int("step")?.unwrap_or(0),
        model_id: optional("model_id")?,
        dataset_name: optional("dataset_name")?,
        dataset_digest: optional("dataset_digest")?,
    })
}

async fn log_param(call: Call) -> MlflowResult<Json<Empty>> {
    let run_id = call.fields.run_id()?;
    let param = KeyValue::new(
        call.fields.required("key")?,
        call.fields.text_or_empty("value")?,
    );
    call.core
        .log_param(&call.caller, &call.workspace, run_id, param)
        .await?;
    Ok(Json(Empty {}))
}

async fn set_tag(call: Call) -> MlflowResult<Json<Empty>> {
    let run_id = call.fields.run_id()?;
    let tag = KeyValue::new(
        call.fields.required("key")?,
        call.fields.text_or_empty("value")?,
    );
    call.core
        .set_run_tag(&call.caller, &call.workspace, run_id, tag)
        .await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(call: Call) -> MlflowResult<Json<Empty>> {
    let (run_id, key) = (call.fields.run_id()?, call.fields.required("key")?);
    call.core
        .delete_run_tag(&call.caller, &call.workspace, run_id, key)
        .await?;
    Ok(Json(Empty {}))
}

async fn log_batch(
    State(state): State<AppState>,
    who: MlflowCaller,
    request: Request,
) -> MlflowResult<Json<Empty>> {
    let bytes = body(request, &state).await?;
    let (run_id, batch) = read_batch(&bytes)?;
    state
        .core
        .log_batch(&who.caller, &who.workspace, &run_id, batch)
        .await?;
    Ok(Json(Empty {}))
}

/// A batch, straight into its types when it is plain; field by field, with the protocol's complaints, when it is not.
fn read_batch(bytes: &[u8]) -> MlflowResult<(String, Batch)> {
    if let Ok(plain) = serde_json::from_slice::<PlainBatch>(bytes)
        && !plain.run_id.is_empty()
    {
        let metrics = plain
            .metrics
            .into_iter()
            .map(PlainMetric::into_metric)
            .collect();
        return Ok((
            plain.run_id,
            Batch {
                metrics,
                params: plain.params,
                tags: plain.tags,
            },
        ));
    }
    let message = Message::from_json(bytes)?;
    let run_id = message.required("run_id")?.to_owned();
    let metrics = message.messages("metrics")?;
    let metrics = metrics
        .iter()
        .enumerate()
        .map(|(index, m)| metric(m, &format!("metrics[{index}]")));
    let metrics = metrics.collect::<MlflowResult<_>>()?;
    Ok((
        run_id,
        Batch {
            metrics,
            params: message.pairs("params")?,
            tags: message.pairs("tags")?,
        },
    ))
}

#[derive(serde::Deserialize)]
struct PlainBatch {
    run_id: String,
    #[serde(default)]
    metrics: Vec<PlainMetric>,
    #[serde(default)]
    params: Vec<KeyValue>,
    #[serde(default)]
    tags: Vec<KeyValue>,
}

#[derive(serde::Deserialize)]
struct PlainMetric {
    key: String,
    value: f64,
    timestamp: i64,
    #[serde(default)]
    step: i64,
    #[serde(default)]
    model_id: Option<String>,
    #[serde(default)]
    dataset_name: Option<String>,
    #[serde(default)]
    dataset_digest: Option<String>,
}

impl PlainMetric {
    fn into_metric(self) -> Metric {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Metric {
            key: self.key,
            value: self.value,
            timestamp_ms: self.timestamp,
            step: self.step,
            model_id: given(self.model_id),
            dataset_name: given(self.dataset_name),
            dataset_digest: given(self.dataset_digest),
        }
    }
}
