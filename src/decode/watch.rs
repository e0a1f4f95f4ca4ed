//! Fields that are looked at while JSON is checked: where their values start is noted on the way, so that nobody has to
//! go over the text a second time.

use std::sync::Arc;

/// The names to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Fields of the data: of a task's `data`, or of an object that is data itself.
    pub data: Vec<String>,
    /// Fields beside a task's `data`.
    pub beside: Vec<String>,
}

/// Where the fields of one value were found. The last of several with one name counts, as it does in Python.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    watch: Arc<Watch>,
    on: bool,
    /// A bit for each length that a name has: most keys are told from all names by theirs.
    lengths: u64,
    /// Whether the member of the outermost object that is gone through now is `data`.
    in_data: bool,
    outer: Vec<usize>,
    inner: Vec<usize>,
    beside: Vec<(usize, usize)>,
    /// The field beside the data that is gone through now.
    open: Option<usize>,
}

/// Not found.
const NOWHERE: usize = usize::MAX;

/// The fields of one value, each with its offset in the text that was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Those of the data, in the order of [`Watch::data`].
    data: &'a [usize],
    /// Those beside it, in the order of [`Watch::beside`], each with the offset of the next key.
    beside: &'a [(usize, usize)],
}

impl Fields<'_> {
    /// Where the value of a field of the data starts.
    #[must_use]
    pub fn data(&self, field: usize) -> Option<usize> {
        self.data
            .get(field)
            .copied()
            .filter(|offset| *offset != NOWHERE)
    }

    /// Where the value of a field beside the data starts, and where the key after it, which may be far beyond the end.
    #[must_use]
    pub fn beside(&self, field: usize) -> Option<(usize, usize)> {
        self.beside
            .get(field)
            .copied()
            .filter(|(offset, _)| *offset != NOWHERE)
    }
}

impl Noted {
    /// Nothing is noted yet.
    #[must_use]
    pub fn new(watch: Arc<Watch>) -> Self {
        let names = watch.data.iter().chain(&watch.beside);
        Noted {
            on: *watch != Watch::default(),
            lengths: names.fold(0, |lengths, name| lengths | length_bit(name.len())),
            in_data: false,
            outer: vec![NOWHERE; watch.data.len()],
            inner: vec![NOWHERE; watch.data.len()],
            beside: vec![(NOWHERE, NOWHERE); watch.beside.len()],
            open: None,
            watch,
        }
    }

    /// Whether there is anything to note.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Begins a value.
    #[inline]
    pub fn begin(&mut self) {
        if self.on {
            self.in_data = false;
            self.outer.fill(NOWHERE);
            self.inner.fill(NOWHERE);
            self.beside.fill((NOWHERE, NOWHERE));
            self.open = None;
        }
    }

    /// Takes the key of a member of the outermost object, which starts at `at` and whose value starts at `value`.
    #[inline]
    pub fn outer_key(&mut self, key: Key<'_>, at: usize, value: usize) {
        if !self.on {
            return;
        }
        if let Some(open) = self.open.take() {
            self.beside[open].1 = at;
        }
        self.in_data = key.is("data");
        if self.in_data {
            self.inner.fill(NOWHERE);
        }
        if self.may_be_named(key) {
            note(&self.watch.data, &mut self.outer, key, value);
            let mut beside = self.watch.beside.iter();
            if let Some(field) = beside.position(|name| key.is(name)) {
                self.beside[field] = (value, NOWHERE);
                self.open = Some(field);
            }
        }
    }

    /// Takes the key of a member of an object or list in the outermost one, whose value starts at `value`.
    #[inline]
    pub fn inner_key(&mut self, key: Key<'_>, value: usize) {
        if self.in_data && self.may_be_named(key) {
            note(&self.watch.data, &mut self.inner, key, value);
        }
    }

    #[inline]
    fn may_be_named(&self, key: Key<'_>) -> bool {
        key.escaped || self.lengths & length_bit(key.raw.len()) != 0
    }

    /// What was found in a value that is a task, or else is data itself.
    #[must_use]
    pub fn fields(&self, task: bool) -> Fields<'_> {
        if task {
            Fields {
                data: &self.inner,
                beside: &self.beside,
            }
        } else {
            Fields {
                data: &self.outer,
                beside: &[],
            }
        }
    }
}

/// The bit of a length; all that are long share one.
#[inline]
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

fn note(names: &[String], found: &mut [usize], key: Key<'_>, value: usize) {
    for (name, found) in names.iter().zip(found) {
        if key.is(name) {
            *found = value;
        }
    }
}

/// A member's key.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// What stands between its quotes.
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Key<'a> {
    /// A key, in its quotes; `escaped`: there may be an escape in it.
    #[inline]
    #[must_use]
    pub fn new(quoted: &'a [u8], escaped: bool) -> Self {
        Key {
            raw: &quoted[1..quoted.len() - 1],
            escaped,
        }
    }

    /// Whether it is this name.
    #[inline]
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        self.raw == name.as_bytes() || self.escaped && self.is_written(name)
    }

    #[cold]
    fn is_written(self, name: &str) -> bool {
        let quoted = [b"\"", self.raw, b"\""].concat();
        serde_json::from_slice::<String>(&quoted).is_ok_and(|key| key == name)
    }
}

/// Whether a key, with its quotes, is this name.
#[must_use]
pub fn is_key(quoted: &[u8], name: &str) -> bool {
    Key::new(quoted, quoted.contains(&b'\\')).is(name)
}
