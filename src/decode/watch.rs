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
    /// Whether the member of the outermost object that is gone through now is `data`.
    in_data: bool,
    outer: Vec<usize>,
    inner: Vec<usize>,
    beside: Vec<usize>,
}

/// Not found.
const NOWHERE: usize = usize::MAX;

/// The fields of one value, each with its offset in the text that was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Those of the data, in the order of [`Watch::data`].
    data: &'a [usize],
    /// Those beside it, in the order of [`Watch::beside`].
    beside: &'a [usize],
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

    /// Where the value of a field beside the data starts.
    #[must_use]
    pub fn beside(&self, field: usize) -> Option<usize> {
        self.beside
            .get(field)
            .copied()
            .filter(|offset| *offset != NOWHERE)
    }
}

impl Noted {
    /// Nothing is noted yet.
    #[must_use]
    pub fn new(watch: Arc<Watch>) -> Self {
        Noted {
            on: *watch != Watch::default(),
            in_data: false,
            outer: vec![NOWHERE; watch.data.len()],
            inner: vec![NOWHERE; watch.data.len()],
            beside: vec![NOWHERE; watch.beside.len()],
            watch,
        }
    }

    /// Begins a value.
    #[inline]
    pub fn begin(&mut self) {
        if self.on {
            self.in_data = false;
            self.outer.fill(NOWHERE);
            self.inner.fill(NOWHERE);
            self.beside.fill(NOWHERE);
        }
    }

    /// Takes the key, in its quotes, of a member at `depth` (1 or 2) whose value starts at `value`.
    #[inline]
    pub fn key(&mut self, quoted: &[u8], depth: usize, value: usize) {
        if !self.on {
            return;
        }
        if depth == 1 {
            self.in_data = is_key(quoted, "data");
            note(&self.watch.data, &mut self.outer, quoted, value);
            note(&self.watch.beside, &mut self.beside, quoted, value);
            if self.in_data {
                self.inner.fill(NOWHERE);
            }
        } else if self.in_data {
            note(&self.watch.data, &mut self.inner, quoted, value);
        }
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

#[inline]
fn note(names: &[String], found: &mut [usize], quoted: &[u8], value: usize) {
    for (name, found) in names.iter().zip(found) {
        if is_key(quoted, name) {
            *found = value;
        }
    }
}

/// Whether a key, with its quotes, is this name.
#[inline]
#[must_use]
pub fn is_key(quoted: &[u8], name: &str) -> bool {
    let raw = &quoted[1..quoted.len() - 1];
    raw == name.as_bytes()
        || raw.len() > name.len()
            && raw.contains(&b'\\')
            && serde_json::from_slice::<String>(quoted).is_ok_and(|key| key == name)
}
