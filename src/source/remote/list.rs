//! What the words that are addresses of stores stand for: an object, all data below a prefix, or what matches a pattern.

use std::collections::HashSet;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use globset::{GlobBuilder, GlobMatcher};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use super::bucket::{Address, Bucket};
use super::{Object, Page, Remote, failure, thread, web};
use crate::error::{Code, Error, Result};
use crate::place::{SourceId, Spot};
use crate::source::address::word_without_secrets;
use crate::source::listed::Sources;
use crate::source::local::{InFolder, Listing, Taking};
use crate::source::sniff::Format;
use crate::source::window::Window;
use crate::source::{Location, Source};

/// The signs of a pattern.
const SIGNS: [char; 4] = ['*', '?', '[', '{'];

impl Listing {
    /// Adds what an address stands for. A key that is there is one object; else it is what all keys below it begin with;
    /// one with signs of a pattern is matched against the keys. Keys come in the order of their bytes.
    pub(in crate::source) fn objects(
        &mut self,
        word: &str,
        address: &Address,
        taking: &Taking,
    ) -> Result<()> {
        let bucket = self.bucket(address)?;
        if let Some(time) = taking.presign {
            bucket.can_presign(time)?;
        }
        let before = self.sources.len();
        let key = address.key.as_str();
        if key.contains(SIGNS) {
            self.matching(word, key, &bucket, taking)?;
        } else if key.is_empty() || key.ends_with('/') || !self.object(key, &bucket, taking)? {
            self.below(key, &bucket, taking)?;
        }
        if self.sources.len() == before {
            return Err(Error::new(Code::SourceMissing, format!("nothing to read at `{}`", word_without_secrets(word)))
                .help("name an object, what keys begin with and a `/`, or a pattern: `*` stays between two `/`, `**` crosses them"));
        }
        self.sources.in_order_from(before)
    }

    /// The bucket of an address, which is opened once.
    fn bucket(&mut self, address: &Address) -> Result<Arc<Bucket>> {
        if let Some(bucket) = self.buckets.iter().find(|b| b.address() == address.root) {
            return Ok(Arc::clone(bucket));
        }
        let bucket = Arc::new(Bucket::open(address)?);
        self.told.push(format!(
            "reading {} with {}",
            address.root.trim_end_matches('/'),
            bucket.credentials()
        ));
        self.buckets.push(Arc::clone(&bucket));
        Ok(bucket)
    }

