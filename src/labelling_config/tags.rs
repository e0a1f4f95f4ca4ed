//! Which tags show data, which ask for something, and what there is to choose: as the SDK's `LabelInterface` has it
//! (`label_interface/interface.py` of label-studio-sdk 2.1.2, `parse`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use roxmltree::Node;

use super::xml::{attribute, attributes, clark};
use super::{Control, DataKey, Label, LabellingConfig, Tag};

/// Tags with a name and `toName` that ask for nothing all the same: `_NOT_CONTROL_TAGS` of
/// `label_interface/control_tags.py`.
const NOT_CONTROLS: [&str; 1] = ["Filter"];

/// Tags that are something to choose: `_LABEL_TAGS` of `label_interface/label_tags.py`.
const LABELS: [&str; 3] = ["Label", "Choice", "Relation"];

/// Tags that ask about themselves, and the control that each is (`_SELF_REFERENCING_TAGS` of `LabelInterface.parse`,
/// lower case): whichever of the two sides the config does not have is made up.
const ABOUT_THEMSELVES: [(&str, &str); 2] = [("chat", "ChatMessage"), ("reactcode", "ReactCode")];

/// What a tag is. The first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has a name and `toName`.
    Control,
    /// It has a name, and a `value` or a `valueList`.
    Object,
    /// It has a name, and asks about itself.
    AboutItself,
    /// It is something to choose.
    Label,
}

/// What a node is, if it is anything. An empty attribute is none.
pub(super) fn role(node: Node<'_, '_>) -> Option<Role> {
    if !node.is_element() {
        return None;
    }
    let tag = clark(node);
    let has = |name| attribute(node, name).is_some_and(|value| !value.is_empty());
    if has("name") && has("toName") && !NOT_CONTROLS.contains(&tag.as_str()) {
        Some(Role::Control)
    } else if has("name") && (has("value") || has("valueList")) {
        Some(Role::Object)
    } else if has("name") && about_itself(&tag).is_some() {
        Some(Role::AboutItself)
    } else if LABELS.contains(&tag.as_str()) {
        Some(Role::Label)
    } else {
        None
    }
}

fn about_itself(tag: &str) -> Option<&'static str> {
    let tag = tag.to_lowercase();
    ABOUT_THEMSELVES
        .iter()
        .find(|(name, _)| *name == tag)
        .map(|(_, control)| *control)
}

/// All tags of a config that has passed every check.
pub(super) fn collect(root: Node<'_, '_>) -> LabellingConfig {
    let mut found = Found::default();
    for node in root.descendants() {
        match role(node) {
            Some(Role::Control) => found.control(tag(node)),
            Some(Role::Object | Role::AboutItself) => found.object(tag(node)),
            Some(Role::Label) => found.label(node),
            None => {}
        }
        // The server looks for fields below the root only (`extract_data_types` of `core/label_config.py`).
        if node.is_element() && node != root {
            let value = attribute(node, "value").unwrap_or_default();
            if attribute(node, "name").is_some_and(|name| !name.is_empty()) {
                DataKey::add(&clark(node), value, &mut found.config.keys);
            }
        }
    }
    complete(&mut found.config);
    found.config
}

/// What was found so far, and where the tags and labels of each name stand in it. Where two have the same name, which
/// the check of names rarely lets through, the later counts, in the place of the earlier.
#[derive(Default)]
struct Found {
    config: LabellingConfig,
    objects: HashMap<String, usize>,
    controls: HashMap<String, usize>,
    /// By the place of the control and the value.
    labels: HashMap<(usize, String), usize>,
}

impl Found {
    fn object(&mut self, tag: Tag) {
        let objects = &mut self.config.objects;
        match self.objects.entry(tag.name.clone()) {
            Entry::Occupied(known) => objects[*known.get()] = tag,
            Entry::Vacant(new) => {
                new.insert(objects.len());
                objects.push(tag);
            }
        }
    }

    fn control(&mut self, tag: Tag) {
        let to_names = tag.attribute("toName").unwrap_or_default().split(',');
        let to_names = to_names.map(str::to_owned).collect();
        let controls = &mut self.config.controls;
        match self.controls.entry(tag.name.clone()) {
            Entry::Occupied(known) => {
                let known = &mut controls[*known.get()];
                (known.tag, known.to_names) = (tag, to_names);
            }
            Entry::Vacant(new) => {
                new.insert(controls.len());
                controls.push(Control {
                    tag,
                    to_names,
                    labels: Vec::new(),
                });
            }
        }
    }

    /// Puts a label to its control: the nearest tag above that is one.
    fn label(&mut self, node: Node<'_, '_>) {
        let Some(value) = said(node) else { return };
        let mut path = vec![value.to_owned()];
        for above in node.ancestors().skip(1) {
            let name = attribute(above, "name");
            if let Some(&control) = name.and_then(|name| self.controls.get(name)) {
                path.reverse();
                let label = Label {
                    value: value.to_owned(),
                    path,
                    attributes: tag(node).attributes,
                };
                let labels = &mut self.config.controls[control].labels;
                match self.labels.entry((control, value.to_owned())) {
                    Entry::Occupied(known) => labels[*known.get()] = label,
                    Entry::Vacant(new) => {
                        new.insert(labels.len());
                        labels.push(label);
                    }
                }
                return;
            }
            if role(above) == Some(Role::Label) {
                path.extend(said(above).map(str::to_owned));
            }
        }
    }
}

/// Gives the tags that ask about themselves the side they lack: objects first, in order, then controls.
fn complete(config: &mut LabellingConfig) {
    let controls = config.controls.len();
    for at in 0..config.objects.len() {
        let object = &config.objects[at];
        if let Some(control) = about_itself(&object.tag)
            && config.control(&object.name).is_none()
        {
            let name = object.name.clone();
            let attributes = ["name", "toName"].map(|key| (key.to_owned(), name.clone()));
            config.controls.push(Control {
                tag: Tag {
                    tag: control.to_owned(),
                    name: name.clone(),
                    attributes: attributes.into(),
                },
                to_names: vec![name],
                labels: Vec::new(),
            });
        }
    }
    for at in 0..controls {
        let control = &config.controls[at].tag;
        if about_itself(&control.tag).is_some() && config.object(&control.name).is_none() {
            config.objects.push(control.clone());
        }
    }
}

fn tag(node: Node<'_, '_>) -> Tag {
    Tag {
        tag: clark(node),
        name: attribute(node, "name").unwrap_or_default().to_owned(),
        attributes: attributes(node)
            .map(|(name, value, _)| (name, value.to_owned()))
            .collect(),
    }
}

/// What a region says to choose a label: its alias, unless that is empty, or its value.
fn said<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    attribute(node, "alias")
        .filter(|alias| !alias.is_empty())
        .or_else(|| attribute(node, "value"))
}
