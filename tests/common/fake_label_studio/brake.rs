//! Holds a paused clock back while bytes are on the wire.
//!
//! A paused clock jumps to the next timer whenever the runtime is about to wait, even if a socket is ready: a request
//! that is answered in a millisecond would meet its timeout of ten minutes. So one timer is always near: 1 ms away while
//! there is traffic, growing to [`STRIDE`] when there is none. The clock then stops at every timer on its way, but is
//! never more than that ahead of the wire.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::line::Gate;

/// How far the clock may get ahead of the wire.
pub const STRIDE: Duration = Duration::from_millis(250);

/// Rounds without traffic before the strides grow.
const QUIET: u32 = 8;

const TICK: Duration = Duration::from_millis(1);

/// Whether time stands still here unless someone advances it.
pub fn is_paused() -> bool {
    let before = Instant::now();
    std::thread::sleep(Duration::from_micros(20));
    before == Instant::now()
}

/// Runs as long as the fake does; does nothing where time is real.
pub async fn run(gate: Weak<Gate>) {
    if !is_paused() {
        return;
    }
    let (mut seen, mut quiet, mut stride) = (0, 0, TICK);
    while let Some(gate) = gate.upgrade() {
        let traffic = gate.traffic.load(Ordering::Relaxed);
        drop(gate);
        if traffic != seen {
            (seen, quiet, stride) = (traffic, 0, TICK);
        } else if quiet < QUIET {
            quiet += 1;
        } else {
            stride = STRIDE.min(stride * 3 / 2 + TICK);
        }
        sleep(stride).await;
    }
}
