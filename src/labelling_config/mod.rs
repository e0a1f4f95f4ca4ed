//! Label Studio's labelling config: the tags that show data, the tags that ask for answers, and the fields a task must
//! have for them.
//!
//! A config is refused where Label Studio 1.23.2 refuses it (`validate_label_config` of its `core/label_config.py`), in
//! the server's order: XML that one of its two readers does not take (`xml`), a tag that its schema asks more of
//! (`schema`), names (`names`), the speeds of a `Video` (`speeds`). What is known of each tag stands in tables next to
//! what uses them, with the place it is from: the server, or the label-studio-sdk 2.1.2 that it uses.

pub mod keys;
pub mod prediction;
pub mod resolver;

mod names;
mod python;
mod schema;
mod speeds;
mod tags;
mod xml;

use std::collections::BTreeMap;
use std::fmt;

pub use self::keys::{DataKey, Types};

/// A labelling config that has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabellingConfig {
    /// The tags that show data: those with a name and a `value` or `valueList` that are no controls, in order. After
    /// them those of `Chat` and `ReactCode` that are controls: they are both.
    pub objects: Vec<Tag>,
    /// The tags that ask for something: those with a name and `toName`, in order. After them one for each `Chat` or
    /// `ReactCode` that has no `toName`, which are about themselves: a `ChatMessage` for a `Chat`.
    pub controls: Vec<Control>,
    /// The fields that a task must have, in the order in which the config first names them.
    pub keys: Vec<DataKey>,
    /// The first `resolver` that cannot be carried out. Label Studio takes such a config, and shows no text.
    pub resolver_fault: Option<ConfigFault>,
}

/// A tag with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The tag: `Text`, `Choices`.
    pub tag: String,
    /// Its name.
    pub name: String,
    /// All its attributes, as written.
    pub attributes: BTreeMap<String, String>,
}

/// A control tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// The tag itself.
    pub tag: Tag,
    /// The names of the tags it is about.
    pub to_names: Vec<String>,
    /// The labels or choices inside, in order; nested ones too. No two have the same value.
    pub labels: Vec<Label>,
}

/// A `Label`, `Choice` or the like inside a control.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// What a region says to choose it: its alias, or its value.
    pub value: String,
    /// The values from the outermost choice to this one, for a taxonomy.
    pub path: Vec<String>,
    /// All its attributes, as written.
    pub attributes: BTreeMap<String, String>,
}

/// What a field holds for the tag that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// The address of what is shown.
    Url,
    /// What is shown, as text.
    Text,
    /// What is shown, as JSON.
    Json,
}

/// How the text in a field is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    #[default]
    Plain,
    /// In Base64; the editor takes each byte for a character (`atob`), so only Latin-1 survives.
    Base64,
    /// The UTF-8 of it in Base64.
    Base64Unicode,
}

/// A config has several fields where there can be but one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeveralKeys {
    /// Their names, in the config's order.
    pub keys: Vec<String>,
}

/// Why a labelling config is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// Line in the XML, from 1.
    pub line: u32,
    /// Column in the line, from 1, in characters.
    pub column: u32,
    /// One sentence, lower case, no full stop.
    pub reason: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.reason)
    }
}

impl std::error::Error for ConfigFault {}

impl fmt::Display for SeveralKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.iter().map(|key| format!("`{key}`")).collect();
        write!(
            f,
            "the labelling config has {} data keys, not one: {}",
            keys.len(),
            keys.join(", ")
        )
    }
}

impl std::error::Error for SeveralKeys {}

impl Tag {
    /// An attribute, if it has it. Upper and lower case matter, as they do for the server.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// An attribute, or the one of that name in lower case, which the editor takes as well.
    fn either(&self, name: &str) -> Option<&str> {
        let known = |value: &&str| !value.is_empty();
        let lower = || self.attribute(&name.to_lowercase());
        self.attribute(name)
            .filter(known)
            .or_else(|| lower().filter(known))
    }

