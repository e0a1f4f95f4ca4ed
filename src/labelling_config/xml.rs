//! The XML of a labelling config, refused where either of Label Studio's two readers refuses it.
//!
//! Label Studio 1.23.2 reads a config with expat (through defusedxml, which forbids a DTD and so every entity but XML's
//! own five) and then again with libxml2 (through lxml). A config must pass both; roxmltree is as strict as they are
//! but for what is checked here. Known to differ: a few rare letters in the names of tags that XML has had since its
//! fifth edition only (expat keeps to the fourth), and texts of over 10,000,000 bytes, which libxml2 refuses.

use roxmltree::{Document, Error, Node};

use super::ConfigFault;

/// How deep tags may be nested: libxml2's `xmlParserMaxDepth` without `XML_PARSE_HUGE`.
const DEEPEST: usize = 256;

/// How deep `View` may be nested in `View` from the root on: one more, and the server's check of the schema runs out of
/// Python's stack (tried on `validate_label_config`).
const DEEPEST_VIEWS: usize = 124;

/// What XML takes for space.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Something in the config that Label Studio refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Where it stands: a byte of the text.
    at: usize,
    reason: String,
}

impl Refusal {
    pub(super) fn new(at: usize, reason: impl Into<String>) -> Self {
        Refusal {
            at,
            reason: reason.into(),
        }
    }

    /// The same with line and column.
    pub(super) fn in_text(self, text: &str) -> ConfigFault {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        ConfigFault {
            line: before.matches('\n').count() as u32 + 1,
            column: line.chars().count() as u32 + 1,
            reason: self.reason,
        }
    }
}

/// Reads the text of a config. `marked` says that a byte order mark stood before it.
pub(super) fn read(text: &str, marked: bool) -> Result<Document<'_>, ConfigFault> {
    declaration(text, marked).map_err(|refusal| refusal.in_text(text))?;
    let document = Document::parse(text).map_err(|error| not_xml(text, &error))?;
    let refused = no_character(text)
        .or_else(|| document.descendants().find_map(|node| odd(text, node)))
        .or_else(|| too_deep(&document));
    match refused {
        Some(refusal) => Err(refusal.in_text(text)),
        None => Ok(document),
    }
}

/// Checks `<?xml version="1.0"?>`: lxml takes no text that declares an encoding, for it is decoded already. It does not
/// see the declaration after a byte order mark.
fn declaration(text: &str, marked: bool) -> Result<(), Refusal> {
    let Some((inside, _)) = text
        .strip_prefix("<?xml")
        .filter(|rest| rest.starts_with(SPACES) || rest.starts_with("?>"))
        .and_then(|rest| rest.split_once("?>"))
    else {
        return Ok(());
    };
    let refused = |reason: &str| Err(Refusal::new(0, reason));
    let mut rest = inside.trim();
    let mut known = ["version", "encoding", "standalone"].iter();
    if !rest.starts_with("version") {
        return refused("the XML declaration names no version");
    }
    while !rest.is_empty() {
        let pair = rest.split_once('=').and_then(|(name, value)| {
            let value = value.trim_start();
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, rest) = value[1..].split_once(quote)?;
            Some((name.trim_end(), value, rest))
        });
        let Some((name, value, after)) = pair.filter(|(name, ..)| known.any(|word| word == name))
        else {
            return refused("the XML declaration is not well-formed");
        };
        match name {
            "version" if !one_point(value) => {
                return refused("the XML declaration has a version other than 1.0");
            }
            "encoding" if !marked => {
                return refused(
                    "the XML declaration names an encoding, which Label Studio refuses: leave `encoding` out",
                );
            }
            "standalone" if !matches!(value, "yes" | "no") => {
                return refused("`standalone` in the XML declaration is neither `yes` nor `no`");
            }
            _ => {}
        }
        rest = after.trim_start();
    }
    Ok(())
}

/// Whether a version is 1.0, 1.1 or the like: libxml2 reads on for any 1.x.
fn one_point(version: &str) -> bool {
    version
        .strip_prefix("1.")
        .is_some_and(|minor| minor.bytes().all(|b| b.is_ascii_digit()))
}

