//! Metrics: named series of numbers that a run logs, each point with a step and a time.

use crate::invalid::Invalid;
use crate::limits;

/// One logged value, as it arrives and as it is read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The name of the series.
    pub key: String,
    /// The value; may be NaN.
    pub value: f64,
    /// The client's time in milliseconds; not necessarily a true time.
    pub timestamp_ms: i64,
    /// The training step; may be negative.
    pub step: i64,
    /// The logged model the value is about, if any.
    pub model_id: Option<String>,
    /// The data set the value was measured on, if any.
    pub dataset_name: Option<String>,
    /// The digest of that data set.
    pub dataset_digest: Option<String>,
}

/// A point of a known series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The value; NaN is allowed.
    pub value: f64,
    /// The client's time in milliseconds.
    pub timestamp_ms: i64,
    /// The training step.
    pub step: i64,
}

impl Point {
    /// The value as stored: NaN becomes 0 and a mark (a key column cannot hold NaN, and every comparison with
    /// it must be false), infinities the largest finite numbers (JSON has no word for them).
    pub fn stored(self) -> (f64, bool) {
        if self.value.is_nan() {
            return (0.0, true);
        }
        // -0.0 and 0.0 are one point, in every back end
        (self.value.clamp(f64::MIN, f64::MAX) + 0.0, false)
    }

    /// The value from its stored form.
    pub fn from_stored(value: f64, is_nan: bool, timestamp_ms: i64, step: i64) -> Self {
        let value = if is_nan { f64::NAN } else { value };
        Self {
            value,
            timestamp_ms,
            step,
        }
    }

    /// Whether this point is later than the other: by step, then time, then stored value.
    pub fn is_after(self, other: Self) -> bool {
        let (mine, theirs) = (self.stored().0, other.stored().0);
        (self.step, self.timestamp_ms, mine) > (other.step, other.timestamp_ms, theirs)
    }
}

impl Metric {
    /// The numbers without the names.
    pub const fn point(&self) -> Point {
        Point {
            value: self.value,
            timestamp_ms: self.timestamp_ms,
            step: self.step,
        }
    }
}

/// Checks a metric; `path` is empty or like `metrics[3]`.
pub fn validate(metric: &Metric, path: &str) -> Result<(), Invalid> {
    let field = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    limits::key(&field("name"), "Metric name", &metric.key)?;
    if metric.timestamp_ms < 0 {
        return Err(Invalid(format!(
            "Invalid value {} for parameter '{}' supplied: metric '{}' (value={:?}). Timestamp must be a nonnegative long (64-bit integer) ",
            metric.timestamp_ms,
            field("timestamp"),
            metric.key,
            metric.value,
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(key: &str, timestamp_ms: i64) -> Metric {
        Metric {
            key: key.into(),
            value: 1.0,
            timestamp_ms,
            step: 0,
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        }
    }

    #[test]
    fn special_numbers_have_a_stored_form() {
        let point = |value| Point {
            value,
            timestamp_ms: 0,
            step: 0,
        };
        assert_eq!(point(f64::NAN).stored(), (0.0, true));
        assert_eq!(point(f64::INFINITY).stored(), (f64::MAX, false));
        assert_eq!(point(f64::NEG_INFINITY).stored(), (f64::MIN, false));
        assert!(point(-0.0).stored().0.is_sign_positive());
        assert!(Point::from_stored(0.0, true, 1, 2).value.is_nan());
    }

    #[test]
    fn the_latest_is_by_step_then_time_then_value() {
        let at = |step, timestamp_ms, value| Point {
            value,
            timestamp_ms,
            step,
        };
        assert!(at(2, 1, 0.0).is_after(at(1, 9, 9.0)));
        assert!(at(1, 2, 0.0).is_after(at(1, 1, 9.0)));
        assert!(at(1, 1, 2.0).is_after(at(1, 1, 1.0)));
        assert!(!at(1, 1, 1.0).is_after(at(1, 1, 1.0)));
    }

    #[test]
    fn messages_name_the_place() {
        assert!(
            validate(&metric("../x", 0), "metrics[4]")
                .unwrap_err()
                .0
                .contains("'metrics[4].name'")
        );
        assert!(
            validate(&metric("a", -1), "")
                .unwrap_err()
                .0
                .contains("'timestamp'")
        );
        assert_eq!(validate(&metric("a", 0), ""), Ok(()));
    }
}