    /// Adds the object of a key, if there is one.
    fn object(&mut self, key: &str, bucket: &Arc<Bucket>, taking: &Taking) -> Result<bool> {
        let path = path(key)?;
        let store = Arc::clone(bucket.store());
        let found = thread::wait(async move { store.head(&path).await })?;
        match found {
            Ok(about) => {
                let name = key.rsplit('/').next().unwrap_or(key);
                self.take(bucket, about, name, taking).map(|()| true)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => {
                let at = || Spot::source(&Arc::from(format!("{}{key}", bucket.address())));
                Err(Error::from(failure::of_store(&e)).at(at))
            }
        }
    }

    /// Adds the data below a prefix, as of a folder; its media, where there is nothing else.
    fn below(&mut self, prefix: &str, bucket: &Arc<Bucket>, taking: &Taking) -> Result<()> {
        let prefix = prefix.trim_end_matches('/');
        let before = self.sources.len();
        // Where there is nothing but media, they are what is meant. Beside data they may be what the data speak of.
        let mut media = Sources::default();
        self.each(prefix, bucket, |listing, about| {
            let key = about.location.as_ref();
            let name = key.rsplit('/').next().unwrap_or(key);
            match taking.in_folder(name) {
                InFolder::Passed => Ok(()),
                InFolder::LeftOut => {
                    let address = format!("{}{key}", bucket.address());
                    if Format::of_name(&address) == Some(Format::Reference) {
                        return media.push(referred(address.into()));
                    }
                    listing.left_out.push(PathBuf::from(address));
                    Ok(())
                }
                InFolder::Taken => {
                    let relative = key[prefix.len()..].trim_start_matches('/').to_owned();
                    listing.take(bucket, about, &relative, taking)
                }
            }
        })?;
        let alone = self.sources.len() == before && taking.format.is_none();
        for source in &media {
            let source = source?;
            if alone {
                self.sources.push(source)?;
            } else {
                self.left_out.push(PathBuf::from(&*source.name));
            }
        }
        Ok(())
    }

    /// Adds what matches a pattern.
    fn matching(
        &mut self,
        word: &str,
        pattern: &str,
        bucket: &Arc<Bucket>,
        taking: &Taking,
    ) -> Result<()> {
        let matcher = matcher(word, pattern)?;
        let fixed = &pattern[..pattern.find(SIGNS).unwrap_or(pattern.len())];
        // Keys are listed by whole names between slashes.
        let base = fixed.rsplit_once('/').map_or("", |(base, _)| base);
        self.each(base, bucket, |listing, about| {
            if !matcher.is_match(about.location.as_ref()) {
                return Ok(());
            }
            let relative = about.location.as_ref()[base.len()..]
                .trim_start_matches('/')
                .to_owned();
            listing.take(bucket, about, &relative, taking)
        })
    }

    /// Goes through all objects below a prefix, a page at a time.
    pub(super) fn each(
        &mut self,
        prefix: &str,
        bucket: &Arc<Bucket>,
        mut each: impl FnMut(&mut Self, ObjectMeta) -> Result<()>,
    ) -> Result<()> {
        let prefix = (!prefix.is_empty()).then(|| path(prefix)).transpose()?;
        let mut pages = bucket.store().list(prefix.as_ref());
        thread::wait(async {
            loop {
                match pages.try_next().await {
                    Ok(Some(about)) => each(self, about)?,
                    Ok(None) => return Ok(()),
                    Err(e) => {
                        let name = bucket.address().trim_end_matches('/');
                        return Err(failure::of_bucket(name, &e));
                    }
                }
            }
        })?
    }

    /// Adds an object whose address, if it is to be spoken of, ends in `relative`.
    fn take(
        &mut self,
        bucket: &Arc<Bucket>,
        about: ObjectMeta,
        relative: &str,
        taking: &Taking,
    ) -> Result<()> {
        let address: Arc<str> = format!("{}{}", bucket.address(), about.location.as_ref()).into();
        let at = || Spot::source(&address);
        let name = relative.rsplit('/').next().unwrap_or(relative);
        let prefixed = taking.prefix.as_ref();
        let spoken = prefixed.and_then(|prefix| prefix.address(FilePath::new(relative)));
        let is_referred = taking.why_referred(name).map_err(|e| e.at(at))?.is_some();
        let object = Object {
            bucket: Arc::clone(bucket),
            address: Arc::clone(&address),
            bytes: about.size,
            version: about.e_tag.map(tag),
            blake3: None,
        };
        if is_referred && let Some(time) = taking.presign {
            bucket.can_presign_key(&address).map_err(|e| e.at(at))?;
            let spoken = Some(Arc::clone(&address));
            return self.add(address, Location::Presigned(object, time), Some(0), spoken);
        }
        if is_referred {
            // Label Studio reads such addresses through a storage of its own.
            let spoken = spoken.map_or_else(|| Arc::clone(&address), Arc::from);
            return self.add(address, Location::Referred, Some(0), Some(spoken));
        }
        let remote = Remote::Object(object);
        let spoken = spoken.map(Arc::from);
        self.add(address, Location::Remote(remote), Some(about.size), spoken)
    }
}

/// A file that a task speaks of by its own address.
fn referred(address: Arc<str>) -> Source {
    Source {
        id: SourceId::default(),
        name: Arc::clone(&address),
        location: Location::Referred,
        bytes: Some(0),
        address: Some(address),
        window: Window::ALL,
    }
}

/// Files behind HTTP that are asked for at once.
const ASKED_AT_ONCE: usize = 16;

impl Listing {
    /// Asks the servers of those words that are addresses of files behind HTTP, several at once: what they say is there
    /// when the word is added.
    ///
    /// # Errors
    /// When the thread that asks cannot be started.
    pub fn ask_ahead<'a>(
        &mut self,
        words: impl Iterator<Item = &'a str>,
        taking: &Taking,
    ) -> Result<()> {
        let is_read = |url: &Url| {
            let file = url.path().rsplit('/').next().unwrap_or_default();
            matches!(taking.why_referred(file), Ok(None))
        };
        // What is malformed is told when the word is added.
        let urls = words.filter_map(|word| Page::parse(word).ok().flatten());
        let urls: HashSet<Url> = urls.filter(is_read).collect();
        let asked = thread::wait(
            stream::iter(urls)
                .map(|url| async { (url.clone(), Page::ask(url).await) })
                .buffer_unordered(ASKED_AT_ONCE)
                .collect(),
        )?;
        self.asked = asked;
        Ok(())
    }

    /// Adds a file behind HTTP.
    pub(in crate::source) fn page(&mut self, url: Url, taking: &Taking) -> Result<()> {
        let name: Arc<str> = web::name_of(&url).into();
        let at = || Spot::source(&name);
        let file = name.rsplit('/').next().unwrap_or(&name);
        if taking.why_referred(file).map_err(|e| e.at(at))?.is_some() {
            // It need not be there for this machine: the task has its address as it was given.
            let spoken = String::from(url).into();
            return self.add(name, Location::Referred, Some(0), Some(spoken));
        }
        let asked = match self.asked.remove(&url) {
            Some(asked) => asked,
            None => thread::wait(Page::ask(url))?,
        };
        let page = asked.map_err(|fault| Error::from(fault).at(at))?;
        let remote = Remote::Page(page);
        let bytes = remote.bytes();
        let spoken = Some(Arc::clone(&name));
        self.add(name, Location::Remote(remote), bytes, spoken)
    }
}

/// An `ETag` as a store gives it with an object: in some listings it has no quotes.
pub(super) fn tag(listed: String) -> Box<str> {
    if listed.starts_with(['"', 'W']) {
        listed.into()
    } else {
        format!("\"{listed}\"").into()
    }
}

/// A key as the stores' clients want it.
fn path(key: &str) -> Result<Path> {
    Path::parse(key).map_err(|e| {
        Error::new(
            Code::Usage,
            format!("`{key}` is no key that can be read: {e}"),
        )
        .help("a key has names with a single `/` between them, none of which is `.` or `..`")
    })
}

fn matcher(word: &str, pattern: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|e| {
        Error::new(
            Code::Usage,
            format!(
                "`{}` is not a pattern: {}",
                word_without_secrets(word),
                e.kind()
            ),
        )
    })
}
