//! What this process has taken of the machine, as far as the system says.

use std::fs;
use std::time::Duration;

/// Ticks of a second in which Linux counts processor time, on every machine.
const TICKS: f64 = 100.0;

/// The processor time of this process so far; `None` where the system does not say.
pub(super) fn processor() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    // utime and stime are fields 14 and 15 of the whole line.
    Some(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS))
}

/// Forgets the most memory that this process has had, so that what comes is measured alone.
pub(super) fn forget_peak() {
    // Where that cannot be done, what is told is the most of all rounds so far.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process has had, in bytes; `None` where the system does not say.
pub(super) fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
