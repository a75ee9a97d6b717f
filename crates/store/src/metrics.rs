//! Rows of `metric_series` and `metric_points`: what runs log most.
//!
//! A batch costs one look-up of its series, one INSERT for a hundred points and one UPDATE for each series whose newest
//! point changed. Points that are there already are passed over, so a client may send a batch again.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use lazuli_spec::metrics::{Metric, Point};
use lazuli_spec::runs::LatestMetric;

use crate::runs::{Filling, RunRef, for_runs};
use crate::sql::{padded_chunks, placeholders, rows};
use crate::{Param, Row, StoreError, Tx, params};

/// A series as stored: its number, its newest point, and whether all came in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub(crate) number: i64,
    pub(crate) latest: Point,
    pub(crate) in_order: bool,
}

/// Adds points to a run's series.
pub fn append(tx: &mut Tx<'_>, run: &RunRef, metrics: &[Metric]) -> Result<(), StoreError> {
    let mut points: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for metric in metrics {
        points.entry(&metric.key).or_default().push(metric.point());
    }
    let keys: Vec<&str> = points.keys().copied().collect();
    let mut known = find_series(tx, run.run_no, &keys)?;
    let mut appended = Vec::with_capacity(metrics.len());
    let mut advanced = Vec::new();
    for (key, mut points) in points {
        points.sort_by(|a, b| {
            order(*a)
                .partial_cmp(&order(*b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let before = known.remove(key);
        let after = advance(before, &points);
        let number = match before {
            Some(series) => series.number,
            None => insert_series(tx, run, key, &after)?,
        };
        if before.is_some_and(|before| before.differs(&after)) {
            advanced.push(Series { number, ..after });
        }
        appended.extend(points.into_iter().map(|point| (number, point)));
    }
    if insert_points(tx, &appended)? == 0 {
        return Ok(());
    }
    advanced
        .iter()
        .try_for_each(|series| update_series(tx, series))
}

impl Series {
    fn differs(&self, other: &Series) -> bool {
        other.latest.is_after(self.latest) || self.in_order != other.in_order
    }
}

/// The order of a chart: by step, then time, then value.
fn order(point: Point) -> (i64, i64, f64, bool) {
    let (value, is_nan) = point.stored();
    (point.step, point.timestamp_ms, value, is_nan)
}

/// The series after the points, which are in order among themselves by step.
fn advance(before: Option<Series>, points: &[Point]) -> Series {
    let nowhere = Point {
        value: 0.0,
        timestamp_ms: i64::MIN,
        step: i64::MIN,
    };
    let mut series = before.unwrap_or(Series {
        number: 0,
        latest: nowhere,
        in_order: true,
    });
    for point in points {
        if point.step < series.latest.step || point.timestamp_ms < series.latest.timestamp_ms {
            series.in_order = false;
        }
        if point.is_after(series.latest) {
            series.latest = *point;
        }
    }
    series
}

/// The series of a run with these keys.
fn find_series(
    tx: &mut Tx<'_>,
    run_no: i64,
    keys: &[&str],
) -> Result<HashMap<String, Series>, StoreError> {
    let mut found = HashMap::with_capacity(keys.len());
    for chunk in padded_chunks(keys) {
        let sql = format!(
            "SELECT series_no, value, is_nan, timestamp_ms, step, in_order, key FROM metric_series
             WHERE run_no = $1 AND key IN ({})",
            placeholders(2, chunk.len())
        );
        let mut values = vec![Param::Integer(run_no)];
        values.extend(chunk.iter().map(|key| Param::Text(key)));
        tx.for_each(&sql, &values, |row| {
            found.insert(row.get::<String>(6)?, series_from_row(row)?);
            Ok(())
        })?;
    }
    Ok(found)
}

pub(crate) fn series_from_row(row: &Row<'_>) -> Result<Series, StoreError> {
    Ok(Series {
        number: row.get(0)?,
        latest: Point::from_stored(row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?),
        in_order: row.get(5)?,
    })
}

fn insert_series(
    tx: &mut Tx<'_>,
    run: &RunRef,
    key: &str,
    series: &Series,
) -> Result<i64, StoreError> {
    let (value, is_nan) = series.latest.stored();
    tx.query_one(
        "INSERT INTO metric_series (run_no, key, experiment_no, value, is_nan, step, timestamp_ms, in_order)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (run_no, key) DO UPDATE SET key = excluded.key RETURNING series_no",
        params![
            run.run_no,
            key,
            run.experiment_no,
            value,
            is_nan,
            series.latest.step,
            series.latest.timestamp_ms,
            series.in_order
        ],
        |row| row.get(0),
    )
}

fn update_series(tx: &mut Tx<'_>, series: &Series) -> Result<(), StoreError> {
    let (value, is_nan) = series.latest.stored();
    tx.execute(
        "UPDATE metric_series SET value = $2, is_nan = $3, step = $4, timestamp_ms = $5, in_order = $6 WHERE series_no = $1",
        params![
            series.number,
            value,
            is_nan,
            series.latest.step,
            series.latest.timestamp_ms,
            series.in_order
        ],
    )?;
    Ok(())
}

const MANY: usize = 100;
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert_sql(MANY));
static INSERT_SOME: LazyLock<String> = LazyLock::new(|| insert_sql(10));
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert_sql(1));

fn insert_sql(count: usize) -> String {
    format!(
        "INSERT INTO metric_points (series_no, step, timestamp_ms, value, is_nan) VALUES {} ON CONFLICT DO NOTHING",
        rows(count, 5)
    )
}

/// Adds the points that are not there yet; says how many those are.
fn insert_points(tx: &mut Tx<'_>, mut points: &[(i64, Point)]) -> Result<u64, StoreError> {
    let mut added = 0;
    while !points.is_empty() {
        let (sql, count) = match points.len() {
            MANY.. => (&INSERT_MANY, MANY),
            10.. => (&INSERT_SOME, 10),
            _ => (&INSERT_ONE, 1),
        };
        let (now, later) = points.split_at(count);
        let mut values = Vec::with_capacity(count * 5);
        for (series, point) in now {
            let (value, is_nan) = point.stored();
            values.extend([
                Param::Integer(*series),
                Param::Integer(point.step),
                Param::Integer(point.timestamp_ms),
                Param::Real(value),
                Param::Integer(i64::from(is_nan)),
            ]);
        }
        added += tx.execute(sql, &values)?;
        points = later;
    }
    Ok(added)
}

/// Adds the newest point of its series to each run, by key.
pub(crate) fn fill(tx: &mut Tx<'_>, numbers: &[i64], runs: &mut Filling) -> Result<(), StoreError> {
    let sql = |list: &str| {
        format!(
            "SELECT run_no, key, value, is_nan, timestamp_ms, step FROM metric_series WHERE run_no IN ({list}) ORDER BY run_no, key"
        )
    };
    for_runs(tx, numbers, sql, |row| {
        if let Some(run) = runs.get(row.get(0)?) {
            run.metrics.push(LatestMetric {
                key: row.get(1)?,
                point: Point::from_stored(row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?),
            });
        }
        Ok(())
    })
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
