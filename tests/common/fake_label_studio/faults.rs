//! What goes wrong, and when: by seed, or by script.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `/health`, `/version`, `/api/version`.
    About,
    /// An access token for a personal access token.
    Refresh,
    /// Any other reading.
    Read,
    /// A task listing: reading or counting.
    Tasks,
    /// `import?commit_to_project=false`: makes uploads only.
    Upload,
    /// `import`: makes tasks.
    Import,
    /// `reimport`: makes tasks.
    Reimport,
    /// Deletions and new projects.
    Write,
}

impl Call {
    /// Whether tasks come of it.
    #[must_use]
    pub fn makes_tasks(self) -> bool {
        matches!(self, Call::Import | Call::Reimport)
    }

    fn is_import(self) -> bool {
        self.makes_tasks() || self == Call::Upload
    }
}

/// One thing that goes wrong with one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing does: in a script, lets a request through.
    Honest,
    /// Stored, and the connection reset in place of an answer.
    DropReply,
    /// The connection reset as soon as the request is in; stored `after` that.
    StoreLate { after: Duration },
    /// Two uploads, or 2N tasks of one upload, under one 201 that says N.
    StoreTwice,
    /// All stored, and a 500 of JSON.
    ErrorAfterStoring,
    /// Nothing stored, and a 500 of JSON.
    ErrorBeforeStoring,
    /// Stored without annotations and predictions; a 201 with counts of 0.
    LoseExtras,
    /// An HTML page of 500, 502 or 504; stored that long after it, if at all (zero: before it).
    Html {
        status: u16,
        stores: Option<Duration>,
    },
    /// A proxy's 413, before the body is read.
    TooLarge,
    /// A proxy's 429; `retry_after` in seconds.
    TooMany { retry_after: u64 },
    /// Honest, so much later.
    Slow { by: Duration },
    /// The connection reset when so many bytes of the body have come in; nothing stored.
    CutUpload { at: usize },
    /// Every access token ends while the body comes in: 401 after it.
    TokenExpires,
    /// The server is killed while it works on the request, with its tasks in or not, and comes back.
    Restart { stores: bool, down: Duration },
}

impl Fault {
    /// The name `faults_seen` counts it by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Honest => "honest",
            Fault::DropReply => "drop reply",
            Fault::StoreLate { .. } => "store late",
            Fault::StoreTwice => "store twice",
            Fault::ErrorAfterStoring => "error after storing",
            Fault::ErrorBeforeStoring => "error before storing",
            Fault::LoseExtras => "lose extras",
            Fault::Html { .. } => "html",
            Fault::TooLarge => "too large",
            Fault::TooMany { .. } => "too many",
            Fault::Slow { .. } => "slow",
            Fault::CutUpload { .. } => "cut upload",
            Fault::TokenExpires => "token expires",
            Fault::Restart { .. } => "restart",
        }
    }

    fn fits(&self, call: Call, bearer: bool) -> bool {
        match self {
            Fault::DropReply | Fault::Html { .. } | Fault::TooMany { .. } | Fault::Slow { .. } => {
                call != Call::About
            }
            Fault::LoseExtras => call.makes_tasks(),
            Fault::TokenExpires => bearer && call != Call::Refresh && call != Call::About,
            Fault::Honest
            | Fault::StoreLate { .. }
            | Fault::StoreTwice
            | Fault::ErrorAfterStoring
            | Fault::ErrorBeforeStoring
            | Fault::TooLarge
            | Fault::CutUpload { .. }
            | Fault::Restart { .. } => call.is_import(),
        }
    }
}

/// Small, deterministic, good enough: SplitMix64.
#[derive(Clone, Debug)]
pub struct Prng(u64);

impl Prng {
    #[must_use]
    pub fn new(seed: u64) -> Prng {
        Prng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Seconds, both ends included.
    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(from + self.below(to - from + 1))
    }
}

/// Of 100 imports, uploads and reimports, how many go wrong.
const OF_IMPORTS: u64 = 35;

/// Of 100 other requests.
const OF_OTHERS: u64 = 6;

/// What is still to go wrong.
#[derive(Clone, Debug)]
pub struct Faults {
    seeded: Option<Prng>,
    script: VecDeque<(Option<Call>, Fault)>,
    left: u64,
    latest: Duration,
    seen: BTreeMap<&'static str, usize>,
}

