//! Whether a measure has changed, and whether that is more than noise.

use super::measured::Measure;
use super::statistics::mann_whitney;

/// How unlikely it must be that nothing has changed. A table has ten measures: of those that are the same, one in a
/// hundred is told to be another.
const CERTAIN: f64 = 0.01;

/// How far apart the medians must be to be worth a word.
const WORTH: f64 = 0.02;

/// What a measure has done since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    /// The median now over the median then, less one.
    pub(super) share: f64,
    pub(super) verdict: Verdict,
}

/// What is to be made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Better,
    Worse,
    Noise,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Noise => "no more than noise",
        }
    }
}

/// Compares a measure with what it was.
pub(super) fn change(then: &Measure, now: &Measure) -> Change {
    let share = now.median / then.median - 1.0;
    let sure = mann_whitney(&then.rounds, &now.rounds) < CERTAIN && share.abs() > WORTH;
    let verdict = match (sure, (share > 0.0) == now.more_is_better) {
        (false, _) => Verdict::Noise,
        (true, true) => Verdict::Better,
        (true, false) => Verdict::Worse,
    };
    Change { share, verdict }
}

#[cfg(test)]
mod tests {
    use super::super::measured::Measure;
    use super::super::statistics::{interval, median};
    use super::{Verdict, change};

    fn measure(rounds: &[f64], more_is_better: bool) -> Measure {
        Measure {
            name: String::new(),
            unit: String::new(),
            more_is_better,
            rounds: rounds.to_vec(),
            median: median(rounds),
            interval: interval(rounds),
        }
    }

    #[test]
    fn noise_is_told_from_change() {
        let then = [100.0, 101.0, 99.0, 100.5, 99.5];
        let scaled = |by: f64| then.map(|value| value * by);
        for (by, more, less) in [
            (1.2, Verdict::Better, Verdict::Worse),
            (0.8, Verdict::Worse, Verdict::Better),
            // All rounds apart, and not worth a word.
            (1.001, Verdict::Noise, Verdict::Noise),
            (1.0, Verdict::Noise, Verdict::Noise),
        ] {
            let compared = |better| change(&measure(&then, better), &measure(&scaled(by), better));
            assert_eq!(
                (compared(true).verdict, compared(false).verdict),
                (more, less),
                "{by}"
            );
        }
        // A median far away, and rounds all over the place.
        let wild = measure(&[50.0, 300.0, 99.0, 400.0, 120.0], true);
        assert_eq!(change(&measure(&then, true), &wild).verdict, Verdict::Noise);
    }
}
