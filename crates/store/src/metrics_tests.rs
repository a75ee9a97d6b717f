use super::*;
use crate::Store;
use crate::metric_history::{self, page, sample};
use crate::runs::load;
use crate::testing::each_backend;
use crate::tracking_fixture::{WS, metric, run, with};

async fn logged(store: &Store, metrics: Vec<Metric>) {
    with(store, move |tx| {
        let run = match crate::runs::find(tx, WS, "r1", true)? {
            Some(run) => run,
            None => run(tx, "r1", 1)?,
        };
        append(tx, &run, &metrics)
    })
    .await;
}

async fn history(store: &Store, key: &'static str, limit: i64) -> Vec<(i64, i64, f64)> {
    let mut points: Vec<Point> = Vec::new();
    loop {
        let after = points.last().copied();
        let more = with(store, move |tx| {
            let run = crate::runs::find(tx, WS, "r1", false)?.unwrap();
            let series = metric_history::find(tx, run.run_no, key)?.unwrap();
            page(tx, series, after, limit)
        })
        .await;
        if more.is_empty() {
            return points
                .iter()
                .map(|p| (p.timestamp_ms, p.step, p.value))
                .collect();
        }
        points.extend(more);
    }
}

async fn latest(store: &Store, key: &str) -> Point {
    let run = with(store, |tx| load(tx, WS, "r1")).await.unwrap();
    run.metrics
        .iter()
        .find(|metric| metric.key == key)
        .unwrap()
        .point
}

#[test]
fn the_same_batch_twice_is_stored_once() {
    each_backend(|store| async move {
        let batch: Vec<Metric> = (0..250)
            .map(|i| metric("loss", i as f64, 1_000 + i, i))
            .collect();
        logged(&store, batch.clone()).await;
        logged(&store, batch.clone()).await;
        logged(&store, batch[100..].to_vec()).await;
        let points = history(&store, "loss", 60).await;
        assert_eq!(points.len(), 250);
        assert_eq!(points[249], (1_249, 249, 249.0));
    });
}

#[test]
fn the_newest_point_is_by_step_then_time_then_value() {
    each_backend(|store| async move {
        logged(&store, vec![metric("a", 1.0, 10, 5)]).await;
        logged(&store, vec![metric("a", 9.0, 99, 4)]).await;
        assert!((latest(&store, "a").await.value - 1.0).abs() < f64::EPSILON);
        logged(
            &store,
            vec![
                metric("a", 0.5, 11, 5),
                metric("a", 0.7, 11, 5),
                metric("a", 0.6, 11, 5),
            ],
        )
        .await;
        assert!((latest(&store, "a").await.value - 0.7).abs() < f64::EPSILON);
        logged(
            &store,
            vec![
                metric("a", f64::NAN, 12, 6),
                metric("b", f64::NEG_INFINITY, 1, -3),
            ],
        )
        .await;
        assert!(latest(&store, "a").await.value.is_nan());
        assert_eq!(
            latest(&store, "b").await,
            Point {
                value: f64::MIN,
                timestamp_ms: 1,
                step: -3
            }
        );
    });
}

#[test]
fn a_history_is_by_time_even_when_steps_came_out_of_order() {
    each_backend(|store| async move {
        let times = [(3, 1), (1, 2), (2, 3), (2, 0), (5, 5), (4, 4)];
        for (timestamp_ms, step) in times {
            logged(&store, vec![metric("a", step as f64, timestamp_ms, step)]).await;
        }
        let order: Vec<(i64, i64)> = history(&store, "a", 2)
            .await
            .iter()
            .map(|(t, s, _)| (*t, *s))
            .collect();
        assert_eq!(order, [(1, 2), (2, 0), (2, 3), (3, 1), (4, 4), (5, 5)]);
    });
}

#[test]
fn curves_are_thinned_with_their_ends_kept() {
    each_backend(|store| async move {
        let batch = |from: i64, to: i64| {
            (from..to)
                .map(|i| metric("a", i as f64, i, i))
                .collect::<Vec<_>>()
        };
        logged(&store, batch(0, 1_000)).await;
        let curve = |most: i64, steps: Option<(i64, i64)>| {
            let store = store.clone();
            async move {
                let points = with(&store, move |tx| {
                    let run = crate::runs::find(tx, WS, "r1", false)?.unwrap();
                    let series = metric_history::find(tx, run.run_no, "a")?.unwrap();
                    sample(tx, series, most, steps)
                })
                .await;
                points.iter().map(|point| point.step).collect::<Vec<_>>()
            }
        };
        assert_eq!(curve(5, None).await, [0, 200, 400, 600, 999]);
        assert_eq!(curve(1, None).await, [999]);
        assert_eq!(curve(2_500, Some((10, 12))).await, [10, 11, 12]);
        assert!(curve(5, Some((5_000, 6_000))).await.is_empty());
        logged(&store, batch(1_000, 21_001)).await;
        let long = curve(10, None).await;
        assert_eq!((long.len(), long[0], long[9]), (10, 0, 21_000));
        assert!(long.windows(2).all(|pair| pair[0] < pair[1]), "{long:?}");
    });
}

#[test]
fn many_series_in_one_batch() {
    each_backend(|store| async move {
        let batch: Vec<Metric> = (0..300)
            .map(|i| metric(&format!("m{i}"), f64::from(i), 1, 1))
            .collect();
        logged(&store, batch.clone()).await;
        let later: Vec<Metric> = (0..300)
            .map(|i| metric(&format!("m{i}"), f64::from(i) + 1.0, 2, 2))
            .collect();
        logged(&store, later).await;
        let run = with(&store, |tx| load(tx, WS, "r1")).await.unwrap();
        assert_eq!(run.metrics.len(), 300);
        assert!(run.metrics.iter().all(|metric| metric.point.step == 2));
    });
}
