//! `sluice push`: sends imports packed earlier.

use std::sync::Arc;
use std::time::Instant;

use super::args::PushArguments;
use super::delivery::{self, Delivery, Named, Placing};
use super::last_line::LastLine;
use super::leases::Shared;
use super::plans::Fields;
use crate::batch::limits::{Framing, Limits, MOST_BYTES};
use crate::deliver::cell::Place;
use crate::error::{Code, Error, Result};
use crate::packed::home::Home;
use crate::packed::manifest::{Imported, Nothing};
use crate::packed::{AGAIN, Packed};
use crate::plan::Plan;
use crate::read::Reading;
use crate::report::log;
use crate::source::address::word_without_secrets;
use crate::source::local::{self, Listing};
use crate::source::remote::Wanted;
use crate::source::sniff::Format;
use crate::wording::counted;

/// Where the leases of servers are in a bucket.
pub(super) const LOCKS: &str = "locks";

/// Bytes of text in a chunk, at most: the server's pace leaves time for small ones, and some of each wait in memory.
const CHUNK_BYTES: usize = 64 << 10;

/// Runs the command; gives the exit code of a run that came to its end.
///
/// # Errors
/// What ended it early; before anything is sent, when what was packed is not whole.
pub fn run(arguments: &PushArguments) -> Result<u8> {
    let asked = arguments.delivery.json;
    LastLine::after("push", &arguments.to, asked, |last| begin(arguments, last))
}

fn begin(arguments: &PushArguments, last: &mut LastLine) -> Result<u8> {
    let started = Instant::now();
    let reach = &arguments.delivery.server.reach;
    // The memory of an application is its own affair.
    if reach.caller.application().is_none() {
        take_small_pages();
    }
    let named = Named::of(&arguments.to)?;
    if !matches!(named, Named::Projects(_)) {
        let to: Vec<_> = arguments
            .to
            .iter()
            .map(|to| word_without_secrets(to))
            .collect();
        let to = to.join(" ");
        return Err(Error::new(
            Code::Usage,
            format!("`--to {to}` is no project of Label Studio: imports packed earlier are sent to projects alone"),
        )
        .help("give the project's address as the browser shows it, such as `http://localhost:8080/projects/7`"));
    }
    let packed = Packed::open(&arguments.packed)?;
    if !arguments.delivery.watching.quiet {
        let place = packed.home().shown("");
        log::tell(format_args!(
            "checking {} packed in {place}",
            counted(packed.len() as u64, "import")
        ));
    }
    if let Home::Folder(_) = packed.home() {
        packed.check()?;
    }
    let plan = plan(arguments, &packed, named.framing())?;
    let mut shared = Shared::asked(&arguments.delivery.lease)?;
    if let Home::Prefix(bucket, prefix) = packed.home() {
        // Whatever was packed there, and wherever in it: who pushes from this bucket takes the same leases.
        let locks = Place::Bucket(Arc::clone(bucket), LOCKS.to_owned());
        shared.lease.get_or_insert(locks);
        shared.run = Some(Place::Bucket(Arc::clone(bucket), prefix.clone()));
    }
    drop(packed);
    delivery::run(Delivery {
        started,
        plan,
        named,
        to: &arguments.to,
        placing: Placing::default(),
        shared,
        arguments: &arguments.delivery,
        last,
    })
    .map(|(code, _)| code)
}

/// A push is as fast as its server, and has to be small: memory that comes in pages of 2 MiB is up to a quarter more than
/// is used of it. Where that cannot be had a push is right all the same.
fn take_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// What a push of these words is: the files of the manifest, in its order, each an array of tasks that pass unchanged.
///
/// # Errors
/// When one is not there, or the words ask for what cannot be.
pub(super) fn plan(arguments: &PushArguments, packed: &Packed, framing: Framing) -> Result<Plan> {
    let PushArguments { limits, .. } = arguments;
    let listing = match packed.home() {
        Home::Folder(_) => {
            let words = packed.imports().iter();
            let words: Vec<String> = words
                .map(|import| packed.home().shown(&import.name))
                .collect();
            local::list(&words)?
        }
        // Their sizes are compared here, and their digests when they are read.
        Home::Prefix(bucket, prefix) => Listing::of_wanted(bucket, prefix, &wanted(packed)?)?,
    };
    let bounds = Limits::new(limits.max_tasks, limits.max_bytes, framing)?;
    let reading = limits.reading();
    let reading = Reading {
        format: Some(Format::Json),
        chunk_bytes: limits
            .chunk_bytes
            .unwrap_or(reading.chunk_bytes.min(CHUNK_BYTES)),
        ..reading
    };
    Ok(limits.plan(listing, reading, Fields::default(), bounds))
}

/// The objects that a manifest names.
///
/// # Errors
/// When one is larger than any import.
fn wanted(packed: &Packed) -> Result<Vec<Wanted>> {
    let wanted = |import: &Imported<Nothing>| {
        if import.bytes > MOST_BYTES as u64 {
            let (shown, bytes) = (packed.home().shown(&import.name), import.bytes);
            let text = format!("`{shown}` is not what any import is: it has {bytes} bytes");
            return Err(Error::new(Code::Format, text).help(AGAIN));
        }
        Ok(Wanted {
            key: packed.home().key(&import.name),
            bytes: import.bytes,
            blake3: import.blake3.as_str().into(),
        })
    };
    packed.imports().iter().map(wanted).collect()
}
