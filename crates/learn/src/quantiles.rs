//! A streaming quantile sketch with a bound on its relative error: the gateway keeps one per deployment for latencies.
//!
//! Values fall into buckets whose widths grow geometrically, so any quantile comes back within [`RELATIVE_ERROR`] of a value
//! that was really seen, in constant memory and without sorting. Two sketches merge exactly: counts add up.

use serde::{Deserialize, Serialize};

/// How far an answer may lie from the true quantile, as a share of it.
pub const RELATIVE_ERROR: f64 = 0.01;

const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
/// Values below this count as zero; above `SMALLEST * GAMMA^BUCKETS` (about 5e9) they share the last bucket.
const SMALLEST: f64 = 1e-3;
const BUCKETS: usize = 1_464;

/// Counts of non-negative values by magnitude.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantileSketch {
    zeros: u64,
    counts: Vec<u64>,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for QuantileSketch {
    fn default() -> Self {
        Self::new()
    }
}

impl QuantileSketch {
    /// An empty sketch; its buckets are allocated with the first value.
    pub fn new() -> Self {
        Self {
            zeros: 0,
            counts: Vec::new(),
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: 0.0,
        }
    }

    /// Adds one value. Negative numbers and NaN are not measurements and are ignored.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() || value < 0.0 {
            return;
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if value < SMALLEST {
            self.zeros += 1;
            return;
        }
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        self.counts[bucket(value)] += 1;
    }

    /// Adds everything another sketch has seen.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.is_empty() && !other.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.zeros += other.zeros;
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The value below which a share `q` (0 to 1) of what was added lies; `None` before the first value.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * (self.count - 1) as f64).round() as u64;
        if rank + 1 == self.count {
            return Some(self.max);
        }
        let mut below = self.zeros;
        if rank < below {
            return Some(self.min);
        }
        for (index, count) in self.counts.iter().enumerate() {
            below += count;
            if rank < below {
                return Some(middle(index).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// How many values were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum of all values, exact up to floating point.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The mean; `None` before the first value.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

fn bucket(value: f64) -> usize {
    let index = ((value / SMALLEST).ln() / GAMMA.ln()).floor();
    (index as usize).min(BUCKETS - 1)
}

/// The point of a bucket that is at most `RELATIVE_ERROR` away from both its ends.
fn middle(index: usize) -> f64 {
    let low = SMALLEST * GAMMA.powi(index as i32);
    2.0 * low * GAMMA / (1.0 + GAMMA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(values: &[f64], q: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[(q * (sorted.len() - 1) as f64).round() as usize]
    }

    #[test]
    fn nothing_in_nothing_out() {
        let mut sketch = QuantileSketch::new();
        sketch.add(f64::NAN);
        sketch.add(-1.0);
        assert_eq!(sketch.quantile(0.5), None);
        assert_eq!(sketch.mean(), None);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_bound(values in prop::collection::vec(0.01_f64..1e8, 1..400), q in 0.0_f64..1.0) {
            let mut sketch = QuantileSketch::new();
            for value in &values { sketch.add(*value); }
            let truth = exact(&values, q);
            let answer = sketch.quantile(q).unwrap();
            prop_assert!((answer - truth).abs() <= truth * RELATIVE_ERROR * 1.000_001, "{answer} is not {truth}");
        }

        #[test]
        fn merging_equals_adding(left in prop::collection::vec(0.0_f64..1e6, 0..100), right in prop::collection::vec(0.0_f64..1e6, 0..100)) {
            let (mut one, mut two, mut both) = (QuantileSketch::new(), QuantileSketch::new(), QuantileSketch::new());
            for value in &left { one.add(*value); both.add(*value); }
            for value in &right { two.add(*value); both.add(*value); }
            one.merge(&two);
            prop_assert_eq!(one.count(), both.count());
            prop_assert_eq!(one.quantile(0.9), both.quantile(0.9));
        }
    }
}
