//! The fields that a config asks of a task, and what may stand in them.

use super::Tag;

/// A field that a task must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey {
    /// As Label Studio has it: what stands after the `$`, such as `text`, `a.b` or `images[{{idx}}].url`.
    pub key: String,
    /// The tag that shows it: the last that does, a `Video` before any other.
    pub tag: String,
}

/// What may stand in a field, as the server asks (the contract, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types {
    /// Text.
    pub text: bool,
    /// A number, or a boolean, which Python takes for a number.
    pub number: bool,
    /// A list.
    pub list: bool,
    /// An object.
    pub object: bool,
    /// Nothing.
    pub null: bool,
}

impl DataKey {
    /// Adds the field that a tag shows, if it shows one.
    pub(super) fn add(tag: &Tag, keys: &mut Vec<DataKey>) {
        let Some(key) = tag
            .attribute("value")
            .and_then(|value| value.strip_prefix('$'))
        else {
            return;
        };
        match keys.iter_mut().find(|known| known.key == key) {
            Some(known) if known.tag == "Video" => {}
            Some(known) => tag.tag.clone_into(&mut known.tag),
            None => keys.push(DataKey {
                key: key.to_owned(),
                tag: tag.tag.clone(),
            }),
        }
    }

    /// The names from the task's data down to the field: `a`, `b` for `a.b`; what stands before a `[` for a list.
    #[must_use]
    pub fn path(&self) -> Vec<&str> {
        match self.key.split_once('[') {
            Some((list, _)) => vec![list],
            None => self.key.split('.').collect(),
        }
    }

    /// Whether the field is a list whose elements a `Repeater` goes through.
    #[must_use]
    pub fn repeats(&self) -> bool {
        self.key.contains('[')
    }

    /// What may stand in it.
    #[must_use]
    pub fn types(&self) -> Types {
        const NONE: Types = Types {
            text: true,
            number: false,
            list: false,
            object: false,
            null: false,
        };
        if self.repeats() {
            return Types {
                text: false,
                list: true,
                ..NONE
            };
        }
        match self.tag.as_str() {
            "Text" => Types {
                number: true,
                list: true,
                ..NONE
            },
            "Header" => Types {
                number: true,
                ..NONE
            },
            "Table" | "TimeSeries" | "TimeSeriesChannel" => Types {
                object: true,
                list: true,
                ..NONE
            },
            "Taxonomy" => Types {
                list: true,
                null: true,
                ..NONE
            },
            "Image" | "Choices" | "Labels" | "Paragraphs" | "Chat" | "List" | "Ranker" => {
                Types { list: true, ..NONE }
            }
            labels if labels.ends_with("Labels") => Types { list: true, ..NONE },
            _ => NONE,
        }
    }
}
