//! Progress on standard error: a bar on a terminal, a line every 30 s elsewhere.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use super::Watch;

/// How often a bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// Shows progress until it is dropped.
pub struct Shown {
    end: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Shown {
    /// Starts to show `watch`; `bytes` is the size of all sources, if it is known. Nothing is shown if `quiet`.
    #[must_use]
    pub fn start(watch: &Arc<Watch>, bytes: Option<u64>, quiet: bool) -> Self {
        if quiet {
            return Shown { end: None };
        }
        let (end, ended) = mpsc::channel();
        let watch = Arc::clone(watch);
        let terminal = std::io::stderr().is_terminal();
        let work = move || {
            if terminal {
                bar(&watch, bytes, &ended);
            } else {
                lines(&watch, &ended);
            }
        };
        // Without progress the run is as good: a thread that cannot be started is no error.
        let thread = thread::Builder::new()
            .name("sluice-progress".to_owned())
            .spawn(work);
        Shown {
            end: thread.ok().map(|thread| (end, thread)),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

fn bar(watch: &Watch, bytes: Option<u64>, ended: &mpsc::Receiver<()>) {
    let template = match bytes {
        Some(_) => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}  {msg}",
        None => "{spinner} {bytes} {bytes_per_sec}  {msg}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = bytes
        .map_or_else(ProgressBar::new_spinner, ProgressBar::new)
        .with_style(style);
    while ended.recv_timeout(DRAWN_EVERY) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(watch.progress.bytes.load(Ordering::Relaxed));
        bar.set_message(message(watch));
        bar.tick();
    }
    bar.finish_and_clear();
}

fn lines(watch: &Watch, ended: &mpsc::Receiver<()>) {
    let started = Instant::now();
    while ended.recv_timeout(TOLD_EVERY) == Err(RecvTimeoutError::Timeout) {
        let read = HumanBytes(watch.progress.bytes.load(Ordering::Relaxed));
        eprintln!(
            "{:>5} s  {read} read  {}",
            started.elapsed().as_secs(),
            message(watch)
        );
    }
}

fn message(watch: &Watch) -> String {
    let so_far = watch.counters.so_far();
    let (records, imports) = (HumanCount(so_far.records), HumanCount(so_far.imports));
    let mut message = format!("{records} records, {imports} imports");
    if so_far.rejects > 0 {
        let _ = write!(message, ", {} rejected", HumanCount(so_far.rejects));
    }
    if let Some(doing) = watch.doing() {
        let _ = write!(message, ", {doing}");
    }
    message
}
