//! Thins a long series for a chart without hiding its peaks: the tracking history's bulk calls use it.
//!
//! The series is cut into equal buckets by position and each bucket keeps its smallest and its largest value, so a spike of
//! one point survives any reduction. First and last points always stay. Memory is bounded by the budget, not by the series.

/// A one-pass reducer for a series of known length.
///
/// Push every item in order, then call [`MinMax::finish`]. Kept items come back in their original order.
#[derive(Debug, Clone)]
pub struct MinMax<T> {
    total: usize,
    buckets: usize,
    seen: usize,
    current: usize,
    extremes: Option<Extremes<T>>,
    kept: Vec<(usize, T)>,
    last: Option<(usize, T)>,
    keep_all: bool,
}

#[derive(Debug, Clone)]
struct Extremes<T> {
    low: (usize, f64, T),
    high: (usize, f64, T),
}

impl<T: Clone> MinMax<T> {
    /// A reducer for `total` items that keeps at most `budget` of them (never fewer than two, when there are two).
    pub fn new(total: usize, budget: usize) -> Self {
        let budget = budget.max(2);
        Self {
            total,
            // two per bucket, and the two ends; budgets of two and three have room for the ends alone
            buckets: (budget - 2) / 2,
            seen: 0,
            current: 0,
            extremes: None,
            kept: Vec::with_capacity(budget.min(total)),
            last: None,
            keep_all: total <= budget,
        }
    }

    /// Takes the next item, whose height in the chart is `value`.
    pub fn push(&mut self, value: f64, item: T) {
        let position = self.seen;
        self.seen += 1;
        if self.keep_all {
            self.kept.push((position, item));
            return;
        }
        if position == 0 {
            self.kept.push((0, item));
            return;
        }
        if self.buckets > 0 && position + 1 < self.total {
            self.offer(position, value, item.clone());
        }
        self.last = Some((position, item));
    }

    fn offer(&mut self, position: usize, value: f64, item: T) {
        let inner = (self.total - 2).max(1) as u128;
        let bucket = ((position - 1) as u128 * self.buckets as u128 / inner) as usize;
        if bucket != self.current {
            self.flush();
            self.current = bucket;
        }
        match &mut self.extremes {
            None => {
                let entry = (position, value, item);
                self.extremes = Some(Extremes {
                    low: entry.clone(),
                    high: entry,
                });
            }
            Some(extremes) => {
                // a comparison with NaN is false, so a NaN stays only until a number comes
                if value < extremes.low.1 || extremes.low.1.is_nan() && !value.is_nan() {
                    extremes.low = (position, value, item.clone());
                }
                if value > extremes.high.1 || extremes.high.1.is_nan() && !value.is_nan() {
                    extremes.high = (position, value, item);
                }
            }
        }
    }

    fn flush(&mut self) {
        let Some(Extremes { low, high }) = self.extremes.take() else {
            return;
        };
        let (first, second) = if low.0 <= high.0 {
            (low, high)
        } else {
            (high, low)
        };
        let same = first.0 == second.0;
        self.kept.push((first.0, first.2));
        if !same {
            self.kept.push((second.0, second.2));
        }
    }

    /// The kept items, oldest first.
    pub fn finish(mut self) -> Vec<T> {
        self.flush();
        if let Some((position, item)) = self.last.take()
            && self.kept.last().is_none_or(|kept| kept.0 < position)
        {
            self.kept.push((position, item));
        }
        self.kept.into_iter().map(|(_, item)| item).collect()
    }
}

/// The positions to keep of a series already in memory: at most `budget` of them, ascending.
pub fn min_max(values: &[f64], budget: usize) -> Vec<usize> {
    let mut reducer = MinMax::new(values.len(), budget);
    for (position, value) in values.iter().enumerate() {
        reducer.push(*value, position);
    }
    reducer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spike_of_one_point_survives() {
        let mut values = vec![1.0; 100_000];
        values[54_321] = 9.0;
        values[777] = -3.0;
        let kept = min_max(&values, 320);
        assert!(kept.len() <= 320);
        assert!(kept.contains(&54_321) && kept.contains(&777));
    }

    #[test]
    fn tiny_budgets_keep_the_ends() {
        assert_eq!(min_max(&[1.0, 2.0, 3.0, 4.0, 5.0], 0), vec![0, 4]);
        assert_eq!(min_max(&[1.0, 2.0, 3.0, 4.0, 5.0], 3), vec![0, 4]);
        assert_eq!(min_max(&[7.0], 2), vec![0]);
        assert_eq!(min_max(&[], 2), Vec::<usize>::new());
    }

    #[test]
    fn numbers_win_over_nan() {
        let values = [0.0, f64::NAN, 5.0, f64::NAN, -5.0, f64::NAN, f64::NAN, 0.0];
        assert_eq!(min_max(&values, 4), vec![0, 2, 4, 7]);
    }

    proptest! {
        #[test]
        fn keeps_ends_extremes_order_and_budget(values in prop::collection::vec(-1e6_f64..1e6, 0..600), budget in 0_usize..200) {
            let kept = min_max(&values, budget);
            prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(kept.len() <= budget.max(2).min(values.len()));
            if let (Some(first), Some(last)) = (kept.first(), kept.last()) {
                prop_assert_eq!(*first, 0);
                prop_assert_eq!(*last, values.len() - 1);
            }
            if budget >= 4 {
                let top = |points: &mut dyn Iterator<Item = f64>| points.fold(f64::MIN, f64::max);
                prop_assert_eq!(top(&mut kept.iter().map(|p| values[*p])).to_bits(), top(&mut values.iter().copied()).to_bits());
            }
            if values.len() <= budget {
                prop_assert_eq!(kept.len(), values.len());
            }
        }
    }
}
