//! The statistics of the times of a case, and of their difference from those of another.

use std::{fmt, ops::Range};

use crate::random::Random;

/// The number of blocks of rounds for resampling. Consecutive rounds are drawn together, as the load of the machine affects
/// them alike.
const BLOCKS: usize = 200;
/// The permille outside an interval on each side, so that 99 % lie within.
const TAIL: usize = 5;

/// A summary of times.
pub(crate) struct Summary {
    median: f64,
    p10: f64,
    p90: f64,
    mean: f64,
    standard_error: f64,
}

impl Summary {
    pub(crate) fn of(times: &[f64]) -> Self {
        let count = f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX));
        let mean = times.iter().sum::<f64>() / count;
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        Self {
            median: median(times),
            p10: quantile(times, 100),
            p90: quantile(times, 900),
            mean,
            standard_error: (squares / (count - 1.0) / count).sqrt(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, p10, p90, .. } = self;
        write!(f, "{median:.1} µs | {p10:.1} µs | {p90:.1} µs | ")?;
        write!(f, "{:.1} ± {:.1} µs", self.mean, self.standard_error)
    }
}

/// Resamples of the rounds (a block bootstrap). All cases share them, so that what slows a round cancels out in the
/// difference.
pub(crate) struct Bootstrap(Vec<Vec<Range<usize>>>);

impl Bootstrap {
    pub(crate) fn of(rounds: usize, resamples: u32, random: &mut Random) -> Self {
        let length = (rounds / BLOCKS).max(1);
        let blocks = rounds / length;
        let mut resample = || {
            let starts = (0..blocks).map(|_| random.below(blocks) * length);
            starts.map(|start| start..start + length).collect()
        };
        Self((0..resamples).map(|_| resample()).collect())
    }

    /// Returns the median of each resample.
    pub(crate) fn medians(&self, times: &[f64]) -> Vec<f64> {
        let median_of = |resample: &Vec<Range<usize>>| {
            let blocks = resample.iter().filter_map(|block| times.get(block.clone()));
            median(&blocks.flatten().copied().collect::<Vec<f64>>())
        };
        self.0.iter().map(median_of).collect()
    }

    /// Returns the 99 % confidence interval of the difference of two medians.
    pub(crate) fn interval(medians: &[f64], others: &[f64]) -> (f64, f64) {
        let differences: Vec<f64> = medians
            .iter()
            .zip(others)
            .map(|(one, other)| one - other)
            .collect();
        (quantile(&differences, TAIL), quantile(&differences, 1_000 - TAIL))
    }
}

pub(crate) fn median(times: &[f64]) -> f64 {
    quantile(times, 500)
}

fn quantile(times: &[f64], permille: usize) -> f64 {
    let mut times = times.to_vec();
    let place = times.len() * permille / 1_000;
    if place >= times.len() {
        return f64::NAN;
    }
    *times.select_nth_unstable_by(place, f64::total_cmp).1
}
