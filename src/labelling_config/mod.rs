//! Label Studio's labelling config: the tags that show data, the tags that ask for answers, and the fields a task must
//! have for them.
//!
//! Read with a plain XML reader, as Label Studio does; what is known of each tag stands in the tables of this module,
//! with the place it is from: the contract (section 7) or the label-studio-sdk 2.1.2 that Label Studio 1.23.2 uses.

pub mod keys;

use std::collections::BTreeMap;
use std::fmt;

pub use self::keys::{DataKey, Types};

/// A labelling config that has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabellingConfig {
    /// The tags that show data: those with a name and a value, in order.
    pub objects: Vec<Tag>,
    /// The tags that ask for something: those with a name and `toName`, in order.
    pub controls: Vec<Control>,
    /// The fields that a task must have, in the order in which the config first names them.
    pub keys: Vec<DataKey>,
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
    /// The labels or choices inside, in order; nested ones too.
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

impl Tag {
    /// An attribute, if it has it.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl LabellingConfig {
    /// Reads a config.
    ///
    /// # Errors
    /// When Label Studio would refuse it, with the place and the reason.
    pub fn parse(xml: &str) -> Result<LabellingConfig, ConfigFault> {
        let fault = |error: roxmltree::Error| ConfigFault {
            line: error.pos().row,
            column: error.pos().col,
            reason: format!("the labelling config is not XML: {error}"),
        };
        let document = roxmltree::Document::parse(xml).map_err(fault)?;
        let mut config = LabellingConfig::default();
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let Some(name) = node.attribute("name") else {
                continue;
            };
            let attributes: BTreeMap<_, _> = node
                .attributes()
                .map(|a| (a.name().to_owned(), a.value().to_owned()))
                .collect();
            let tag = Tag {
                tag: node.tag_name().name().to_owned(),
                name: name.to_owned(),
                attributes,
            };
            if let Some(to_name) = node.attribute("toName") {
                let mut labels = Vec::new();
                collect(node, &mut Vec::new(), &mut labels);
                config.controls.push(Control {
                    tag: tag.clone(),
                    to_names: to_name
                        .split(',')
                        .map(|name| name.trim().to_owned())
                        .collect(),
                    labels,
                });
            }
            if node.attribute("value").is_some() {
                if node.attribute("toName").is_none() {
                    config.objects.push(tag.clone());
                }
                DataKey::add(&tag, &mut config.keys);
            }
        }
        Ok(config)
    }

    /// The control of this name.
    #[must_use]
    pub fn control(&self, name: &str) -> Option<&Control> {
        self.controls
            .iter()
            .find(|control| control.tag.name == name)
    }
}

fn collect(node: roxmltree::Node<'_, '_>, path: &mut Vec<String>, labels: &mut Vec<Label>) {
    for child in node.children().filter(roxmltree::Node::is_element) {
        let value = child.attribute("alias").or(child.attribute("value"));
        if let Some(value) = value {
            path.push(value.to_owned());
            labels.push(Label {
                value: value.to_owned(),
                path: path.clone(),
                attributes: child
                    .attributes()
                    .map(|a| (a.name().to_owned(), a.value().to_owned()))
                    .collect(),
            });
        }
        collect(child, path, labels);
        if value.is_some() {
            path.pop();
        }
    }
}
