//! Who made an annotation, as the server asks it of an import.

use std::collections::BTreeMap;

use super::{Consequence, Given, RegionFault};

/// The members of the server's organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Their ids, by their email addresses.
    pub ids: BTreeMap<String, i64>,
}

impl Members {
    fn has(&self, id: i128) -> bool {
        self.ids.values().any(|known| i128::from(*known) == id)
    }
}

/// What is wrong with an annotation's `completed_by`: it is to be a member's id or `{"email": ...}`, or nothing, which
/// stands for whoever imports. Without members, only what no server takes is a fault.
///
/// `true` is one: to Python it is the number 1, and the annotation would be that member's.
#[must_use]
pub fn fault<'g>(
    annotation: impl Into<Given<'g>>,
    members: Option<&Members>,
) -> Option<RegionFault> {
    let annotation = annotation.into();
    let given = annotation.get("completed_by")?;
    let message = match given {
        Given::Null => return None,
        Given::Whole(id) if members.is_none_or(|members| members.has(*id)) => return None,
        Given::Object(_) => match given.get("email") {
            None => "It's expected to have 'email' field in 'completed_by' data in annotations"
                .to_owned(),
            Some(Given::Text(email))
                if members.is_none_or(|members| members.ids.contains_key(&**email)) =>
            {
                return None;
            }
            Some(email) => format!("Unknown annotator's email {}", email.shown()),
        },
        other => format!(
            "Import data contains completed_by={} which is not a valid annotator's email or ID",
            other.shown()
        ),
    };
    let help = match (given, members) {
        (Given::Object(_), Some(members)) => given
            .get("email")
            .and_then(Given::text)
            .and_then(|email| super::near::nearest(email, members.ids.keys().map(String::as_str)))
            .map(|near| format!("did you mean `{near}`?")),
        (Given::Text(email), _) if email.contains('@') => {
            Some(format!("write `{{\"email\": \"{email}\"}}`"))
        }
        _ => None,
    };
    let help = help.or_else(|| {
        let which = "a member's id or {\"email\": \"...\"}; without it, the annotation is the importing user's";
        Some(format!("`completed_by` is {which}"))
    });
    let fault = RegionFault::new(None, Some("completed_by"), message);
    Some(fault.help(help).with(Consequence::Refused))
}
