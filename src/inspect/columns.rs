//! What the fields of tasks hold, as far as they were looked at.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::decode::csv_types::auto;
use crate::read::column_types::ColumnType;

/// Columns that are told apart: keys that are data are not to fill the memory.
const MOST: usize = 1_000;

/// Values shown of a column.
const EXAMPLES: usize = 3;

/// Characters shown of a value.
const SHOWN: usize = 48;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// The field's name.
    pub name: String,
    /// Its type in an Arrow schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrow: Option<String>,
    /// The types of its values as they are sent, each with how many there are: text, integer, number, boolean, list,
    /// object.
    pub types: BTreeMap<&'static str, u64>,
    /// What all of its texts are that are not empty, if that is more than text: integer, number, boolean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_texts_are: Option<&'static str>,
    /// Tasks that lack it.
    pub missing: u64,
    /// Values that are null.
    pub null: u64,
    /// Texts that are empty.
    pub empty: u64,
    /// The first values that differ, cut where they are long.
    pub examples: Vec<String>,
}

/// The columns of some tasks.
#[derive(Default)]
pub(super) struct Columns {
    order: Vec<String>,
    of: HashMap<String, Seen>,
    tasks: u64,
    /// Fields met that are not told apart.
    pub(super) more: u64,
}

#[derive(Default)]
struct Seen {
    types: BTreeMap<&'static str, u64>,
    texts: auto::Column,
    /// Tasks that have it; the number of the last of them, since a task may have it twice.
    in_tasks: u64,
    last: u64,
    null: u64,
    empty: u64,
    examples: Vec<String>,
}

impl Columns {
    /// Takes in a task.
    pub(super) fn task(&mut self, task: &str) {
        let Ok(task) = serde_json::from_str::<Task<'_>>(task) else {
            return;
        };
        self.tasks += 1;
        for (name, value) in task.data.0 {
            if !self.of.contains_key(&name) {
                if self.order.len() == MOST {
                    self.more += 1;
                    continue;
                }
                self.order.push(name.clone());
            }
            self.of
                .entry(name)
                .or_default()
                .value(self.tasks, value.get());
        }
    }

    /// What is known of each, in the order in which they came; `arrow` has the types of a schema.
    pub(super) fn columns(&self, arrow: &HashMap<String, String>) -> Vec<Column> {
        let column = |name: &String| {
            let seen = self.of.get(name)?;
            let texts = seen.types.get("text").copied().unwrap_or_default();
            let kind = match seen.texts.column_type() {
                ColumnType::Integer => Some("integer"),
                ColumnType::Number => Some("number"),
                ColumnType::Boolean => Some("boolean"),
                ColumnType::Text | ColumnType::Stored(_) => None,
            };
            Some(Column {
                name: name.clone(),
                arrow: arrow.get(name).cloned(),
                types: seen.types.clone(),
                all_texts_are: kind.filter(|_| texts > seen.empty),
                missing: self.tasks - seen.in_tasks,
                null: seen.null,
                empty: seen.empty,
                examples: seen.examples.clone(),
            })
        };
        self.order.iter().filter_map(column).collect()
    }
}

impl Seen {
    fn value(&mut self, task: u64, json: &str) {
        self.in_tasks += u64::from(self.last != task);
        self.last = task;
        let kind = match json.as_bytes().first() {
            Some(b'"') => "text",
            Some(b'[') => "list",
            Some(b'{') => "object",
            Some(b't' | b'f') => "boolean",
            Some(b'n') => {
                self.null += 1;
                return;
            }
            _ if json.contains(['.', 'e', 'E']) => "number",
            _ => "integer",
        };
        *self.types.entry(kind).or_default() += 1;
        let text = match kind {
            "text" => serde_json::from_str::<String>(json).unwrap_or_default(),
            _ => json.to_owned(),
        };
        if kind == "text" {
            self.texts.see(text.as_bytes());
            if text.is_empty() {
                self.empty += 1;
                return;
            }
        }
        if self.examples.len() < EXAMPLES {
            let shown = short(&text);
            if !self.examples.contains(&shown) {
                self.examples.push(shown);
            }
        }
    }
}

/// A value as it is shown: one line, not too long, and nothing in it that a terminal would obey.
fn short(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.chars().take(SHOWN).map(plain).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// A task, as far as its data.
#[derive(Deserialize)]
struct Task<'a> {
    #[serde(borrow)]
    data: Fields<'a>,
}

/// The fields of an object, in order.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
