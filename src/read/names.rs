//! Column names, kept apart where a source repeats one.

use std::collections::{HashMap, HashSet};

/// The same names, in the same order, with repeated ones kept apart: the second `a` becomes `a.1`, the third `a.2`, and
/// so on, passing over numbers that make a name some other column already has. A name that is not repeated, even an
/// empty one, stays as it is. Takes time in proportion to the names.
#[must_use]
pub fn unique(mut names: Vec<String>) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::with_capacity(names.len());
    let repeated: Vec<usize> = (0..names.len())
        .filter(|i| !taken.insert(names[*i].clone()))
        .collect();
    // The number last given to each name: without it a name repeated n times would take n² steps.
    let mut last: HashMap<String, usize> = HashMap::new();
    for index in repeated {
        let number = last.entry(names[index].clone()).or_default();
        loop {
            *number += 1;
            let name = format!("{}.{number}", names[index]);
            if taken.insert(name.clone()) {
                names[index] = name;
                break;
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::unique;

    fn of(names: &[&str]) -> Vec<String> {
        unique(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn repeated_names_are_numbered() {
        assert_eq!(of(&["a", "b", "a", "a"]), ["a", "b", "a.1", "a.2"]);
        assert_eq!(of(&["", "x"]), ["", "x"]);
        assert_eq!(of(&["", ""]), ["", ".1"]);
        assert_eq!(of(&[]), [""; 0]);
    }

    #[test]
    fn a_number_never_makes_a_name_that_exists() {
        assert_eq!(of(&["a", "a.1", "a"]), ["a", "a.1", "a.2"]);
        assert_eq!(of(&["a", "a", "a.1"]), ["a", "a.2", "a.1"]);
        assert_eq!(of(&["a", "a", "a.1", "a.1"]), ["a", "a.2", "a.1", "a.1.1"]);
    }

    #[test]
    fn a_hundred_thousand_equal_names_take_no_time() {
        let names = unique(vec!["x".to_owned(); 100_000]);
        assert_eq!(names[99_999], "x.99999");
    }
}
