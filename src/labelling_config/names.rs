//! Names: each stands once, and every `toName` names something.
//!
//! The server looks for both with regular expressions, `name="([^"]*)"` and `toName="([^"]*)"`, in the config as
//! Python's ElementTree writes it (`core/label_config.py`, `validate_label_config`). So attributes whose names only end
//! in `name` count (`toname`, `a:name`), as does text that looks like one; comments do not, and single quotes make no
//! difference. The same is done here.

use std::collections::{BTreeSet, HashMap};

use roxmltree::{Node, NodeType};

use super::xml::{Refusal, attributes, clark};

/// How many names a reason lists.
const MOST_LISTED: usize = 10;

/// Checks the names of a config.
pub(super) fn check(root: Node<'_, '_>) -> Result<(), Refusal> {
    let written = Written::of(root);
    let mut names: HashMap<&str, bool> = HashMap::new();
    for found in written.quoted("name=\"") {
        if let Some(plain) = names.insert(found.value, found.plain) {
            let why = if plain && found.plain {
                "names must be unique"
            } else {
                "Label Studio counts each `name=\"...\"`, in other attributes and in text too"
            };
            return Err(Refusal::new(
                found.at,
                format!("the name \"{}\" stands twice: {why}", found.value),
            ));
        }
    }
    for found in written.quoted("toName=\"") {
        for to_name in found.value.split(',') {
            if !names.contains_key(to_name) {
                return Err(Refusal::new(found.at, unknown(to_name, &names)));
            }
        }
    }
    Ok(())
}

fn unknown(to_name: &str, names: &HashMap<&str, bool>) -> String {
    let names: BTreeSet<_> = names.keys().copied().collect();
    if names.contains(to_name.trim()) {
        return format!(
            "toName \"{to_name}\" is no tag's name: write it without the space, which Label Studio keeps"
        );
    }
    let listed: Vec<_> = names
        .iter()
        .take(MOST_LISTED)
        .map(|name| format!("\"{name}\""))
        .collect();
    let more = match names.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match listed.as_slice() {
        [] => format!("toName \"{to_name}\" is no tag's name: there are none"),
        _ => format!(
            "toName \"{to_name}\" is no tag's name: there are {}{more}",
            listed.join(", ")
        ),
    }
}

/// A config as ElementTree writes it, and where each part of it comes from.
#[derive(Default)]
struct Written {
    text: String,
    /// Where a part starts here, where it stands in the config, and whether it is an attribute called `name` or
    /// `toName`.
    parts: Vec<(usize, usize, bool)>,
}

/// Something between quotes.
struct Quoted<'a> {
    value: &'a str,
    /// Where it stands in the config.
    at: usize,
    /// It is a tag's name, or its `toName`.
    plain: bool,
}

impl Written {
    fn of(root: Node<'_, '_>) -> Written {
        let mut written = Written::default();
        let mut prefixes = Vec::new();
        // Tags are nested no deeper than the reader of the XML allows.
        written.tag(root, &mut prefixes);
        written
    }

    fn tag(&mut self, node: Node<'_, '_>, prefixes: &mut Vec<String>) {
        let tag = prefixed(&clark(node), prefixes);
        self.text.push('<');
        self.text.push_str(&tag);
        for (name, value, at) in attributes(node) {
            let plain = matches!(name.as_str(), "name" | "toName");
            self.parts.push((self.text.len(), at, plain));
            self.text.push(' ');
            self.text.push_str(&prefixed(&name, prefixes));
            self.text.push_str("=\"");
            for c in value.chars() {
                match c {
                    '"' => self.text.push_str("&quot;"),
                    '\r' => self.text.push_str("&#13;"),
                    '\n' => self.text.push_str("&#10;"),
                    '\t' => self.text.push_str("&#09;"),
                    c => self.escaped(c),
                }
            }
            self.text.push('"');
        }
        let counts = |child: &Node<'_, '_>| {
            child.is_element() || child.text().is_some_and(|text| !text.is_empty())
        };
        let inside = |child: &Node<'_, '_>| {
            matches!(child.node_type(), NodeType::Element | NodeType::Text) && counts(child)
        };
        if !node.children().any(|child| inside(&child)) {
            self.text.push_str(" />");
            return;
        }
        self.text.push('>');
        for child in node.children().filter(inside) {
            if child.is_element() {
                self.tag(child, prefixes);
            } else {
                let text = child.text().unwrap_or_default();
                self.parts
                    .push((self.text.len(), child.range().start, false));
                text.chars().for_each(|c| self.escaped(c));
            }
        }
        self.text.push_str("</");
        self.text.push_str(&tag);
        self.text.push('>');
    }

    fn escaped(&mut self, c: char) {
        match c {
            '&' => self.text.push_str("&amp;"),
            '<' => self.text.push_str("&lt;"),
            '>' => self.text.push_str("&gt;"),
            c => self.text.push(c),
        }
    }

    /// What stands after each `opening` up to the next quote, in order and without overlap, as `re.findall` has it.
    fn quoted<'a>(&'a self, opening: &'a str) -> impl Iterator<Item = Quoted<'a>> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let start = from + self.text[from..].find(opening)?;
            let value = start + opening.len();
            let end = value + self.text[value..].find('"')?;
            from = end + 1;
            let part = self.parts.partition_point(|(at, ..)| *at <= start);
            let (at, plain) = match part.checked_sub(1).and_then(|part| self.parts.get(part)) {
                // An attribute is written after a space, and is all there is to it.
                Some(&(begin, at, plain)) => (at, plain && begin + 1 == start),
                None => (0, false),
            };
            Some(Quoted {
                value: &self.text[value..end],
                at,
                plain,
            })
        })
    }
}

/// A name with its namespace's prefix, which ElementTree makes up: `ns0` and so on.
fn prefixed(name: &str, prefixes: &mut Vec<String>) -> String {
    let Some((namespace, local)) = name
        .strip_prefix('{')
        .and_then(|name| name.rsplit_once('}'))
    else {
        return name.to_owned();
    };
    let at = prefixes
        .iter()
        .position(|known| known == namespace)
        .unwrap_or_else(|| {
            prefixes.push(namespace.to_owned());
            prefixes.len() - 1
        });
    format!("ns{at}:{local}")
}
