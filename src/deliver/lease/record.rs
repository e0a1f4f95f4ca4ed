//! What a lease's cell holds.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// The version of this layout.
const VERSION: u32 = 1;

/// Bytes of a record, at most; few have a thousand.
pub const MOST_BYTES: u64 = 64 << 10;

/// The longest lease that is waited for, whatever its record says.
const LONGEST: Duration = Duration::from_hours(1);

/// The longest pause that is kept to, whatever a record says: a day is the longest `Retry-After` that is believed.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// A lease as its holder wrote it last. Every one differs from every other, so that a store's tags do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The server that it is about.
    pub server: String,
    /// How often the lease was taken: each holder's is higher than that of the one before.
    pub fence: u64,
    /// Who has it, for people.
    pub holder: String,
    /// What no other holder has.
    pub unlike: String,
    /// How often this holder has written it.
    pub sequence: u64,
    /// False once the holder has given it back.
    pub held: bool,
    length_ms: u64,
    pause_ms: u64,
    /// Whether an import may be on its way to the server.
    pub working: bool,
    /// When it was written, by the holder's clock; for people.
    pub written_at: String,
    /// When the next import may start, by the holder's clock; for people.
    pub next_allowed_at: String,
    /// When it ends unless it is renewed, by the holder's clock; for people.
    pub until: String,
}

/// Who takes a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// For people, such as `process 4711 on build-7`.
    pub name: String,
    /// What no other holder has.
    pub unlike: String,
}

impl Holder {
    /// This process.
    #[must_use]
    pub fn this() -> Self {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .or_else(|| std::env::var("HOSTNAME").ok());
        let machine = machine.map(|name| name.trim().to_owned());
        let machine = machine.filter(|name| !name.is_empty());
        let process = std::process::id();
        let name = format!(
            "process {process} on {}",
            machine.as_deref().unwrap_or("a machine without a name")
        );
        // The standard library seeds its maps at random, which is all the chance there is here.
        let mut chance = RandomState::new().build_hasher();
        chance.write_u32(process);
        let unlike = format!("{name} {:?} {:x}", SystemTime::now(), chance.finish());
        let unlike = blake3::hash(unlike.as_bytes()).to_hex()[..32].to_owned();
        Holder { name, unlike }
    }
}

impl Record {
    /// One of this holder, to be written now.
    pub(super) fn new(server: &str, holder: &Holder, fence: u64, length: Duration) -> Self {
        Record {
            version: VERSION,
            server: server.to_owned(),
            fence,
            holder: holder.name.clone(),
            unlike: holder.unlike.clone(),
            sequence: 0,
            held: true,
            length_ms: milliseconds(length),
            pause_ms: 0,
            working: false,
            written_at: String::new(),
            next_allowed_at: String::new(),
            until: String::new(),
        }
    }

    /// The same, as the next that is written.
    pub(super) fn next(&mut self, pause: Duration) -> Result<Bytes> {
        let now = DateTime::<Utc>::from(SystemTime::now());
        let then = |after: Duration| {
            let after = chrono::Duration::from_std(after).unwrap_or_default();
            let time = now.checked_add_signed(after).unwrap_or(now);
            time.to_rfc3339_opts(SecondsFormat::Secs, true)
        };
        self.sequence += 1;
        self.pause_ms = milliseconds(pause);
        self.written_at = then(Duration::ZERO);
        self.next_allowed_at = then(pause);
        self.until = then(self.length());
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::new(Code::Internal, format!("no lease: {e}")))?;
        json.push(b'\n');
        Ok(json.into())
    }

    /// The record that some bytes are.
    ///
    /// # Errors
    /// When they are none of this sluice's.
    pub fn parse(bytes: &[u8], shown: &str) -> Result<Self> {
        let foreign = |why: String| {
            Error::new(Code::Format, format!("`{shown}` is no lease: {why}"))
                .help("if nothing imports into the server, remove it")
        };
        let record: Record = serde_json::from_slice(bytes).map_err(|e| foreign(e.to_string()))?;
        if record.version == VERSION {
            Ok(record)
        } else {
            let version = record.version;
            Err(foreign(format!(
                "it has version {version}, this sluice knows version {VERSION} alone"
            )))
        }
    }

    /// How long it lasts after it was written.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.length_ms).min(LONGEST)
    }

    /// How long after it was written no import may start.
    #[must_use]
    pub fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms).min(LONGEST_PAUSE)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