    /// What the tag shows as the SDK has it, with its `$`: its `valueList`, or else its `value`.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.attribute("valueList")
            .or_else(|| self.attribute("value"))
    }

    /// The field that the tag's `value` names: the key of a [`DataKey`], unless the tag is the root.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.attribute("value").and_then(keys::key_in)
    }

    /// The field that the tag's `valueList` names: a list of what is shown. The server does not ask for it.
    #[must_use]
    pub fn list_key(&self) -> Option<&str> {
        self.attribute("valueList").and_then(keys::key_in)
    }

    /// What its field holds: what `valueType` says, or else what the editor takes it for
    /// (the tag's page of the documentation, outside secure mode).
    #[must_use]
    pub fn value_type(&self) -> Option<ValueType> {
        match self.either("valueType") {
            Some("url") => Some(ValueType::Url),
            Some("text") => Some(ValueType::Text),
            Some("json") => Some(ValueType::Json),
            Some(_) => None,
            None => match self.tag.to_lowercase().as_str() {
                "audio" | "image" | "pdf" | "timeseries" | "video" => Some(ValueType::Url),
                "hypertext" | "text" => Some(ValueType::Text),
                "chat" | "list" | "paragraphs" | "table" => Some(ValueType::Json),
                _ => None,
            },
        }
    }

    /// How a file that the field names is to be read, such as `csv|separator=;|column=text`.
    #[must_use]
    pub fn resolver(&self) -> Option<&str> {
        self.either("resolver")
    }

    /// How the text in its field is written: `Text`, `HyperText` have an `encoding`.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        match self.either("encoding") {
            Some("base64") => Encoding::Base64,
            Some("base64unicode") => Encoding::Base64Unicode,
            _ => Encoding::Plain,
        }
    }
}

impl LabellingConfig {
    /// Reads a config.
    ///
    /// # Errors
    /// When Label Studio would refuse it, with the place and the reason.
    pub fn parse(xml: &str) -> Result<LabellingConfig, ConfigFault> {
        let (text, marked) = match xml.strip_prefix('\u{feff}') {
            Some(text) => (text, true),
            None => (xml, false),
        };
        let document = xml::read(text, marked)?;
        let root = document.root_element();
        schema::check(root)
            .and_then(|()| names::check(root))
            .and_then(|()| speeds::check(root))
            .map_err(|refusal| refusal.in_text(text))?;
        Ok(LabellingConfig {
            resolver_fault: resolver::fault(root).map(|refusal| refusal.in_text(text)),
            ..tags::collect(root)
        })
    }

    /// The control of this name: a region's `from_name`.
    #[must_use]
    pub fn control(&self, name: &str) -> Option<&Control> {
        self.controls
            .iter()
            .find(|control| control.tag.name == name)
    }

    /// The object of this name: a region's `to_name`.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&Tag> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// The field that stands for `$undefined$`: the config's only one. Without any, the key stays `$undefined$`.
    ///
    /// # Errors
    /// When the config has several, which it names. (Label Studio takes the first for each line of a TXT file, and
    /// refuses other files that are one task, such as HTML.)
    pub fn single_key(&self) -> Result<Option<&DataKey>, SeveralKeys> {
        match self.keys.as_slice() {
            [] => Ok(None),
            [key] => Ok(Some(key)),
            keys => Err(SeveralKeys {
                keys: keys.iter().map(|key| key.key.clone()).collect(),
            }),
        }
    }

    /// The tags that show a field by their `value`, in order: objects, then controls.
    pub fn shown_by<'a>(&'a self, key: &'a DataKey) -> impl Iterator<Item = &'a Tag> {
        let controls = self.controls.iter().map(|control| &control.tag);
        self.objects
            .iter()
            .chain(controls)
            .filter(|tag| tag.key() == Some(&key.key))
    }

    /// How the text in the config's only field is written; plain if it has none or several, or if its tags disagree.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        let Ok(Some(key)) = self.single_key() else {
            return Encoding::Plain;
        };
        let mut encodings = self.shown_by(key).map(Tag::encoding);
        let first = encodings.next().unwrap_or_default();
        if encodings.all(|other| other == first) {
            first
        } else {
            Encoding::Plain
        }
    }

    /// The first object that is a `TimeSeries`, in any case. Its [`Tag::key`] is the field, and its
    /// [`Tag::value_type`] says whether that holds the address of a file or the columns themselves.
    #[must_use]
    pub fn time_series(&self) -> Option<&Tag> {
        self.objects
            .iter()
            .find(|object| object.tag.eq_ignore_ascii_case("TimeSeries"))
    }
}
