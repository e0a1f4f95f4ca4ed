//! What a few rounds say, and how surely.

use serde::{Deserialize, Serialize};

use crate::generate::Random;

/// Draws of the bootstrap.
const DRAWS: usize = 2_000;

/// By which they are drawn: the same rounds say the same each time.
const SEED: u64 = 1;

/// From, to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Interval {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The middle of some values, of which there is one at least.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(sorted[middle - 1], *value),
        (None, _) => f64::NAN,
    }
}

/// The interval in which the median of what was measured lies with 95 % certainty: as often as that, the median of as
/// many values drawn from those that were measured does.
pub(super) fn interval(values: &[f64]) -> Interval {
    let mut random = Random::new(SEED);
    let draw = |random: &mut Random| values[random.below(values.len() as u64) as usize];
    let mut medians: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let drawn: Vec<f64> = values.iter().map(|_| draw(&mut random)).collect();
            median(&drawn)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let tail = DRAWS / 40;
    Interval {
        low: medians[tail],
        high: medians[DRAWS - 1 - tail],
    }
}

/// How likely it is that two sets of rounds differ by so much, or more, if nothing has changed: the exact two-sided test
/// of Mann and Whitney, with ties counted as half.
pub(super) fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    // Twice the number of pairs in which `a` is above, so that halves are whole.
    let twice = |a: &f64, b: &f64| match a.total_cmp(b) {
        std::cmp::Ordering::Greater => 2,
        std::cmp::Ordering::Equal => 1,
        std::cmp::Ordering::Less => 0,
    };
    let above: usize = a
        .iter()
        .flat_map(|a| b.iter().map(move |b| twice(a, b)))
        .sum();
    let pairs = a.len() * b.len();
    let u = (above / 2).min(pairs - above.div_ceil(2));
    let ways = ways(a.len(), b.len());
    let all: f64 = ways.iter().sum();
    let tail: f64 = ways.iter().take(u + 1).sum();
    (2.0 * tail / all).min(1.0)
}

/// In how many orders of `m` and `n` values so many pairs are the wrong way round, for each such number.
fn ways(m: usize, n: usize) -> Vec<f64> {
    // Orders of fewer values, by the one that comes last: one of the `m` is above all `n`, one of the `n` above none.
    let mut table = vec![vec![vec![1.0]; n + 1]; m + 1];
    for i in 1..=m {
        for j in 1..=n {
            let mut ways = vec![0.0; i * j + 1];
            for (u, count) in table[i - 1][j].iter().enumerate() {
                ways[u + j] += count;
            }
            for (u, count) in table[i][j - 1].iter().enumerate() {
                ways[u] += count;
            }
            table[i][j] = ways;
        }
    }
    table
        .pop()
        .and_then(|mut row| row.pop())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{interval, mann_whitney, median, ways};

    #[test]
    fn medians_and_their_intervals() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
        let all = [1.0, 2.0, 3.0, 4.0, 100.0];
        let found = interval(&all);
        assert!(found.low <= 3.0 && found.high >= 3.0 && found.low >= 1.0 && found.high <= 100.0);
        let same = interval(&[7.0; 5]);
        assert!((same.low - 7.0).abs() < 1e-12 && (same.high - 7.0).abs() < 1e-12);
    }

    #[test]
    fn the_test_is_the_one_of_the_books() {
        // Of C(7, 3) = 35 orders, one has no pair the wrong way round.
        assert!((ways(3, 4).iter().sum::<f64>() - 35.0).abs() < 1e-12);
        let (low, high) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]);
        assert!((mann_whitney(&low, &high) - 2.0 / 35.0).abs() < 1e-12);
        assert!((mann_whitney(&high, &low) - 2.0 / 35.0).abs() < 1e-12);
        // 5 and 5 apart: 2 of 252.
        let (five, more) = ([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((mann_whitney(&five, &more) - 2.0 / 252.0).abs() < 1e-12);
        // scipy.stats.mannwhitneyu([1, 3, 5, 7, 9], [2, 4, 6, 8, 10], method="exact").pvalue
        let (odd, even) = ([1.0, 3.0, 5.0, 7.0, 9.0], [2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!((mann_whitney(&odd, &even) - 0.690_476_190_476_190_5).abs() < 1e-12);
        assert!((mann_whitney(&five, &five) - 1.0).abs() < 1e-12);
    }
}