/// What in a node one of the readers refuses though roxmltree does not.
fn odd(text: &str, node: Node<'_, '_>) -> Option<Refusal> {
    let at = node.range().start;
    if let Some(pi) = node.pi() {
        return odd_instruction(text, node, pi);
    }
    if !node.is_element() {
        return None;
    }
    // Names as expat's own tables have them, and no colon but between two names.
    let names = node.attributes().map(|attribute| attribute.range_qname());
    let tag = at + 1;
    let end = text[tag..].find(|c: char| c.is_whitespace() || matches!(c, '/' | '>'));
    for range in std::iter::once(tag..tag + end.unwrap_or_default()).chain(names) {
        let name = &text[range.clone()];
        if name.chars().any(not_in_names) || name.starts_with(':') || name.ends_with(':') {
            return Some(Refusal::new(
                range.start,
                format!("the labelling config is not XML: `{name}` is no name"),
            ));
        }
    }
    // Prefixes: XML 1.0 knows no way to take one back, and `xmlns` is none. An undeclared one is that of a tag above.
    let above = node.parent_element();
    let declared = node.namespaces().find(|namespace| {
        let known = above.is_some_and(|above| above.namespaces().any(|known| known == *namespace));
        !known
            && namespace
                .name()
                .is_some_and(|name| namespace.uri().is_empty() || name == "xmlns")
    });
    if let Some(prefix) = declared.and_then(roxmltree::Namespace::name) {
        return Some(Refusal::new(
            at,
            format!("the labelling config is not XML: the prefix `{prefix}` cannot be declared so"),
        ));
    }
    // The server looks for comments by this tag, to remove them with a method that its tags do not have.
    (clark(node) == "comment" && node.parent_element().is_some()).then(|| {
        Refusal::new(
            at,
            "Label Studio fails at a tag called `comment`: write `<!-- ... -->`",
        )
    })
}

/// Whether a character stands in no name though roxmltree, which goes by XML's fifth edition, lets it: the letters of
/// the fourth edition, which expat keeps to, end with the Han and the Hangul of Unicode 2.0.
fn not_in_names(c: char) -> bool {
    c > '\u{9fa5}' && !('\u{ac00}'..='\u{d7a3}').contains(&c)
}

/// The same for a processing instruction.
fn odd_instruction(text: &str, node: Node<'_, '_>, pi: roxmltree::PI<'_>) -> Option<Refusal> {
    let at = node.range().start;
    let after = text.get(at + 2 + pi.target.len()..).unwrap_or_default();
    // expat takes no colon in a target, keeps `xml` in any case for the declaration at the start, and wants a space
    // after a target. (roxmltree takes a declaration for this if it has a line break where a space could be.)
    let declaration = at == 0 && pi.target == "xml";
    if pi.target.contains(':')
        || pi.target.eq_ignore_ascii_case("xml") && !declaration
        || !after.starts_with(SPACES) && !after.starts_with("?>")
    {
        let reason = format!(
            "the labelling config is not XML: `<?{}` cannot stand here",
            pi.target
        );
        return Some(Refusal::new(at, reason));
    }
    // The SDK takes a processing instruction for a tag, lxml gives it attributes, and it has no tag to look up.
    let inside = node.parent().is_some_and(|above| above.is_element());
    (inside && pi.value.is_some_and(names_itself)).then(|| {
        let reason = format!(
            "Label Studio fails at a processing instruction with a name: remove `<?{}`",
            pi.target
        );
        Refusal::new(at, reason)
    })
}

/// A reference to a character that is none, such as `&#xD800;`, for which roxmltree puts U+FFFD.
fn no_character(text: &str) -> Option<Refusal> {
    // What has no references in it, and how it ends. `<` stands in no attribute.
    const SKIPPED: [(&str, &str); 3] = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
    let mut at = 0;
    while let Some(next) = text[at..].find(['<', '&']) {
        at += next;
        let rest = &text[at..];
        if let Some((_, end)) = SKIPPED.iter().find(|(start, _)| rest.starts_with(start)) {
            at += rest.find(end)?;
        } else if let Some(number) = rest.strip_prefix("&#") {
            let number = number.split(';').next().unwrap_or_default();
            let read = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            if read.ok().and_then(char::from_u32).is_none() {
                let reason =
                    format!("the labelling config is not XML: `&#{number};` is no character");
                return Some(Refusal::new(at, reason));
            }
        }
        at += 1;
    }
    None
}

/// Whether the text of a processing instruction has `name="..."`.
fn names_itself(text: &str) -> bool {
    text.match_indices("name").any(|(at, word)| {
        let value = || {
            let value = text[at + word.len()..].trim_start().strip_prefix('=')?;
            let value = value.trim_start();
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            value[1..].split_once(quote).map(|(name, _)| name)
        };
        (at == 0 || text[..at].ends_with(char::is_whitespace))
            && value().is_some_and(|v| !v.is_empty())
    })
}

