//! The controls and objects that regions may name, as label-studio-sdk sees them: `Chat` and `ReactCode` are both.

use crate::labelling_config::{Control, Label, LabellingConfig, Tag};

/// A control that a region may name.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    /// The tag, as written.
    pub(super) tag: &'a str,
    /// Its name.
    pub(super) name: &'a str,
    /// What it is about.
    pub(super) to_names: Vec<&'a str>,
    /// What can be chosen.
    labels: &'a [Label],
    /// The highest rating, as written.
    pub(super) most: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn written(control: &'a Control) -> Self {
        Asked {
            tag: &control.tag.tag,
            name: &control.tag.name,
            to_names: control.to_names.iter().map(String::as_str).collect(),
            labels: &control.labels,
            most: control.tag.attribute("maxRating"),
        }
    }

    /// The tag in lower case, which is the type of its regions.
    pub(super) fn kind(&self) -> String {
        self.tag.to_lowercase()
    }

    /// Whether there is anything to choose from.
    pub(super) fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Whether this can be chosen.
    pub(super) fn has_label(&self, given: &str) -> bool {
        self.labels.iter().any(|label| label.value == given)
    }

    /// What can be chosen, each once, in order.
    pub(super) fn labels(&self) -> Vec<&'a str> {
        let mut seen = std::collections::HashSet::new();
        self.labels
            .iter()
            .map(|label| label.value.as_str())
            .filter(|value| seen.insert(*value))
            .collect()
    }
}

/// Whether a tag is its own control and object.
fn is_both(tag: &str) -> bool {
    tag.eq_ignore_ascii_case("chat") || tag.eq_ignore_ascii_case("reactcode")
}

impl LabellingConfig {
    /// All controls that regions may name.
    pub(super) fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        let written = self
            .controls
            .iter()
            .filter(|control| {
                let names = [control.tag.attribute("toName"), Some(&control.tag.name)];
                control.tag.tag != "Filter" && !names.contains(&Some(""))
            })
            .map(Asked::written);
        let both = self.objects.iter().filter(|object| {
            is_both(&object.tag) && !self.controls.iter().any(|c| c.tag.name == object.name)
        });
        written.chain(both.map(|object| Asked {
            tag: if object.tag.eq_ignore_ascii_case("chat") {
                "ChatMessage"
            } else {
                "ReactCode"
            },
            name: &object.name,
            to_names: vec![&object.name],
            labels: &[],
            most: None,
        }))
    }

    /// The names of all objects that regions may name.
    pub(super) fn shown(&self) -> impl Iterator<Item = &str> {
        let controls = self.controls.iter().map(|control| &control.tag);
        let both = controls.filter(|tag| {
            is_both(&tag.tag) && !self.objects.iter().any(|object| object.name == tag.name)
        });
        let objects = self.objects.iter().filter(|object| !object.name.is_empty());
        objects.chain(both).map(|tag| tag.name.as_str())
    }
}

impl LabellingConfig {
    /// The control whose name regions may have, to make regions of it: a `Chat` or `ReactCode` is its own.
    #[must_use]
    pub fn region_control(&self, name: &str) -> Option<Control> {
        let asked = self.asked().filter(|control| control.name == name).last()?;
        let written = self.controls.iter().rev();
        let mut written = written.filter(|control| control.tag.name == name);
        Some(written.next().cloned().unwrap_or_else(|| Control {
            tag: Tag {
                tag: asked.tag.to_owned(),
                name: name.to_owned(),
                ..Tag::default()
            },
            to_names: vec![name.to_owned()],
            labels: Vec::new(),
        }))
    }

    /// The names of all controls that regions may have.
    pub fn region_controls(&self) -> impl Iterator<Item = &str> {
        self.asked().map(|control| control.name)
    }
}
