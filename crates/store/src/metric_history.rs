//! Reading `metric_points`: pages of a history, and thinned curves for charts.

use lazuli_spec::metrics::Point;

use crate::metrics::{Series, series_from_row};
use crate::{Row, StoreError, Tx, params};

/// Above this many points a curve is thinned by jumping to evenly spaced steps instead of reading every point.
const READ_WHOLE: i64 = 20_000;

/// A series that can be read.
#[derive(Clone, Copy, Debug)]
pub struct SeriesRef(Series);

/// The series of a run with this key.
pub fn find(tx: &mut Tx<'_>, run_no: i64, key: &str) -> Result<Option<SeriesRef>, StoreError> {
    tx.query_opt(
        "SELECT series_no, value, is_nan, timestamp_ms, step, in_order FROM metric_series WHERE run_no = $1 AND key = $2",
        params![run_no, key],
        |row| Ok(SeriesRef(series_from_row(row)?)),
    )
}

/// Up to `limit` points in order of time, then step, then value, after the given one.
pub fn page(
    tx: &mut Tx<'_>,
    series: SeriesRef,
    after: Option<Point>,
    limit: i64,
) -> Result<Vec<Point>, StoreError> {
    // Both orders are the same where every point came in order, and that of the table needs no sorting.
    let order = if series.0.in_order {
        "step, timestamp_ms, value, is_nan"
    } else {
        "timestamp_ms, step, value, is_nan"
    };
    let Some(after) = after else {
        let sql = format!(
            "SELECT value, is_nan, timestamp_ms, step FROM metric_points WHERE series_no = $1 ORDER BY {order} LIMIT $2"
        );
        return tx.query(&sql, params![series.0.number, limit], point);
    };
    let (value, is_nan) = after.stored();
    let sql = format!(
        "SELECT value, is_nan, timestamp_ms, step FROM metric_points WHERE series_no = $1 AND ({order}) > ($2, $3, $4, $5)
         ORDER BY {order} LIMIT $6"
    );
    let (first, second) = if series.0.in_order {
        (after.step, after.timestamp_ms)
    } else {
        (after.timestamp_ms, after.step)
    };
    tx.query(
        &sql,
        params![series.0.number, first, second, value, is_nan, limit],
        point,
    )
}

fn point(row: &Row<'_>) -> Result<Point, StoreError> {
    Ok(Point::from_stored(
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
    ))
}

/// At most `most` points spread evenly over the series (within the steps, if given), the first and the last among them.
pub fn sample(
    tx: &mut Tx<'_>,
    series: SeriesRef,
    most: i64,
    steps: Option<(i64, i64)>,
) -> Result<Vec<Point>, StoreError> {
    let (from, to) = steps.unwrap_or((i64::MIN, i64::MAX));
    let Some(last) = end(tx, series, from, to, "DESC")? else {
        return Ok(Vec::new());
    };
    let mut points = if is_long(tx, series, from, to)? {
        jumps(tx, series, most, from, to, last)?
    } else {
        None
    }
    .map_or_else(|| buckets(tx, series, most, from, to), Ok)?;
    if points.last().map(|point| key(*point)) != Some(key(last)) {
        if points.len() as i64 >= most {
            points.pop();
        }
        points.push(last);
    }
    Ok(points)
}

fn key(point: Point) -> (i64, i64, u64, bool) {
    let (value, is_nan) = point.stored();
    (point.step, point.timestamp_ms, value.to_bits(), is_nan)
}

fn end(
    tx: &mut Tx<'_>,
    series: SeriesRef,
    from: i64,
    to: i64,
    way: &str,
) -> Result<Option<Point>, StoreError> {
    let sql = format!(
        "SELECT value, is_nan, timestamp_ms, step FROM metric_points WHERE series_no = $1 AND step >= $2 AND step <= $3
         ORDER BY step {way}, timestamp_ms {way}, value {way}, is_nan {way} LIMIT 1"
    );
    tx.query_opt(&sql, params![series.0.number, from, to], point)
}

fn is_long(tx: &mut Tx<'_>, series: SeriesRef, from: i64, to: i64) -> Result<bool, StoreError> {
    let count: i64 = tx.query_one(
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM metric_points WHERE series_no = $1 AND step >= $2 AND step <= $3 LIMIT $4) counted",
        params![series.0.number, from, to, READ_WHOLE + 1],
        |row| row.get(0),
    )?;
    Ok(count > READ_WHOLE)
}

/// The first point of each of `most` equal parts, by number of points.
fn buckets(
    tx: &mut Tx<'_>,
    series: SeriesRef,
    most: i64,
    from: i64,
    to: i64,
) -> Result<Vec<Point>, StoreError> {
    tx.query(
        "SELECT value, is_nan, timestamp_ms, step FROM (
             SELECT value, is_nan, timestamp_ms, step, bucket,
                    ROW_NUMBER() OVER (PARTITION BY bucket ORDER BY step, timestamp_ms, value, is_nan) AS place
             FROM (SELECT value, is_nan, timestamp_ms, step,
                          NTILE(CAST($4 AS INTEGER)) OVER (ORDER BY step, timestamp_ms, value, is_nan) AS bucket
                   FROM metric_points WHERE series_no = $1 AND step >= $2 AND step <= $3) parts) firsts
         WHERE place = 1 ORDER BY step, timestamp_ms, value, is_nan",
        params![series.0.number, from, to, most],
        point,
    )
}

/// The first point at or after each of `most` evenly spaced steps: as many index look-ups, however long the series is.
/// `None` when there are too few different steps for that.
fn jumps(
    tx: &mut Tx<'_>,
    series: SeriesRef,
    most: i64,
    from: i64,
    to: i64,
    last: Point,
) -> Result<Option<Vec<Point>>, StoreError> {
    let Some(first) = end(tx, series, from, to, "ASC")? else {
        return Ok(None);
    };
    let span = i128::from(last.step) - i128::from(first.step);
    if span < i128::from(most) {
        return Ok(None);
    }
    let mut points: Vec<Point> = Vec::with_capacity(most as usize);
    for part in 0..most {
        let target = i128::from(first.step) + span * i128::from(part) / i128::from(most);
        let target = i64::try_from(target).unwrap_or(last.step);
        if points.last().is_some_and(|point| point.step >= target) {
            continue;
        }
        points.extend(end(tx, series, target, last.step, "ASC")?);
    }
    Ok(Some(points))
}
