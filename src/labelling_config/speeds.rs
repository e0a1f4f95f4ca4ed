//! How fast a `Video` may play: the only attributes whose values Label Studio checks
//! (`label_interface/object_tags.py` of label-studio-sdk 2.1.2, `VideoTag.validate_config`).

use roxmltree::Node;

use super::python::float;
use super::tags::{Role, role};
use super::xml::{Refusal, attribute, clark, place_of};

/// The slowest and the fastest, as Label Studio has them.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.05..=10.0;

const DEFAULT: &str = "defaultPlaybackSpeed";
const LEAST: &str = "minPlaybackSpeed";

/// Checks each tag of a config that is a `Video`, in any case, and shows something.
pub(super) fn check(root: Node<'_, '_>) -> Result<(), Refusal> {
    root.descendants()
        .filter(|node| {
            role(*node) == Some(Role::Object) && clark(*node).eq_ignore_ascii_case("video")
        })
        .try_for_each(video)
}

fn video(node: Node<'_, '_>) -> Result<(), Refusal> {
    let (default, least) = (speed(node, DEFAULT)?, speed(node, LEAST)?);
    match (default, least) {
        (Some(default), Some(least)) if least > default => Err(Refusal::new(
            place(node, LEAST),
            format!(
                "`{LEAST}` of a `Video` is {least}, which is more than its `{DEFAULT}`, {default}"
            ),
        )),
        _ => Ok(()),
    }
}

/// A speed, if it is given: under its name, or under its name in lower case.
fn speed(node: Node<'_, '_>, name: &str) -> Result<Option<f64>, Refusal> {
    let given = attribute(node, name).or_else(|| attribute(node, &name.to_lowercase()));
    let Some(given) = given.filter(|given| !given.trim().is_empty()) else {
        return Ok(None);
    };
    let refused = |why: String| Refusal::new(place(node, name), why);
    match float(given) {
        None => Err(refused(format!(
            "`{name}` of a `Video` is \"{given}\": it must be a number"
        ))),
        Some(speed) if !SPEEDS.contains(&speed) => Err(refused(format!(
            "`{name}` of a `Video` is {speed}: it must be from {} to {}",
            SPEEDS.start(),
            SPEEDS.end()
        ))),
        speed => Ok(speed),
    }
}

fn place(node: Node<'_, '_>, name: &str) -> usize {
    if attribute(node, name).is_some() {
        place_of(node, name)
    } else {
        place_of(node, &name.to_lowercase())
    }
}
