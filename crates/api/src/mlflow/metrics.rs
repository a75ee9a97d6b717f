//! What runs stream in (`runs/log-*`, tags) and metric histories (`metrics/*`).

use std::collections::VecDeque;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use futures::stream;
use lazuli_core::Error;
use lazuli_core::metrics::{Curve, HistoryPage};
use lazuli_spec::Action;
use lazuli_spec::metrics::{Metric, Point};
use lazuli_spec::runs::{Batch, KeyValue};

use super::errors::MlflowResult;
use super::experiments::{Empty, page_of};
use super::json::{Message, body, invalid, missing};
use super::views::PointView;
use super::{MlflowCaller, Paths};
use crate::AppState;
use crate::routing::{Permission, Routes};

/// The largest page of a history.
const PAGE: u32 = 25_000;

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::RunsRead);
    let write = Permission::Workspace(Action::RunsWrite);
    let metrics = Permission::Workspace(Action::MetricsWrite);
    let mut paths = Paths(routes);
    paths.add(
        Method::POST,
        "2.0/mlflow/runs/log-metric",
        metrics,
        log_metric,
    );
    paths.add(
        Method::POST,
        "2.0/mlflow/runs/log-parameter",
        write,
        log_param,
    );
    paths.add(
        Method::POST,
        "2.0/mlflow/runs/log-batch",
        metrics,
        log_batch,
    );
    paths.add(Method::POST, "2.0/mlflow/runs/set-tag", write, set_tag);
    paths.add(
        Method::POST,
        "2.0/mlflow/runs/delete-tag",
        write,
        delete_tag,
    );
    paths.add(
        Method::GET,
        "2.0/mlflow/metrics/get-history",
        read,
        get_history,
    );
    paths.add(
        Method::GET,
        "2.0/mlflow/metrics/get-history-bulk",
        read,
        get_history_bulk,
    );
    paths.add(
        Method::GET,
        "2.0/mlflow/metrics/get-history-bulk-interval",
        read,
        get_history_bulk_interval,
    );
}

