//! Any number of spans of time, each with an amount, in a few bins of one length.

/// Amounts of `N` kinds in bins of one length, from 0 to an end.
pub(super) struct Bins<const N: usize> {
    /// The length of one, in seconds.
    pub(super) length: f64,
    /// The amounts.
    pub(super) amounts: Vec<[f64; N]>,
}

impl<const N: usize> Bins<N> {
    /// Empty ones, at least one, from 0 to so many seconds.
    pub(super) fn new(count: usize, end: f64) -> Self {
        let count = count.max(1);
        Bins {
            length: end.max(1e-6) / count as f64,
            amounts: vec![[0.0; N]; count],
        }
    }

    /// Spreads an amount evenly over a span; what is past the end counts for the last.
    pub(super) fn spread(&mut self, kind: usize, from: f64, to: f64, amount: f64) {
        let last = self.amounts.len() - 1;
        let bin = |at: f64| ((at / self.length).max(0.0) as usize).min(last);
        let (first, until) = (bin(from), bin(to));
        if first == until || to <= from {
            self.amounts[until][kind] += amount;
            return;
        }
        let mut left = amount;
        for number in first..until {
            let (begin, end) = (
                number as f64 * self.length,
                (number + 1) as f64 * self.length,
            );
            let part = amount * (end - begin.max(from)) / (to - from);
            self.amounts[number][kind] += part;
            left -= part;
        }
        self.amounts[until][kind] += left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_spread_is_all_there(
            count in 1_usize..50,
            end in 0.0_f64..1e4,
            spans in proptest::collection::vec((0.0_f64..2e4, 0.0_f64..2e4, 0.0_f64..1e9), 0..20),
        ) {
            let mut bins = Bins::<1>::new(count, end);
            for (from, length, amount) in &spans {
                bins.spread(0, *from, from + length, *amount);
            }
            prop_assert_eq!(bins.amounts.len(), count);
            let (there, sent) = (
                bins.amounts.iter().map(|[amount]| amount).sum::<f64>(),
                spans.iter().map(|(_, _, amount)| amount).sum::<f64>(),
            );
            prop_assert!((there - sent).abs() <= 1e-6 * sent.max(1.0), "{} and {}", there, sent);
        }
    }
}