impl Faults {
    fn new(seeded: Option<Prng>, left: u64) -> Faults {
        Faults {
            seeded,
            script: VecDeque::new(),
            left,
            latest: Duration::from_secs(20),
            seen: BTreeMap::new(),
        }
    }

    /// An honest server.
    #[must_use]
    pub fn none() -> Faults {
        Faults::new(None, 0)
    }

    /// 6 to 14 faults, drawn request by request; then it is honest, so that a client can finish.
    #[must_use]
    pub fn from_seed(seed: u64) -> Faults {
        let mut prng = Prng::new(seed);
        let left = 6 + prng.below(9);
        Faults::new(Some(prng), left)
    }

    /// These, in this order, each at the first import, upload or reimport it fits.
    #[must_use]
    pub fn script(faults: Vec<Fault>) -> Faults {
        let script = faults.into_iter().map(|fault| (None, fault)).collect();
        Faults {
            script,
            ..Faults::none()
        }
    }

    /// These, in this order, each at the first request of its kind.
    #[must_use]
    pub fn script_on(faults: Vec<(Call, Fault)>) -> Faults {
        let script = faults
            .into_iter()
            .map(|(call, fault)| (Some(call), fault))
            .collect();
        Faults {
            script,
            ..Faults::none()
        }
    }

    /// The longest that tasks may come after their connection has gone (20 s): who waits longer than this before
    /// looking sees what there will be.
    #[must_use]
    pub fn latest(mut self, latest: Duration) -> Faults {
        self.latest = latest.max(Duration::from_secs(1));
        self
    }

    /// How often each kind has happened.
    #[must_use]
    pub fn seen(&self) -> &BTreeMap<&'static str, usize> {
        &self.seen
    }

    /// From here on the server is honest.
    pub fn clear(&mut self) {
        self.script.clear();
        self.seeded = None;
    }

    /// What happens to this request, whose body is so long and carries an access token or does not.
    pub fn draw(&mut self, call: Call, length: usize, bearer: bool) -> Fault {
        let fault = self
            .scripted(call, bearer)
            .or_else(|| self.drawn(call, length, bearer))
            .unwrap_or(Fault::Honest);
        if fault != Fault::Honest {
            *self.seen.entry(fault.name()).or_default() += 1;
        }
        fault
    }

    fn scripted(&mut self, call: Call, bearer: bool) -> Option<Fault> {
        let (on, fault) = self.script.front()?;
        let here = on.map_or(call.is_import(), |on| on == call) && fault.fits(call, bearer);
        if here {
            self.script.pop_front().map(|(_, fault)| fault)
        } else {
            None
        }
    }

    fn drawn(&mut self, call: Call, length: usize, bearer: bool) -> Option<Fault> {
        let prng = self.seeded.as_mut().filter(|_| self.left > 0)?;
        let share = if call.is_import() {
            OF_IMPORTS
        } else {
            OF_OTHERS
        };
        if prng.below(100) >= share {
            return None;
        }
        let late = self.latest.as_secs();
        loop {
            let fault = match prng.below(17) {
                0 | 1 => Fault::DropReply,
                2 => Fault::StoreLate {
                    after: prng.seconds(1, late),
                },
                3 | 4 => Fault::StoreTwice,
                5 => Fault::ErrorAfterStoring,
                6 => Fault::ErrorBeforeStoring,
                7 | 8 => Fault::LoseExtras,
                9 => Fault::Html {
                    status: 500,
                    stores: Some(Duration::ZERO).filter(|_| prng.below(2) == 0),
                },
                10 => Fault::Html {
                    status: 502,
                    stores: Some(prng.seconds(0, late)).filter(|_| prng.below(2) == 0),
                },
                11 => Fault::Html {
                    status: 504,
                    stores: Some(prng.seconds(0, late)),
                },
                12 => Fault::TooLarge,
                13 => Fault::TooMany {
                    retry_after: 1 + prng.below(90),
                },
                14 => Fault::Slow {
                    by: prng.seconds(5, 200),
                },
                15 => Fault::CutUpload {
                    at: prng.below(length as u64 + 1) as usize,
                },
                _ if prng.below(2) == 0 => Fault::TokenExpires,
                _ => Fault::Restart {
                    stores: prng.below(2) == 0,
                    down: prng.seconds(0, 30),
                },
            };
            if fault.fits(call, bearer) {
                self.left -= 1;
                return Some(fault);
            }
        }
    }
}
