//! Relations between regions.

use super::{Given, RegionFault};

/// What is wrong with a relation; `good` are the regions that it may be between.
pub(super) fn check(
    i: usize,
    given: &Given<'_>,
    good: &[&Given<'_>],
    faults: &mut Vec<RegionFault>,
) {
    const DIRECTIONS: [&str; 3] = ["left", "right", "bi"];
    let mut fault = |field: Option<&'static str>, message: String| {
        let message = format!("Relation {i}: {message}");
        faults.push(RegionFault::new(Some(i), field, message));
    };
    for name in ["type", "direction", "from_id", "to_id"] {
        if given.get(name).is_none() {
            fault(Some(name), format!("Missing required field '{name}'"));
        }
    }
    let of = |name: &str| given.get(name).unwrap_or(&Given::Null);
    let direction = of("direction");
    if !direction
        .text()
        .is_some_and(|text| DIRECTIONS.contains(&text))
    {
        let message = format!(
            "Direction must be one of ('left', 'right', 'bi'), got '{}'",
            direction.shown()
        );
        fault(Some("direction"), message);
    }
    let unhashable = |value: &&Given<'_>| matches!(value, Given::List(_) | Given::Object(_));
    let raised = |value: &Given<'_>| {
        let kind = value.kind();
        format!("Error validating relation - unhashable type: '{kind}'")
    };
    let ids: Vec<_> = good.iter().filter_map(|region| region.get("id")).collect();
    if let Some(id) = ids.iter().copied().find(unhashable) {
        return fault(None, raised(id));
    }
    for name in ["from_id", "to_id"] {
        let id = of(name);
        if unhashable(&id) {
            return fault(None, raised(id));
        }
        if !ids.iter().any(|known| known.same(id)) {
            let shown = id.shown();
            fault(
                Some(name),
                format!("'{name}' '{shown}' not found in regions"),
            );
        }
    }
}
