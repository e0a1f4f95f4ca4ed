//! When a run will have ended: as late as the slower of reading and the server's pace has it.

use std::time::Duration;

/// What is known of a run that goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Known {
    /// How long it has been going on.
    pub elapsed: Duration,
    /// Bytes of all sources, as stored.
    pub bytes: u64,
    /// Those of them that have been read.
    pub read: u64,
    /// Bytes of tasks that were made of those.
    pub made: u64,
    /// Bytes of tasks that are delivered.
    pub delivered: u64,
    /// Bytes that an import holds, as the imports are now; 0 if that is not known yet.
    pub import: u64,
    /// The time from the start of one import to the next, at least; zero where the target has no pace.
    pub interval: Duration,
}

/// The longest time that is told: more is no estimate.
const LONGEST: f64 = 1e9;

impl Known {
    /// The time until the run has ended, if anything can be said of it.
    ///
    /// What is left is read as fast as what was read, and makes as many bytes of tasks for each byte. Those fill imports,
    /// each of which takes the interval: the larger of both times is what is left. So an estimate is never shorter than
    /// the pace allows, also while the first bytes are read at the speed of the disk.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        if self.read == 0 || self.elapsed.is_zero() || self.bytes == 0 {
            return None;
        }
        let unread = self.bytes.saturating_sub(self.read) as f64;
        let reading = unread * self.elapsed.as_secs_f64() / self.read as f64;
        let paced = self.imports_left()? as f64 * self.interval.as_secs_f64();
        Some(Duration::from_secs_f64(reading.max(paced).min(LONGEST)))
    }

    /// Imports that are still to be delivered, if they have a pace; 0 if they have none.
    #[must_use]
    pub fn imports_left(&self) -> Option<u64> {
        if self.interval.is_zero() {
            return Some(0);
        }
        if self.import == 0 || self.read == 0 {
            return None;
        }
        let unread = self.bytes.saturating_sub(self.read) as f64;
        let to_make = unread * self.made as f64 / self.read as f64;
        let left = self.made.saturating_sub(self.delivered) as f64 + to_make;
        Some((left / self.import as f64).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known {
            elapsed: Duration::from_secs(10),
            bytes: 1_000_000_000,
            read: 100_000_000,
            made: 200_000_000,
            delivered: 50_000_000,
            import: 50_000_000,
            interval: Duration::from_secs(30),
        }
    }

    #[test]
    fn the_pace_counts_where_it_is_slower_than_reading() {
        // 150 MB are made and not delivered, 1,800 MB are to be made: 39 imports.
        assert_eq!(known().imports_left(), Some(39));
        assert_eq!(known().left(), Some(Duration::from_secs(39 * 30)));
    }

    #[test]
    fn reading_counts_where_it_is_slower_than_the_pace() {
        let slow = Known {
            elapsed: Duration::from_secs(1_000),
            ..known()
        };
        assert_eq!(slow.left(), Some(Duration::from_secs(9_000)));
        let unpaced = Known {
            interval: Duration::ZERO,
            ..known()
        };
        assert_eq!(unpaced.left(), Some(Duration::from_secs(90)));
    }

    #[test]
    fn what_is_read_before_anything_is_known_is_no_estimate() {
        assert_eq!(Known::default().left(), None);
        let unmeasured = Known {
            import: 0,
            ..known()
        };
        assert_eq!(unmeasured.left(), None);
    }

    #[test]
    fn at_the_end_the_imports_that_are_left_count() {
        let read = Known {
            read: 1_000_000_000,
            made: 2_000_000_000,
            delivered: 1_950_000_000,
            ..known()
        };
        assert_eq!(read.left(), Some(Duration::from_secs(30)));
    }
}
