//! The fields that a config asks of a task, and what may stand in them.

/// A field that a task must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey {
    /// As Label Studio has it: what stands after the `$`, such as `text`, `a.b` or `images[{{idx}}].url`.
    pub key: String,
    /// The tag that shows it: the last that does, a `Video` before any other.
    pub tag: String,
}

/// What may stand in a field, as the server asks (the contract, section 7). An empty text, list or object will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a set of types, each in it or not"
)]
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

impl Types {
    const TEXT: Types = Types {
        text: true,
        number: false,
        list: false,
        object: false,
        null: false,
    };
    const LIST: Types = Types {
        text: false,
        list: true,
        ..Types::TEXT
    };
    const TEXT_OR_LIST: Types = Types {
        list: true,
        ..Types::TEXT
    };
    const TEXT_OR_NUMBER: Types = Types {
        number: true,
        ..Types::TEXT
    };
    const TEXT_NUMBER_OR_LIST: Types = Types {
        number: true,
        ..Types::TEXT_OR_LIST
    };
    const TEXT_LIST_OR_OBJECT: Types = Types {
        object: true,
        ..Types::TEXT_OR_LIST
    };
    const TEXT_LIST_OR_NULL: Types = Types {
        null: true,
        ..Types::TEXT_OR_LIST
    };
}

/// What each tag shows: `_DATA_TYPES` of `tasks/validation.py`, Label Studio 1.23.2. Any other tag shows text only, and
/// upper and lower case matter: `Hypertext` is another tag.
const TYPES: [(&str, Types); 22] = [
    ("Text", Types::TEXT_NUMBER_OR_LIST),
    ("Header", Types::TEXT_OR_NUMBER),
    ("HyperText", Types::TEXT),
    ("Image", Types::TEXT_OR_LIST),
    ("Paragraphs", Types::TEXT_OR_LIST),
    ("Chat", Types::TEXT_OR_LIST),
    ("Table", Types::TEXT_LIST_OR_OBJECT),
    ("TimeSeries", Types::TEXT_LIST_OR_OBJECT),
    ("TimeSeriesChannel", Types::TEXT_LIST_OR_OBJECT),
    ("List", Types::TEXT_OR_LIST),
    ("Choices", Types::TEXT_OR_LIST),
    ("PolygonLabels", Types::TEXT_OR_LIST),
    ("Labels", Types::TEXT_OR_LIST),
    ("BrushLabels", Types::TEXT_OR_LIST),
    ("EllipseLabels", Types::TEXT_OR_LIST),
    ("HyperTextLabels", Types::TEXT_OR_LIST),
    ("KeyPointLabels", Types::TEXT_OR_LIST),
    ("ParagraphLabels", Types::TEXT_OR_LIST),
    ("RectangleLabels", Types::TEXT_OR_LIST),
    ("TimeSeriesLabels", Types::TEXT_OR_LIST),
    ("Taxonomy", Types::TEXT_LIST_OR_NULL),
    ("Ranker", Types::TEXT_OR_LIST),
];

impl DataKey {
    /// Adds the field that a value names, if it names one, as `extract_data_types` of `core/label_config.py` does.
    pub(super) fn add(tag: &str, value: &str, keys: &mut Vec<DataKey>) {
        let Some(key) = key_in(value) else { return };
        match keys.iter_mut().find(|known| known.key == key) {
            Some(known) if known.tag == "Video" => {}
            Some(known) => tag.clone_into(&mut known.tag),
            None => keys.push(DataKey {
                key: key.to_owned(),
                tag: tag.to_owned(),
            }),
        }
    }

    /// The names from the task's data down to the field: `a`, `b` for `a.b`. For a list that a `Repeater` goes through
    /// those down to the list: what stands before the first `[`.
    #[must_use]
    pub fn path(&self) -> Vec<&str> {
        let list = self.key.split('[').next().unwrap_or_default();
        list.split('.').collect()
    }

    /// Whether the field is a list whose elements a `Repeater` goes through.
    #[must_use]
    pub fn repeats(&self) -> bool {
        self.key.contains('[')
    }

    /// What may stand in it.
    #[must_use]
    pub fn types(&self) -> Types {
        if self.repeats() {
            return Types::LIST;
        }
        TYPES
            .iter()
            .find(|(tag, _)| *tag == self.tag)
            .map_or(Types::TEXT, |(_, types)| *types)
    }
}

/// The field that a value names: all that stands after the `$` it begins with, or else the first `$` with a word.
pub(super) fn key_in(value: &str) -> Option<&str> {
    if let Some(key) = value.strip_prefix('$').filter(|key| !key.is_empty()) {
        return Some(key);
    }
    value.split('$').skip(1).find_map(|after| {
        let end = after
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(after.len());
        (end > 0).then(|| &after[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::{DataKey, Types, key_in};

    #[test]
    fn a_value_names_the_rest_after_a_dollar_or_the_first_word_after_one() {
        let cases = [
            ("$text", Some("text")),
            ("$a.b", Some("a.b")),
            ("$images[{{idx}}].url", Some("images[{{idx}}].url")),
            ("$a and $b", Some("a and $b")),
            ("url: $image, $b", Some("image")),
            ("costs $ 5, $a.b", Some("a")),
            ("<b>$größe_2</b>", Some("größe_2")),
            ("$", None),
            ("$$", Some("$")),
            (" $$ ", None),
            ("plain", None),
            ("", None),
        ];
        for (value, key) in cases {
            assert_eq!(key_in(value), key, "{value}");
        }
    }

    #[test]
    fn a_key_leads_down_to_its_field_or_its_list() {
        let key = |key: &str, tag: &str| DataKey {
            key: key.to_owned(),
            tag: tag.to_owned(),
        };
        let nested = key("a.b[{{i}}].c.d", "Text");
        assert_eq!(nested.path(), ["a", "b"]);
        assert!(nested.repeats());
        assert_eq!(nested.types(), Types::LIST);
        assert_eq!(key("a.b", "Text").path(), ["a", "b"]);
        assert_eq!(key("text", "Text").types(), Types::TEXT_NUMBER_OR_LIST);
        assert_eq!(key("t", "Taxonomy").types(), Types::TEXT_LIST_OR_NULL);
        assert_eq!(key("t", "VideoVectorLabels").types(), Types::TEXT);
        assert_eq!(key("t", "Hypertext").types(), Types::TEXT);
    }
}