fn too_deep(document: &Document<'_>) -> Option<Refusal> {
    // Of each open tag: where it ends, and how many `View`s there are from the root to it, if nothing else is between.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for node in document.descendants().filter(Node::is_element) {
        let range = node.range();
        while open.last().is_some_and(|(end, _)| *end <= range.start) {
            open.pop();
        }
        let views = match open.last() {
            _ if clark(node) != "View" => 0,
            None => 1,
            Some((_, 0)) => 0,
            Some((_, views)) => views + 1,
        };
        open.push((range.end, views));
        let most = if views > DEEPEST_VIEWS {
            DEEPEST_VIEWS
        } else if open.len() > DEEPEST {
            DEEPEST
        } else {
            continue;
        };
        let what = if views > 0 { "`View`s" } else { "tags" };
        return Some(Refusal::new(
            range.start,
            format!("{what} are nested more than {most} deep, which Label Studio does not read"),
        ));
    }
    None
}

/// The fault that roxmltree found, in words that help, and where it is.
fn not_xml(text: &str, error: &Error) -> ConfigFault {
    let what = match error {
        Error::UnclosedRootNode | Error::UnexpectedEndOfStream => {
            let reason = "the labelling config is not XML: it ends before all its tags are closed";
            return Refusal::new(text.len(), reason).in_text(text);
        }
        Error::NoRootNode => {
            return Refusal::new(text.len(), "the labelling config has no tag").in_text(text);
        }
        Error::DtdDetected => {
            let at = text.find("<!DOCTYPE").unwrap_or_default();
            return Refusal::new(at, "a `<!DOCTYPE` is not allowed in a labelling config")
                .in_text(text);
        }
        Error::UnexpectedCloseTag(open, close, _) if open.is_empty() => {
            format!("`</{close}>` closes no tag")
        }
        Error::UnexpectedCloseTag(open, close, at) => {
            // As the server's parser has it, at the name.
            return ConfigFault {
                line: at.row,
                column: at.col + 2,
                reason: format!(
                    "the labelling config is not XML: `</{close}>` stands where `<{open}>` should be closed"
                ),
            };
        }
        Error::UnknownEntityReference(name, _) => {
            format!("`&{name};` is no entity of XML: write the character itself")
        }
        Error::MalformedEntityReference(_) => "a lone `&`: write `&amp;`".to_owned(),
        Error::InvalidAttributeValue(_) => "`<` in an attribute: write `&lt;`".to_owned(),
        Error::DuplicatedAttribute(name, _) => format!("the attribute `{name}` stands twice"),
        Error::UnknownNamespace(prefix, _) => format!("the prefix `{prefix}` is not declared"),
        other => {
            let said = other.to_string();
            said.replace(&format!(" at {}", other.pos()), "")
        }
    };
    ConfigFault {
        line: error.pos().row,
        column: error.pos().col,
        reason: format!("the labelling config is not XML: {what}"),
    }
}

/// The name of a tag as Python's readers write it: with its namespace in braces, if it has one.
pub(super) fn clark(node: Node<'_, '_>) -> String {
    braced(node.tag_name().namespace(), node.tag_name().name())
}

/// The attributes of a tag, named as [`clark`] names tags, and where each stands.
pub(super) fn attributes<'a>(
    node: Node<'a, '_>,
) -> impl Iterator<Item = (String, &'a str, usize)> + 'a {
    node.attributes().map(|attribute| {
        let name = braced(attribute.namespace(), attribute.name());
        (name, attribute.value(), attribute.range().start)
    })
}

/// An attribute without a namespace.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes()
        .find(|attribute| attribute.namespace().is_none() && attribute.name() == name)
        .map(|attribute| attribute.value())
}

/// Where an attribute stands, or else its tag.
pub(super) fn place_of(node: Node<'_, '_>, name: &str) -> usize {
    node.attributes()
        .find(|attribute| attribute.namespace().is_none() && attribute.name() == name)
        .map_or(node.range().start, |attribute| attribute.range().start)
}

fn braced(namespace: Option<&str>, name: &str) -> String {
    // `xmlns=""` takes a tag out of its namespace.
    match namespace.filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => format!("{{{namespace}}}{name}"),
        None => name.to_owned(),
    }
}