async fn log_metric(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Json<Empty>> {
    let run_id = message.run_id()?;
    message.required("key")?;
    let metric = metric(&message, "")?;
    state
        .core
        .log_metric(&who.caller, &who.workspace, run_id, metric)
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

async fn log_param(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Json<Empty>> {
    let run_id = message.run_id()?;
    let param = KeyValue::new(message.required("key")?, message.text_or_empty("value")?);
    state
        .core
        .log_param(&who.caller, &who.workspace, run_id, param)
        .await?;
    Ok(Json(Empty {}))
}

async fn set_tag(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Json<Empty>> {
    let run_id = message.run_id()?;
    let tag = KeyValue::new(message.required("key")?, message.text_or_empty("value")?);
    state
        .core
        .set_run_tag(&who.caller, &who.workspace, run_id, tag)
        .await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Json<Empty>> {
    let (run_id, key) = (message.run_id()?, message.required("key")?);
    state
        .core
        .delete_run_tag(&who.caller, &who.workspace, run_id, key)
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

async fn get_history(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Response> {
    let (run_id, key) = (
        message.run_id()?.to_owned(),
        message.required("metric_key")?.to_owned(),
    );
    let token = message
        .text("page_token")?
        .filter(|token| !token.is_empty());
    let asked = message.int("max_results")?;
    if let Some(asked) = asked.filter(|asked| *asked <= 0) {
        return Err(invalid(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer."
        )));
    }
    let limit = asked
        .and_then(|asked| u32::try_from(asked).ok())
        .map_or(PAGE, |asked| asked.min(PAGE));
    let first = state
        .core
        .metric_history(&who.caller, &who.workspace, (&run_id, &key), limit, token)
        .await?;
    if asked.is_some() || first.next_page_token.is_none() {
        let points: Vec<_> = first
            .points
            .iter()
            .map(|point| PointView::new(&key, *point, None))
            .collect();
        return Ok(page_of(
            "metrics",
            &points,
            first.next_page_token.as_deref(),
        ));
    }
    Ok(whole_history(state, who, run_id, key, first))
}

/// A history that was asked for whole goes out page by page as it is read; memory does not grow with it.
fn whole_history(
    state: AppState,
    who: MlflowCaller,
    run_id: String,
    key: String,
    first: HistoryPage,
) -> Response {
    struct Rest {
        state: AppState,
        who: MlflowCaller,
        run_id: String,
        key: String,
        pages: VecDeque<HistoryPage>,
        open: bool,
        done: bool,
    }
    let rest = Rest {
        state,
        who,
        run_id,
        key,
        pages: VecDeque::from([first]),
        open: false,
        done: false,
    };
    let chunks = stream::try_unfold(rest, |mut rest| async move {
        if rest.done {
            return Ok::<_, Error>(None);
        }
        let Some(page) = rest.pages.pop_front() else {
            return Ok(None);
        };
        let mut text = String::with_capacity(page.points.len() * 80);
        text.push_str(if rest.open { "," } else { "{\"metrics\":[" });
        rest.open = true;
        write_points(&mut text, &rest.key, &page.points);
        match page.next_page_token {
            None => {
                text.push_str("]}");
                rest.done = true;
            }
            Some(token) => {
                let (caller, workspace) = (&rest.who.caller, &rest.who.workspace);
                let series = (rest.run_id.as_str(), rest.key.as_str());
                let next = rest
                    .state
                    .core
                    .metric_history(caller, workspace, series, PAGE, Some(&token))
                    .await?;
                rest.pages.push_back(next);
            }
        }
        Ok(Some((text, rest)))
    });
    (
        [(CONTENT_TYPE, "application/json")],
        Body::from_stream(chunks),
    )
        .into_response()
}

fn write_points(text: &mut String, key: &str, points: &[Point]) {
    for (index, point) in points.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        // a view of numbers and texts always has a JSON form
        text.push_str(
            &serde_json::to_string(&PointView::new(key, *point, None)).unwrap_or_default(),
        );
    }
}

async fn get_history_bulk(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Response> {
    let run_ids = message.query_texts("run_id")?;
    let what = "GetMetricHistoryBulk";
    check_run_ids(&run_ids, what, "run_id.")?;
    let key = message.text("metric_key")?;
    let key = key.ok_or_else(|| invalid(format!("{what} request must specify a metric_key.")))?;
    let asked = message
        .int("max_results")?
        .unwrap_or(i64::from(PAGE))
        .clamp(0, i64::from(PAGE));
    let limit = u32::try_from(asked).unwrap_or(PAGE);
    let curves = state
        .core
        .metric_histories(&who.caller, &who.workspace, run_ids, key, limit)
        .await?;
    let points = with_runs(key, &curves);
    Ok(Json(serde_json::json!({ "metrics": points })).into_response())
}

async fn get_history_bulk_interval(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Response> {
    const MOST: i64 = 2_500;
    let run_ids = message.query_texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(missing("run_ids"));
    }
    if run_ids.len() > MOST_RUNS {
        let count = run_ids.len();
        return Err(invalid(format!(
            "GetMetricHistoryBulkInterval request must specify at most {MOST_RUNS} run_ids. Received {count} run_ids."
        )));
    }
    let key = message.required("metric_key")?;
    let most = message.int("max_results")?.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(invalid(format!(
            "max_results must be between 1 and {MOST}."
        )));
    }
    let steps = match (message.int("start_step")?, message.int("end_step")?) {
        (None, None) => None,
        (Some(start), Some(end)) if start > end => {
            return Err(invalid(format!(
                "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
            )));
        }
        (Some(start), Some(end)) => Some((start, end)),
        _ => {
            return Err(invalid(
                "If either start step or end step are specified, both must be specified.",
            ));
        }
    };
    let most = u32::try_from(most).unwrap_or(1);
    let curves = state
        .core
        .metric_curves(&who.caller, &who.workspace, run_ids, key, most, steps)
        .await?;
    Ok(page_of("metrics", &with_runs(key, &curves), None))
}

/// Runs in one request for histories.
const MOST_RUNS: usize = 100;

fn check_run_ids(run_ids: &[String], what: &str, field: &str) -> MlflowResult<()> {
    if run_ids.is_empty() {
        return Err(invalid(format!(
            "{what} request must specify at least one {field}"
        )));
    }
    if run_ids.len() > MOST_RUNS {
        return Err(invalid(format!(
            "{what} request cannot specify more than {MOST_RUNS} run_ids. Received {} run_ids.",
            run_ids.len()
        )));
    }
    Ok(())
}

fn with_runs<'a>(key: &'a str, curves: &'a [Curve]) -> Vec<PointView<'a>> {
    curves
        .iter()
        .flat_map(|curve| {
            curve
                .points
                .iter()
                .map(|point| PointView::new(key, *point, Some(&curve.run_id)))
        })
        .collect()
}
