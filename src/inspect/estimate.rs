//! What a sample says of the whole, and how far off that may be.
//!
//! The whole is divided into windows of bytes; a record belongs to the window in which its first byte is, so that each
//! belongs to exactly one, however long it is. What is counted in some windows is scaled by bytes (a ratio estimator), and
//! the spread between windows says how sure that is: an interval of 95 %, by Student's t for so few windows. Records that
//! stand together are alike, which this takes into account, since windows are compared and not records.

use serde::Serialize;

/// The normal distribution has 95 % between minus this and this.
const Z: f64 = 1.96;

/// A number that is not known, between two that it lies between with 95 % certainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The most likely.
    pub likely: f64,
    /// It is hardly less than this; nothing where that cannot be said.
    pub least: Option<f64>,
    /// It is hardly more than this; nothing where that cannot be said.
    pub most: Option<f64>,
}

impl Estimate {
    /// A number that is known.
    #[must_use]
    pub fn known(number: u64) -> Self {
        let number = number as f64;
        Estimate {
            likely: number,
            least: Some(number),
            most: Some(number),
        }
    }

    /// A number of which nothing is said but that it is likely.
    #[must_use]
    pub fn guessed(likely: f64) -> Self {
        Estimate {
            likely,
            least: None,
            most: None,
        }
    }

    /// From `counts`, each of so many things in a window of so many bytes, for a whole of `bytes` bytes, of which the
    /// windows are a part.
    #[must_use]
    pub fn of(counts: &[(f64, f64)], bytes: f64) -> Self {
        let windows = counts.len() as f64;
        let things: f64 = counts.iter().map(|(things, _)| things).sum();
        let looked_at: f64 = counts.iter().map(|(_, bytes)| bytes).sum();
        if looked_at <= 0.0 || counts.len() < 2 {
            return Estimate::guessed(0.0);
        }
        let ratio = things / looked_at;
        let squares: f64 = counts
            .iter()
            .map(|(things, bytes)| (things - ratio * bytes).powi(2))
            .sum();
        let unseen = (1.0 - looked_at / bytes).max(0.0);
        let spread = (unseen * squares / (windows - 1.0) / windows).sqrt();
        let error = student(windows - 1.0) * spread / (looked_at / windows) * bytes;
        let likely = ratio * bytes;
        Estimate {
            likely,
            // What was seen is there.
            least: Some((likely - error).max(things)),
            most: Some(likely + error),
        }
    }

    /// The same for things that are rare among `records` records looked at, of which `all` there are likely: that none was
    /// seen does not mean that there is none.
    #[must_use]
    pub fn rare(self, seen: f64, records: f64, all: f64) -> Self {
        let most = wilson(seen, records) * all;
        Estimate {
            most: self.most.map(|by_windows| by_windows.max(most)),
            ..self
        }
    }

    /// Both together. That errors add up is the worst that can be.
    #[must_use]
    pub fn and(self, other: Estimate) -> Self {
        let sum = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a + b);
        Estimate {
            likely: self.likely + other.likely,
            least: sum(self.least, other.least),
            most: sum(self.most, other.most),
        }
    }
}

/// How many deviations have 95 % of Student's distribution between them, a little more than that rather than less.
fn student(freedom: f64) -> f64 {
    Z + 2.9 / freedom
}

/// The upper end of Wilson's interval for a share, of which `seen` of `all` were.
fn wilson(seen: f64, all: f64) -> f64 {
    if all <= 0.0 {
        return 1.0;
    }
    let (share, z2) = (seen / all, Z * Z);
    let middle = share + z2 / (2.0 * all);
    let half = Z * (share * (1.0 - share) / all + z2 / (4.0 * all * all)).sqrt();
    (middle + half) / (1.0 + z2 / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_windows_leave_no_doubt() {
        let estimate = Estimate::of(&[(10.0, 100.0); 8], 1_000.0);
        assert!((estimate.likely - 100.0).abs() < 1e-9);
        assert!((estimate.most.unwrap_or_default() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_seen_is_not_nothing_there() {
        let estimate = Estimate::of(&[(0.0, 100.0); 8], 10_000.0).rare(0.0, 400.0, 5_000.0);
        let most = estimate.most.unwrap_or_default();
        // The rule of three says 37; Wilson is as careful.
        assert!((37.0..60.0).contains(&most), "{most}");
    }

    #[test]
    fn student_is_at_least_what_the_tables_say() {
        for (freedom, table) in [(7.0, 2.365), (15.0, 2.131), (31.0, 2.040), (63.0, 1.998)] {
            let t = student(freedom);
            assert!(t >= table && t < table * 1.03, "{freedom}: {t}");
        }
    }
}
