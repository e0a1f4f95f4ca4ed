//! Makes the names of columns unique, so that none is lost.

use std::collections::HashSet;

/// The same names, those that were there before with `.1`, `.2` and so on, as Label Studio names them; a name made up
/// so never takes one that the source itself has.
#[must_use]
pub fn unique(names: Vec<String>) -> Vec<String> {
    let given: HashSet<String> = names.iter().cloned().collect();
    let mut taken: HashSet<String> = HashSet::with_capacity(names.len());
    let mut next: std::collections::HashMap<String, u64> = std::collections::HashMap::new();
    names
        .into_iter()
        .map(|name| {
            if taken.insert(name.clone()) {
                return name;
            }
            let number = next.entry(name.clone()).or_insert(1);
            loop {
                let made = format!("{name}.{number}");
                *number += 1;
                if !given.contains(&made) && taken.insert(made.clone()) {
                    return made;
                }
            }
        })
        .collect()
}
