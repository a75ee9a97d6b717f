use lazuli_spec::Timestamp;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::trace_metrics::parse_metrics_filter;
use lazuli_spec::traces::TraceInfo;

use super::*;
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, with};
use crate::{Store, params, traces};

/// Six traces, one each half hour from just before 1970 on, two of them without a duration, each with one span.
async fn fill(store: &Store) -> i64 {
    with(store, |tx| {
        crate::experiments::insert_default(tx, WS, Timestamp(0))?;
        let experiment = crate::experiments::find(tx, WS, ExperimentId::DEFAULT)?;
        let experiment_no = experiment.ok_or(StoreError::NotFound)?.experiment_no;
        for number in 0..6_i64 {
            let time = (number - 1) * 1_800_000;
            let mut info = TraceInfo::new(format!("tr-{number}"), ExperimentId::DEFAULT, time);
            info.execution_duration_ms = (number < 4).then_some((number + 1) * 100);
            info.name = Some(if number % 2 == 0 { "even" } else { "odd" }.to_owned());
            info.session_id = (number < 3).then(|| "s".to_owned());
            let trace_no = traces::insert(tx, WS, experiment_no, &info)?.ok_or(StoreError::NotFound)?;
            tx.execute(
                "INSERT INTO spans (trace_no, span_id, name, type, status, start_ns, end_ns, content, total_cost, model_name)
                 VALUES ($1, '1', 'call', 'LLM', 'OK', $2, $3, '{}', $4, 'm')",
                params![trace_no, time * 1_000_000, time * 1_000_000 + 2_500_000, 0.25],
            )?;
        }
        Ok(experiment_no)
    })
    .await
}

fn wanted(
    experiment: i64,
    view: MetricsView,
    metric: &str,
    aggregations: &[Aggregation],
) -> MetricsQuery {
    MetricsQuery {
        experiments: vec![experiment],
        view,
        metric: metric.to_owned(),
        aggregations: aggregations.to_vec(),
        dimensions: Vec::new(),
        filters: Vec::new(),
        interval_ms: None,
        start_ms: None,
        end_ms: None,
        limit: 100,
    }
}

fn point(bucket_ms: Option<i64>, dimensions: &[&str], values: &[f64]) -> MetricsPoint {
    MetricsPoint {
        bucket_ms,
        dimensions: dimensions.iter().map(|&one| one.to_owned()).collect(),
        values: values.iter().map(|value| Some(*value)).collect(),
    }
}

#[test]
fn percentiles_lie_between_their_neighbours() {
    each_backend(|store| async move {
        let experiment = fill(&store).await;
        let all = [
            Aggregation::Percentile(50.0),
            Aggregation::Percentile(0.0),
            Aggregation::Percentile(100.0),
            Aggregation::Percentile(90.0),
            Aggregation::Avg,
            Aggregation::Min,
            Aggregation::Max,
        ];
        let latency = wanted(experiment, MetricsView::Traces, "latency", &all);
        let found = with(&store, move |tx| query(tx, &latency)).await;
        assert_eq!(
            found,
            [point(
                None,
                &[],
                &[250.0, 100.0, 400.0, 370.0, 250.0, 100.0, 400.0]
            )]
        );

        let mut by_name = wanted(
            experiment,
            MetricsView::Traces,
            "latency",
            &[Aggregation::Percentile(50.0)],
        );
        by_name.dimensions = vec!["trace_name".to_owned()];
        let found = with(&store, move |tx| query(tx, &by_name)).await;
        assert_eq!(
            found,
            [
                point(None, &["even"], &[200.0]),
                point(None, &["odd"], &[300.0])
            ]
        );
    });
}

#[test]
fn counts_by_time_begin_at_whole_spans() {
    each_backend(|store| async move {
        let experiment = fill(&store).await;
        let mut counts = wanted(
            experiment,
            MetricsView::Traces,
            "trace_count",
            &[Aggregation::Count],
        );
        counts.interval_ms = Some(3_600_000);
        let mut limited = counts.clone();
        let found = with(&store, move |tx| query(tx, &counts)).await;
        let expected = [
            point(Some(-3_600_000), &[], &[1.0]),
            point(Some(0), &[], &[2.0]),
            point(Some(3_600_000), &[], &[2.0]),
            point(Some(7_200_000), &[], &[1.0]),
        ];
        assert_eq!(found, expected);
        limited.start_ms = Some(1);
        limited.end_ms = Some(3_600_000);
        let found = with(&store, move |tx| query(tx, &limited)).await;
        assert_eq!(
            found,
            [
                point(Some(0), &[], &[1.0]),
                point(Some(3_600_000), &[], &[1.0])
            ]
        );
    });
}

#[test]
fn spans_sessions_and_filters() {
    each_backend(|store| async move {
        let experiment = fill(&store).await;
        let mut cost = wanted(
            experiment,
            MetricsView::Spans,
            "total_cost",
            &[Aggregation::Sum],
        );
        cost.dimensions = vec!["span_model_name".to_owned()];
        cost.interval_ms = Some(3_600_000);
        cost.start_ms = Some(0);
        let text = "trace.metadata.`mlflow.trace.session` = 's'";
        cost.filters = vec![parse_metrics_filter(text, cost.view).unwrap()];
        let found = with(&store, move |tx| query(tx, &cost)).await;
        assert_eq!(found, [point(Some(0), &["m"], &[0.5])]);

        let sessions = wanted(
            experiment,
            MetricsView::Traces,
            "session_count",
            &[Aggregation::Count],
        );
        let found = with(&store, move |tx| query(tx, &sessions)).await;
        assert_eq!(found, [point(None, &[], &[1.0])]);

        let mut latency = wanted(
            experiment,
            MetricsView::Spans,
            "latency",
            &[Aggregation::Max],
        );
        latency.filters = vec![parse_metrics_filter("span.type = 'LLM'", latency.view).unwrap()];
        let found = with(&store, move |tx| query(tx, &latency)).await;
        assert_eq!(found, [point(None, &[], &[2.0])]);

        let none = wanted(
            experiment,
            MetricsView::Assessments,
            "assessment_value",
            &[Aggregation::Avg],
        );
        let found = with(&store, move |tx| query(tx, &none)).await;
        assert_eq!(found[0].values, [None]);
    });
}
