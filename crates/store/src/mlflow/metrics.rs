//! Metrics with their whole history.

use super::Schema;
use super::fields::Fields;
use super::pipe::{Context, Key, Pipe, key};
use crate::Kind::{Integer, Real, Text};
use crate::sql::placeholders;
use crate::{Param, StoreError, Tx, Value, params};
use lazuli_spec::metrics::Point;

const COUNT_OURS: &str =
    "SELECT COUNT(*) FROM metric_points p JOIN metric_series s ON s.series_no = p.series_no
    JOIN runs r ON r.run_no = s.run_no WHERE r.workspace_id = $1";
const COUNT_OUR_SERIES: &str = "SELECT COUNT(*) FROM metric_series s JOIN runs r ON r.run_no = s.run_no WHERE r.workspace_id = $1";

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    let ours = schema.in_workspace("experiments", "e");
    vec![Pipe {
        noun: "metrics",
        select: "SELECT m.run_uuid, m.key, m.step, m.timestamp, m.value, m.is_nan FROM metrics m WHERE 1 = 1".to_owned(),
        // the order of the table's own key
        keys: const {
            &[
                key("m.key", 1),
                key("m.timestamp", 3),
                key("m.step", 2),
                key("m.run_uuid", 0),
                key("m.value", 4),
                Key { expression: "m.is_nan", column: 5, truth: true },
            ]
        },
        kinds: &[Text, Text, Integer, Integer, Real, Integer],
        name: 1,
        convert: |context, row| Ok(point(context, row)),
        columns: "ws, run, key, step, at, value, is_nan",
        writes: vec![
            "INSERT INTO metric_series (run_no, key, experiment_no, value, is_nan, step, timestamp_ms, in_order)
             SELECT DISTINCT r.run_no, v.key, r.experiment_no, 0.0, 0, 0, 0, 0
             FROM v CROSS JOIN runs r WHERE r.run_id = v.run AND r.workspace_id = v.ws ON CONFLICT DO NOTHING",
            "INSERT INTO metric_points (series_no, step, timestamp_ms, value, is_nan)
             SELECT s.series_no, v.step, v.at, v.value, v.is_nan FROM v CROSS JOIN runs r CROSS JOIN metric_series s
             WHERE r.run_id = v.run AND r.workspace_id = v.ws AND s.run_no = r.run_no AND s.key = v.key ON CONFLICT DO NOTHING",
        ],
        count_from: format!(
            "SELECT COUNT(*) FROM metrics m JOIN runs r ON r.run_uuid = m.run_uuid
             JOIN experiments e ON e.experiment_id = r.experiment_id WHERE {ours}"
        ),
        count_into: COUNT_OURS,
    }]
}

fn point(context: &Context, row: &Fields) -> Vec<Value> {
    let value = if row.int(5) == 0 {
        row.opt_real(4).unwrap_or(f64::NAN)
    } else {
        f64::NAN
    };
    let point = Point {
        value,
        timestamp_ms: row.int(3),
        step: row.int(2),
    };
    let (value, is_nan) = point.stored();
    vec![
        context.workspace_id.as_str().into(),
        row.same(0),
        row.same(1),
        point.step.into(),
        point.timestamp_ms.into(),
        value.into(),
        is_nan.into(),
    ]
}

/// A stretch of series that were settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesPage {
    /// How many.
    pub count: usize,
    /// The last one's number.
    pub last: i64,
}

/// Points came in the order of their keys, so what a series says of its newest point, and whether time went with the steps,
/// is worked out when they are all there. The next series of a workspace after `after`, or none.
pub fn settle_series(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    after: i64,
    limit: u32,
) -> Result<Option<SeriesPage>, StoreError> {
    let numbers: Vec<i64> = tx.query(
        "SELECT s.series_no FROM metric_series s JOIN runs r ON r.run_no = s.run_no
         WHERE s.series_no > $2 AND r.workspace_id = $1 ORDER BY s.series_no LIMIT $3",
        params![workspace_id, after, limit],
        |row| row.get(0),
    )?;
    let Some(last) = numbers.last().copied() else {
        return Ok(None);
    };
    let sql = format!(
        "UPDATE metric_series SET
             (step, timestamp_ms, value, is_nan) = (SELECT p.step, p.timestamp_ms, p.value, p.is_nan FROM metric_points p
                 WHERE p.series_no = metric_series.series_no
                 ORDER BY p.step DESC, p.timestamp_ms DESC, p.value DESC, p.is_nan DESC LIMIT 1),
             in_order = CASE WHEN EXISTS (SELECT 1 FROM (SELECT p.timestamp_ms AS now,
                     LAG(p.timestamp_ms) OVER (ORDER BY p.step, p.timestamp_ms) AS before
                     FROM metric_points p WHERE p.series_no = metric_series.series_no) AS pairs WHERE pairs.now < pairs.before)
                 THEN 0 ELSE 1 END
         WHERE series_no IN ({})",
        placeholders(1, numbers.len())
    );
    let values: Vec<Param<'_>> = numbers
        .iter()
        .map(|number| Param::Integer(*number))
        .collect();
    tx.execute(&sql, &values)?;
    Ok(Some(SeriesPage {
        count: numbers.len(),
        last,
    }))
}

pub(super) fn exports() -> Vec<Pipe> {
    let points = Pipe {
        noun: "metrics",
        select: "SELECT r.run_id, s.key, p.step, p.timestamp_ms, p.value, p.is_nan, p.series_no FROM metric_points p
                 JOIN metric_series s ON s.series_no = p.series_no JOIN runs r ON r.run_no = s.run_no WHERE r.workspace_id = $1"
            .to_owned(),
        keys: const {
            &[
                key("p.series_no", 6),
                key("p.step", 2),
                key("p.timestamp_ms", 3),
                key("p.value", 4),
                key("p.is_nan", 5),
            ]
        },
        kinds: &[Text, Text, Integer, Integer, Real, Integer, Integer],
        name: 1,
        convert: |_, row| Ok((0..6).map(|index| row.same(index)).collect()),
        columns: "run, key, step, at, value, is_nan",
        writes: vec![
            "INSERT INTO metrics (run_uuid, key, step, timestamp, value, is_nan)
             SELECT run, key, step, at, value, is_nan = 1 FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_OURS.to_owned(),
        count_into: "SELECT COUNT(*) FROM metrics",
    };
    let latest = Pipe {
        noun: "latest metrics",
        select: "SELECT r.run_id, s.key, s.step, s.timestamp_ms, s.value, s.is_nan, s.series_no FROM metric_series s
                 JOIN runs r ON r.run_no = s.run_no WHERE r.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("s.series_no", 6)] },
        kinds: &[Text, Text, Integer, Integer, Real, Integer, Integer],
        name: 1,
        convert: |_, row| Ok((0..6).map(|index| row.same(index)).collect()),
        columns: "run, key, step, at, value, is_nan",
        writes: vec![
            "INSERT INTO latest_metrics (run_uuid, key, step, timestamp, value, is_nan)
             SELECT run, key, step, at, value, is_nan = 1 FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_OUR_SERIES.to_owned(),
        count_into: "SELECT COUNT(*) FROM latest_metrics",
    };
    vec![points, latest]
}
