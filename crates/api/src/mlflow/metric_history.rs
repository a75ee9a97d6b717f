//! Metric histories: `mlflow/metrics/*`.

use std::collections::VecDeque;

use axum::body::Body;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use futures::stream;
use lazuli_core::Error;
use lazuli_core::metrics::{Curve, HistoryPage};
use lazuli_spec::Action;
use lazuli_spec::metrics::Point;

use super::errors::MlflowResult;
use super::experiments::page_of;
use super::json::{invalid, missing};
use super::views::PointView;
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

/// The largest page of a history.
const PAGE: u32 = 25_000;

pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::RunsRead);
    let mut paths = Paths::below(routes, "2.0/mlflow/metrics/");
    paths.add(Method::GET, "get-history", read, get_history);
    paths.add(Method::GET, "get-history-bulk", read, get_history_bulk);
    paths.add(
        Method::GET,
        "get-history-bulk-interval",
        read,
        get_history_bulk_interval,
    );
}

async fn get_history(call: Call) -> MlflowResult<Response> {
    let (run_id, key) = (
        call.fields.run_id()?.to_owned(),
        call.fields.required("metric_key")?.to_owned(),
    );
    let token = call
        .fields
        .text("page_token")?
        .filter(|token| !token.is_empty());
    let asked = call.fields.int("max_results")?;
    if let Some(asked) = asked.filter(|asked| *asked <= 0) {
        return Err(invalid(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer."
        )));
    }
    let limit = asked
        .and_then(|asked| u32::try_from(asked).ok())
        .map_or(PAGE, |asked| asked.min(PAGE));
    let first = call
        .core
        .metric_history(&call.caller, &call.workspace, (&run_id, &key), limit, token)
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
    Ok(whole_history(call, run_id, key, first))
}

/// A history that was asked for whole goes out page by page as it is read; memory does not grow with it.
fn whole_history(call: Call, run_id: String, key: String, first: HistoryPage) -> Response {
    struct Rest {
        call: Call,
        run_id: String,
        key: String,
        pages: VecDeque<HistoryPage>,
        open: bool,
        done: bool,
    }
    let rest = Rest {
        call,
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
                let (caller, workspace) = (&rest.call.caller, &rest.call.workspace);
                let series = (rest.run_id.as_str(), rest.key.as_str());
                let next = rest
                    .call
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

async fn get_history_bulk(call: Call) -> MlflowResult<Response> {
    let run_ids = call.fields.query_texts("run_id")?;
    let what = "GetMetricHistoryBulk";
    check_run_ids(&run_ids, what, "run_id.")?;
    let key = call.fields.text("metric_key")?;
    let key = key.ok_or_else(|| invalid(format!("{what} request must specify a metric_key.")))?;
    let asked = call
        .fields
        .int("max_results")?
        .unwrap_or(i64::from(PAGE))
        .clamp(0, i64::from(PAGE));
    let limit = u32::try_from(asked).unwrap_or(PAGE);
    let curves = call
        .core
        .metric_histories(&call.caller, &call.workspace, run_ids, key, limit)
        .await?;
    let points = with_runs(key, &curves);
    Ok(Json(serde_json::json!({ "metrics": points })).into_response())
}

async fn get_history_bulk_interval(call: Call) -> MlflowResult<Response> {
    let (key, curves) = bulk_interval(&call).await?;
    Ok(page_of("metrics", &with_runs(&key, &curves), None))
}

/// The histories that are asked for, thinned out, and their key.
pub(super) async fn bulk_interval(call: &Call) -> MlflowResult<(String, Vec<Curve>)> {
    const MOST: i64 = 2_500;
    let run_ids = call.fields.query_texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(missing("run_ids"));
    }
    if run_ids.len() > MOST_RUNS {
        let count = run_ids.len();
        return Err(invalid(format!(
            "GetMetricHistoryBulkInterval request must specify at most {MOST_RUNS} run_ids. Received {count} run_ids."
        )));
    }
    let key = call.fields.required("metric_key")?;
    let most = call.fields.int("max_results")?.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(invalid(format!(
            "max_results must be between 1 and {MOST}."
        )));
    }
    let steps = match (call.fields.int("start_step")?, call.fields.int("end_step")?) {
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
    let curves = call
        .core
        .metric_curves(&call.caller, &call.workspace, run_ids, key, most, steps)
        .await?;
    Ok((key.to_owned(), curves))
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
