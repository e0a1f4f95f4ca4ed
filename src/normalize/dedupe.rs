//! `--dedupe`: by what two records are taken for one.

use crate::decode::scan::{data_of, members};
use crate::decode::watch::is_key;

/// By what two records are taken for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dedupe {
    /// By all of their data, byte for byte as it stands in the task.
    Content,
    /// By one field of it. Records without it, or with `null` in it, are never taken for others.
    Field(String),
}

impl Dedupe {
    /// What `--dedupe` asks for: `content`, or a field's name in the task.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "content" => Dedupe::Content,
            field => Dedupe::Field(field.to_owned()),
        }
    }

    /// What stands for a task, which has been checked: 128 bits of a cryptographic hash, so that no two different ones
    /// are taken for one, even if somebody tries.
    #[must_use]
    pub fn hash(&self, task: &str) -> Option<u128> {
        let data = data_of(task)?;
        let Dedupe::Field(field) = self else {
            return Some(hash(data));
        };
        let mut found = None;
        members(data, |key, value| {
            if is_key(key.as_bytes(), field) {
                found = Some(value);
            }
        })
        .ok()?;
        match found? {
            "null" => None,
            // One text can be written in several ways.
            escaped if escaped.starts_with('"') && escaped.contains('\\') => {
                let text: String = serde_json::from_str(escaped).ok()?;
                serde_json::to_string(&text).ok().map(|text| hash(&text))
            }
            value => Some(hash(value)),
        }
    }
}

fn hash(text: &str) -> u128 {
    let hash = blake3::hash(text.as_bytes());
    hash.as_bytes()
        .first_chunk()
        .map_or(0, |half| u128::from_le_bytes(*half))
}
