//! The list of a run's sources is what was put into it, whatever of it is kept in the file, and by whom it is read.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use sluice::place::SourceId;
use sluice::source::listed::Sources;
use sluice::source::remote::bucket::Bucket;
use sluice::source::remote::{Object, Remote};
use sluice::source::window::Window;
use sluice::source::{Location, Source};

/// A source of one of the kinds, some of which are never in the file.
fn source(
    bucket: &Arc<Bucket>,
    (kind, name, bytes, version): (u8, String, u64, Option<String>),
) -> Source {
    let name: Arc<str> = match kind {
        0 | 1 => format!("{}{name}", bucket.address()),
        _ => name,
    }
    .into();
    let object = Object {
        bucket: Arc::clone(bucket),
        address: Arc::clone(&name),
        bytes,
        blake3: version
            .as_ref()
            .map(|version| format!("of {version}").into()),
        version: version.map(Into::into),
    };
    let (location, bytes, address) = match kind {
        0 => (Location::Remote(Remote::Object(object)), Some(bytes), None),
        1 => (
            Location::Presigned(object, Duration::from_secs(bytes)),
            Some(0),
            Some(Arc::clone(&name)),
        ),
        2 => (
            Location::Referred,
            Some(0),
            Some("http://one/\"two\"\n".into()),
        ),
        3 => (Location::File(PathBuf::from(&*name)), Some(bytes), None),
        // A pipe, and a file whose name is not its path.
        4 => (Location::File(PathBuf::from(&*name)), None, None),
        5 => (
            Location::File(PathBuf::from("elsewhere")),
            Some(bytes),
            None,
        ),
        _ => (Location::Stdin, None, None),
    };
    Source {
        id: SourceId(bytes.map_or(7, |bytes| bytes as u32)),
        name,
        location,
        bytes,
        address,
        window: Window::ALL,
    }
}

fn lists(most: usize) -> impl Strategy<Value = Vec<(u8, String, u64, Option<String>)>> {
    // Most lists are of one kind, as buckets and folders have them.
    let name = "[a-z\"\\\\\n é/]{1,8}";
    (0..7u8, any::<bool>()).prop_flat_map(move |(kind, mixed)| {
        let kinds = if mixed {
            (0..7u8).boxed()
        } else {
            Just(kind).boxed()
        };
        let source = (kinds, name, any::<u64>(), prop::option::of("[\"a-z]{0,4}"));
        prop::collection::vec(source, 0..most)
    })
}

fn numbered(mut sources: Vec<Source>) -> Vec<Source> {
    for (id, source) in (0..).zip(&mut sources) {
        source.id = SourceId(id);
    }
    sources
}

fn same(listed: &Sources, expected: &[Source]) -> Result<(), TestCaseError> {
    let shown = |source: &Source| {
        let Source {
            id,
            name,
            location,
            bytes,
            address,
            window,
        } = source.clone();
        (id, name, location, bytes, address, (window.from, window.to))
    };
    prop_assert_eq!(listed.len(), expected.len());
    prop_assert_eq!(listed.is_empty(), expected.is_empty());
    prop_assert_eq!(
        listed.bytes(),
        expected
            .iter()
            .try_fold(0u64, |sum, source| Some(sum.saturating_add(source.bytes?)))
    );
    let all: Vec<Source> = listed.iter().collect::<Result<_, _>>().unwrap();
    prop_assert_eq!(
        all.iter().map(shown).collect::<Vec<_>>(),
        expected.iter().map(shown).collect::<Vec<_>>()
    );
    // From the last to the first, as no reader goes.
    for source in expected.iter().rev() {
        prop_assert_eq!(
            shown(&listed.get(source.id).unwrap().unwrap()),
            shown(source)
        );
        prop_assert_eq!(listed.name(source.id), Arc::clone(&source.name));
    }
    let next = SourceId(u32::try_from(expected.len()).unwrap());
    prop_assert!(listed.get(next).unwrap().is_none());
    Ok(())
}

proptest! {
    #[test]
    fn a_list_is_what_was_put_into_it(words in lists(60), more in lists(20), other in lists(20)) {
        let folder = tempfile::tempdir().unwrap();
        let bucket = Arc::new(Bucket::of_folder(folder.path()).unwrap());
        let all = |words: Vec<_>| words.into_iter().map(|word| source(&bucket, word)).collect::<Vec<_>>();
        let (words, more, other) = (all(words), all(more), all(other));
        let one = Sources::of(words.clone()).unwrap();
        same(&one, &numbered(words.clone()))?;
        // Two that go on from the same list know nothing of one another.
        let (mut first, mut second) = (one.clone(), one.clone());
        for turn in 0..more.len().max(other.len()) {
            more.get(turn).into_iter().try_for_each(|source| first.push(source.clone())).unwrap();
            other.get(turn).into_iter().try_for_each(|source| second.push(source.clone())).unwrap();
        }
        same(&first, &numbered([&words[..], &more].concat()))?;
        same(&second, &numbered([&words[..], &other].concat()))?;
        same(&one, &numbered(words.clone()))?;
        // Whoever reads at the same time reads the same.
        let names = |sources: &Sources| -> Vec<_> { sources.iter().map(|source| source.unwrap().name).collect() };
        thread::scope(|scope| {
            let readers: Vec<_> = [&first, &second, &first].map(|sources| scope.spawn(|| names(sources))).into();
            for (reader, sources) in readers.into_iter().zip([&first, &second, &first]) {
                assert_eq!(reader.join().unwrap(), names(sources));
            }
        });
    }

    #[test]
    fn windows_and_changes_reach_every_source_that_they_are_for(words in lists(60)) {
        let folder = tempfile::tempdir().unwrap();
        let bucket = Arc::new(Bucket::of_folder(folder.path()).unwrap());
        let words: Vec<_> = words.into_iter().map(|word| source(&bucket, word)).collect();
        let mut sources = Sources::of(words.clone()).unwrap();
        let streams = words.iter().filter(|source| source.location == Location::Stdin).count();
        prop_assert_eq!(sources.any_apart(|source| source.location == Location::Stdin), streams > 0);
        let mut met = 0;
        sources.change_apart(|source| {
            if source.location == Location::Stdin {
                source.location = Location::File("spool".into());
                met += 1;
            }
            Ok(())
        }).unwrap();
        prop_assert_eq!(met, streams);
        let window = |source: &Source| Window { from: source.id.0.into(), to: u64::MAX };
        let mut expected = numbered(words);
        for source in &mut expected {
            source.window = window(source);
            if source.location == Location::Stdin {
                source.location = Location::File("spool".into());
            }
        }
        same(&sources.with_windows(window).unwrap(), &expected)?;
    }
}
