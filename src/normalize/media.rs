//! The media that tasks speak of: which fields hold their addresses, and which of them are not there.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memmem;
use serde_json::Value;

use crate::decode::scan::data_of;
use crate::error::{Code, Fault};
use crate::labelling_config::{DataKey, LabellingConfig, Tag, ValueType};
use crate::source::address;
use crate::source::sniff::Format;

/// Which fields of a task speak of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum References {
    /// These, each by the names from the data down to it; it may be a list.
    Fields(Vec<Vec<String>>),
    /// Every text that is an address of a file of media by its name.
    ByName,
}

/// Stands for an address: 128 bits of a cryptographic hash.
pub type AddressHash = u128;

/// What stands for an address.
#[must_use]
pub fn hash(address: &str) -> AddressHash {
    let hash = blake3::hash(address.as_bytes());
    let half = hash.as_bytes().first_chunk();
    half.map_or(0, |half| u128::from_le_bytes(*half))
}

impl References {
    /// Those that a labelling config shows as addresses; those with the names of media where there is none.
    #[must_use]
    pub fn of(config: Option<&LabellingConfig>) -> Self {
        let Some(config) = config else {
            return References::ByName;
        };
        let key = |tag: &Tag| {
            // Of an address that is put together from several fields, none holds it.
            let whole = tag.value().is_some_and(|value| value.starts_with('$'));
            let key = tag.key().or_else(|| tag.list_key());
            key.filter(|_| whole && tag.value_type() == Some(ValueType::Url))
                .map(|key| DataKey {
                    key: key.to_owned(),
                    tag: tag.tag.clone(),
                })
        };
        let mut fields: Vec<Vec<String>> = Vec::new();
        for key in config.objects.iter().filter_map(key) {
            let path: Vec<_> = key.path().iter().map(|name| (*name).to_owned()).collect();
            if !fields.contains(&path) {
                fields.push(path);
            }
        }
        References::Fields(fields)
    }

    /// Whether no task can speak of a file.
    #[must_use]
    pub fn are_none(&self) -> bool {
        matches!(self, References::Fields(fields) if fields.is_empty())
    }

    /// Gives each reference in a task, which has been checked, to `each`.
    pub fn each(&self, task: &str, each: &mut dyn FnMut(&str)) {
        if *self == References::ByName && memmem::find(task.as_bytes(), b"http").is_none() {
            return;
        }
        let data = data_of(task).and_then(|data| serde_json::from_str::<Value>(data).ok());
        let Some(data) = data else {
            return;
        };
        match self {
            References::ByName => texts(&data, &mut |text| {
                if is_media(text) {
                    each(text);
                }
            }),
            References::Fields(fields) => {
                for path in fields {
                    let mut value = Some(&data);
                    for name in path {
                        value = value.and_then(|value| value.get(name));
                    }
                    if let Some(value) = value {
                        texts(value, each);
                    }
                }
            }
        }
    }
}

/// Every text in a value.
fn texts(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, each)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a text is an address that a web server may know.
#[must_use]
pub fn is_http(text: &str) -> bool {
    let starts = |scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    starts("http://") || starts("https://")
}

fn is_media(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    is_http(text)
        && !name.contains(char::is_whitespace)
        && Format::of_name(name) == Some(Format::Reference)
}

/// The references that have been found dead, and why.
#[derive(Clone, Debug)]
pub struct Dead {
    /// Which fields hold them.
    pub references: References,
    /// Why each is dead.
    pub why: HashMap<AddressHash, String>,
}

impl Dead {
    /// What is wrong with a task that speaks of a file that is not there; the first such reference.
    #[must_use]
    pub fn fault(&self, task: &str) -> Option<Fault> {
        let mut found = None;
        self.references.each(task, &mut |address| {
            if found.is_none()
                && let Some(why) = self.why.get(&hash(address))
            {
                found = Some(fault(address, why));
            }
        });
        found
    }
}

fn fault(address: &str, why: &str) -> Fault {
    Fault::new(Code::MediaDead, told(address, why)).help("put the file there, or mend its address")
}

/// What is said of a reference that is dead.
#[must_use]
pub fn told(address: &str, why: &str) -> String {
    const SHOWN: usize = 200;
    let shown = address::shown(address);
    let shown: Cow<'_, str> = match shown.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &shown[..end]).into(),
        None => shown.into(),
    };
    format!("the file at `{shown}` {why}")
}

#[cfg(test)]
mod tests {
    use super::References;
    use crate::labelling_config::LabellingConfig;

    fn found(references: &References, task: &str) -> Vec<String> {
        let mut found = Vec::new();
        references.each(task, &mut |address| found.push(address.to_owned()));
        found
    }

    #[test]
    fn without_a_config_addresses_are_known_by_the_names_of_media() {
        let task = r#"{"data":{"a":"http://h/a.JPG?x=1","b":["https://h/b.mp3",{"c":"HTTP://h/c.png#d"}],
            "text":"see http://h/d.jpg","e":"http://h/e.html","f":"/f.jpg","g":"s3://b/g.jpg","h":"http:\/\/h\/h.pdf"},
            "meta":{"i":"http://h/i.jpg"}}"#;
        let expected = [
            "http://h/a.JPG?x=1",
            "https://h/b.mp3",
            "HTTP://h/c.png#d",
            "http://h/h.pdf",
        ];
        assert_eq!(found(&References::ByName, task), expected);
    }

    #[test]
    fn a_config_names_the_fields_whatever_their_addresses_look_like() {
        let config = LabellingConfig::parse(
            r#"<View><Image name="a" value="$image"/><Audio name="b" value="$deep.sound"/><Image name="c" valueList="$pages"/>
            <Text name="d" value="$text"/><Text name="e" value="$page" valueType="url"/>
            <Image name="f" value="http://h/$part"/></View>"#,
        )
        .unwrap();
        let references = References::of(Some(&config));
        let task = r#"{"data":{"image":"http://h/1","deep":{"sound":"s3://b/2","else":"http://h/x.mp3"},
            "pages":["http://h/3","http://h/4"],"text":"http://h/x.jpg","page":"http://h/5","part":"x.jpg"}}"#;
        let expected = [
            "http://h/1",
            "s3://b/2",
            "http://h/3",
            "http://h/4",
            "http://h/5",
        ];
        assert_eq!(found(&references, task), expected);
        let config = LabellingConfig::parse(r#"<View><Text name="d" value="$text"/></View>"#);
        assert!(References::of(Some(&config.unwrap())).are_none());
    }
}
