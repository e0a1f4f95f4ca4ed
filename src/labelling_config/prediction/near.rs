//! Which of the names there are was meant.

/// The name nearest to the one that was given, if one is near: alike but for case or a few letters.
#[must_use]
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let wanted: Vec<char> = given.chars().take(LONGEST + 1).collect();
    if wanted.is_empty() || wanted.len() > LONGEST {
        return None;
    }
    let wanted: Vec<char> = wanted.iter().flat_map(|c| c.to_lowercase()).collect();
    let most = wanted.len().div_ceil(3).min(3);
    names
        .filter_map(|name| {
            let letters: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
            if letters.len().abs_diff(wanted.len()) > most {
                return None;
            }
            let steps = steps(&wanted, &letters);
            (steps <= most && steps < wanted.len().max(letters.len())).then_some((steps, name))
        })
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed to make one word of the other.
fn steps(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = before + usize::from(a != b);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// Names in a sentence: "`a`, `b` and 3 more".
#[must_use]
pub fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<_> = names.collect();
    let shown: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
