//! What the environment says of options: `SLUICE_` and the option's name, in upper case, `_` for `-`.

use super::options::{Kind, Opt};
use super::{Origin, Setting, Surroundings};
use crate::error::{Code, Error, Result};

/// What it says of one option. A flag is `true` or `false`; an option that may be given several times has a value a line.
///
/// # Errors
/// When it is no text, or not what the option takes.
pub(super) fn setting(option: &Opt<'_>, around: &dyn Surroundings) -> Result<Option<Setting>> {
    let name = option.variable();
    let Some(value) = around.variable(&name) else {
        return Ok(None);
    };
    let wrong = |what: &str| Error::new(Code::Usage, format!("{name}: {what}"));
    let text = value
        .to_str()
        .ok_or_else(|| wrong("the value is not UTF-8"))?;
    let times = |n: usize| vec!["true".to_owned(); n];
    let values = match option.kind {
        Kind::Switch => {
            times(usize::from(boolean(text).ok_or_else(|| {
                wrong(&format!("`{text}` is neither true nor false"))
            })?))
        }
        Kind::Count => {
            let count = text.parse::<u8>().ok().or(boolean(text).map(u8::from));
            let count = count.ok_or_else(|| wrong(&format!("`{text}` is no count")))?;
            times(usize::from(count))
        }
        Kind::One => vec![text.to_owned()],
        Kind::Many => {
            let lines = text.lines().filter(|line| !line.is_empty());
            lines.map(str::to_owned).collect()
        }
    };
    Ok(Some(Setting {
        values,
        origin: Origin::Environment(name),
    }))
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}
