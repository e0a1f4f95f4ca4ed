//! What Label Studio's JSON schema asks of a config: `core/label_config_schema.json` of Label Studio 1.23.2, applied to
//! the config as xmljson's BadgerFish convention has it.
//!
//! The schema knows a few tags, and those only where `View`s alone stand between them and the root, which must be a
//! `View` itself. Everything else passes.

use roxmltree::Node;

use super::python::{Guess, guess};
use super::xml::{Refusal, attribute, clark, place_of};

/// Checks a config. The root is only looked at if it is a `View`.
pub(super) fn check(root: Node<'_, '_>) -> Result<(), Refusal> {
    if clark(root) == "View" {
        view(root, Depth::Root)
    } else {
        Ok(())
    }
}

/// Where a `View` stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// It is the root: a bare `Label` or `Choice` in it is not looked at.
    Root,
    /// Only `View`s are above it.
    InView,
    /// It is in a `Choices` or `Labels`: there a single `Choice` is not made a list of one before the check.
    InControl,
}

fn view(node: Node<'_, '_>, depth: Depth) -> Result<(), Refusal> {
    let made_lists = depth != Depth::InControl && choices_are_made_lists(node);
    for child in node.children().filter(Node::is_element) {
        match clark(child).as_str() {
            "Labels" => labels(child)?,
            "Choices" => choices(child, made_lists)?,
            "Label" | "Choice" if depth != Depth::Root => with_value(child)?,
            "Image" | "Text" | "HyperText" => shown(child)?,
            "TextArea" | "Number" => asks(child)?,
            "View" if depth == Depth::InControl => view(child, Depth::InControl)?,
            "View" => view(child, Depth::InView)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether the server makes the single `Choice` of each `Choices` in a `View` a list: its `_fix_choices` does so for a
/// `Choices` that has no other beside it, and for several if each has a `Choice`.
fn choices_are_made_lists(view: Node<'_, '_>) -> bool {
    children(view, "Choices").all(|choices| children(choices, "Choice").next().is_some())
}

/// `Choices`: a name, `toName`, and something to choose from.
fn choices(node: Node<'_, '_>, made_list: bool) -> Result<(), Refusal> {
    asks(node)?;
    something_inside(node, "Choice")?;
    if !made_list && children(node, "Choice").count() == 1 {
        return Err(Refusal::new(
            node.range().start,
            "`Choices` has a single `Choice`, which Label Studio takes only if each `Choices` beside it has one too \
             and all of them stand in `View`s",
        ));
    }
    children(node, "Choice").try_for_each(with_value)?;
    children(node, "View").try_for_each(|child| view(child, Depth::InControl))
}

/// `Labels`: the same with `Label`, of which one will do.
fn labels(node: Node<'_, '_>) -> Result<(), Refusal> {
    asks(node)?;
    something_inside(node, "Label")?;
    children(node, "Label").try_for_each(with_value)?;
    children(node, "View").try_for_each(|child| view(child, Depth::InControl))
}

fn something_inside(node: Node<'_, '_>, item: &str) -> Result<(), Refusal> {
    let has = |tag| children(node, tag).next().is_some();
    if attribute(node, "value").is_some() || has(item) || has("View") {
        return Ok(());
    }
    Err(Refusal::new(
        node.range().start,
        format!(
            "`{}` needs a `{item}`, a `View` or a `value`, it has none",
            clark(node)
        ),
    ))
}

/// `TextArea`, `Number` and all that ask for something: a name and `toName`, which do not read as numbers.
fn asks(node: Node<'_, '_>) -> Result<(), Refusal> {
    for name in ["name", "toName"] {
        if attribute(node, name).is_none() {
            return Err(needs(node, name));
        }
    }
    for name in ["name", "toName"] {
        let value = attribute(node, name).unwrap_or_default();
        is_text(value, &format!("`{name}`"), || place_of(node, name))?;
    }
    text_is_text(node)
}

/// `Image`, `Text`, `HyperText`: a name, and one of `value` and `valueList`.
fn shown(node: Node<'_, '_>) -> Result<(), Refusal> {
    let has = |name| attribute(node, name).is_some();
    if !has("name") {
        return Err(needs(node, "name"));
    }
    match (has("value"), has("valueList")) {
        (false, false) => Err(Refusal::new(
            node.range().start,
            format!(
                "`{}` needs a `value` or a `valueList`, it has neither",
                clark(node)
            ),
        )),
        (true, true) => Err(Refusal::new(
            place_of(node, "valueList"),
            format!(
                "`{}` has both `value` and `valueList`: only one may stand",
                clark(node)
            ),
        )),
        _ => text_is_text(node),
    }
}

/// `Label`, `Choice`: a value, whatever it reads as.
fn with_value(node: Node<'_, '_>) -> Result<(), Refusal> {
    if attribute(node, "value").is_none() {
        return Err(needs(node, "value"));
    }
    text_is_text(node)
}

/// The text before the first tag inside must not read as a number. Comments and the like are not there for the server.
fn text_is_text(node: Node<'_, '_>) -> Result<(), Refusal> {
    let texts = || {
        node.children()
            .take_while(|child| !child.is_element())
            .filter(Node::is_text)
    };
    let text: String = texts().filter_map(|node| node.text()).collect();
    is_text(&text, &format!("the text in `{}`", clark(node)), || {
        texts().next().map_or(0, |text| text.range().start)
    })
}

fn is_text(value: &str, what: &str, at: impl FnOnce() -> usize) -> Result<(), Refusal> {
    let read = match guess(value) {
        Guess::Text => return Ok(()),
        Guess::Boolean => "a boolean",
        Guess::Number => "a number",
    };
    Err(Refusal::new(
        at(),
        format!(
            "{what} is \"{}\", which Label Studio reads as {read}: it must be text",
            value.trim()
        ),
    ))
}

fn needs(node: Node<'_, '_>, name: &str) -> Refusal {
    Refusal::new(
        node.range().start,
        format!("`{}` needs a `{name}`, it has none", clark(node)),
    )
}

fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    tag: &'a str,
) -> impl Iterator<Item = Node<'a, 'i>> + 'a {
    node.children()
        .filter(move |child| child.is_element() && clark(*child) == tag)
}
