//! Whether a task fits the labelling config: every field that the config needs is there, and is of a type that the tag
//! showing it takes. The server asks the same, and refuses a whole import for one task that does not fit.
//!
//! Fields are looked at where they are: noted while JSON is checked, known by their column in a table.

pub mod beside;
mod misfit;

use std::sync::Arc;

use self::beside::Judged;
pub use self::misfit::similar;
use self::misfit::{missing, wrong_type};
use super::join::Joined;
use super::mapping::Mapping;
use crate::decode::scan::{Kind, Value, data_of, members, skip_space};
use crate::decode::watch::{Watch, is_key};
use crate::error::{Code, Error, Fault, Result};
use crate::labelling_config::prediction::Members;
use crate::labelling_config::{DataKey, LabellingConfig, Types};

/// What a labelling config asks of every task.
#[derive(Clone, Debug)]
pub struct Fit {
    config: Arc<LabellingConfig>,
    /// Who may have made annotations, if that is known.
    members: Option<Members>,
    needs: Vec<Need>,
    watch: Arc<Watch>,
}

/// One field that is needed.
#[derive(Clone, Debug)]
struct Need {
    key: DataKey,
    /// Its name in the source; none if it is a constant, which has been looked at.
    field: Option<String>,
    /// The names below it, for `a.b`.
    below: Vec<String>,
    /// What may stand in it.
    types: Types,
}

/// What a JSON value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Boolean,
    List,
    Object,
    Null,
}

impl Type {
    fn of(value: &[u8]) -> Type {
        match value.first() {
            Some(b'"') => Type::Text,
            Some(b'[') => Type::List,
            Some(b'{') => Type::Object,
            Some(b't' | b'f') => Type::Boolean,
            Some(b'n') => Type::Null,
            _ => Type::Number,
        }
    }

    fn told(self) -> &'static str {
        match self {
            Type::Text => "text",
            Type::Number => "a number",
            Type::Boolean => "a boolean",
            Type::List => "a list",
            Type::Object => "an object",
            Type::Null => "null",
        }
    }
}

impl Fit {
    /// What `config` asks of tasks whose fields are mapped so, and that get the fields `joined` besides;
    /// `members`: who may have made annotations, if that is known.
    ///
    /// # Errors
    /// When a constant or a column that is joined does not fit.
    pub fn new(
        config: Arc<LabellingConfig>,
        members: Option<Members>,
        mapping: &Mapping,
        joined: &[Joined],
    ) -> Result<Fit> {
        let mut needs = Vec::with_capacity(config.keys.len());
        for key in &config.keys {
            let path = key.path();
            let Some((name, below)) = path.split_first() else {
                continue;
            };
            let mut need = Need {
                key: key.clone(),
                field: mapping.field_of(name).map(str::to_owned),
                below: below.iter().map(|name| (*name).to_owned()).collect(),
                types: key.types(),
            };
            if let Some(joined) = joined.iter().find(|joined| joined.name == *name) {
                // A row is there, or the record is rejected.
                let mut examples = joined.examples.iter();
                examples
                    .try_for_each(|example| need.fits(example))
                    .map_err(|fault| {
                        let reason = format!("the column `{name}` to join: {}", fault.reason);
                        Error::new(Code::Usage, reason)
                    })?;
                continue;
            }
            let constant = mapping.constants().find(|(set, _)| set == name);
            if let Some((_, value)) = constant {
                need.fits(value).map_err(|fault| {
                    Error::from(Fault {
                        code: Code::Usage,
                        reason: format!("`--set {name}={value}`: {}", fault.reason),
                        ..fault
                    })
                })?;
                need.field = None;
            } else if need.field.is_none() {
                let reason = format!(
                    "the labelling config needs `{}`, which `--pick` and `--map` leave out",
                    key.key
                );
                return Err(Error::new(Code::Usage, reason));
            }
            needs.push(need);
        }
        let watch = Watch {
            data: needs.iter().filter_map(|need| need.field.clone()).collect(),
            beside: beside::FIELDS.map(str::to_owned).to_vec(),
        };
        Ok(Fit {
            config,
            members,
            needs,
            watch: Arc::new(watch),
        })
    }

    /// The same for tasks as they are sent: nothing of them is mapped any more.
    ///
    /// # Errors
    /// Never: without constants there is nothing to look at before.
    pub fn of_tasks(&self) -> Result<Fit> {
        let (config, members) = (Arc::clone(&self.config), self.members.clone());
        Fit::new(config, members, &Mapping::default(), &[])
    }

    /// The labelling config.
    #[must_use]
    pub fn config(&self) -> &LabellingConfig {
        &self.config
    }

    /// The fields to note while JSON is checked.
    #[must_use]
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// The needs that are fields of the source, in the order of [`Watch::data`].
    fn fields(&self) -> impl Iterator<Item = (&Need, &str)> {
        let field = |need| -> Option<(&Need, &str)> {
            let need: &Need = need;
            Some((need, need.field.as_deref()?))
        };
        self.needs.iter().filter_map(field)
    }

    /// Whether an object, which has been checked, makes a task that fits; `judged` is what is known of those before it.
    ///
    /// # Errors
    /// What is missing or of the wrong type, with its offset in the value.
    #[inline]
    pub fn json(&self, value: &Value<'_>, judged: &mut Judged) -> Result<(), Fault> {
        for (i, (need, _)) in self.fields().enumerate() {
            let Some(offset) = value.fields.data(i) else {
                return Err(Self::missing_of(need, value));
            };
            let text = value.from(offset);
            if !need.takes(Type::of(text.as_bytes())) || !need.below.is_empty() {
                need.fits(text)
                    .map_err(|fault| fault.at(offset - value.start))?;
            }
        }
        if value.kind == Kind::Task {
            self.beside(value, judged)?;
        }
        Ok(())
    }

    #[cold]
    fn missing_of(need: &Need, value: &Value<'_>) -> Fault {
        let mut fields = Vec::new();
        let data = match value.kind {
            Kind::Task => data_of(value.text).unwrap_or(value.text),
            Kind::Object | Kind::Other => value.text,
        };
        // The text has been checked.
        let _ = members(data, |key, value| {
            fields.push((key.trim_matches('"'), value));
        });
        missing(&need.key, &fields)
    }

    /// What values with no name of their own are needed for, where they go under the field at `path`.
    ///
    /// # Errors
    /// What is missing in every task with such a value and constants alone.
    pub fn single(&self, path: &[String]) -> Result<Option<usize>, Fault> {
        let is_it = |need: &Need| need.key.path() == path;
        match self.fields().find(|(need, _)| !is_it(need)) {
            Some((need, _)) => Err(missing(&need.key, &[(&path.join("."), "\"\"")])),
            None => Ok(self.needs.iter().position(is_it)),
        }
    }

    /// Whether a value with no name of its own, given as JSON, fits what it is needed for.
    ///
    /// # Errors
    /// When it is of the wrong type.
    #[inline]
    pub fn single_value(&self, need: usize, value: &str) -> Result<(), Fault> {
        self.needs[need].ends_in(value)
    }

    /// The number of the need that a column fills, if it fills one.
    #[must_use]
    pub fn need_of(&self, column: &str) -> Option<usize> {
        let mut needs = self.needs.iter();
        needs.position(|need| need.field.as_deref() == Some(column))
    }

    /// Whether a cell, written as JSON, fits the need that its column fills.
    ///
    /// # Errors
    /// When it is of the wrong type.
    #[inline]
    pub fn cell(&self, need: usize, cell: &[u8]) -> Result<(), Fault> {
        let need = &self.needs[need];
        if need.takes(Type::of(cell)) && need.below.is_empty() {
            return Ok(());
        }
        need.fits(std::str::from_utf8(cell).unwrap_or_default())
    }

    /// Whether a table with these columns can fit at all.
    ///
    /// # Errors
    /// When a column is missing.
    pub fn columns(&self, columns: &[String]) -> Result<()> {
        for (need, field) in self.fields() {
            if !columns.iter().any(|column| column == field) {
                let columns: Vec<_> = columns.iter().map(|name| (name.as_str(), "")).collect();
                return Err(missing(&need.key, &columns).into());
            }
        }
        Ok(())
    }
}

impl Need {
    /// Whether a value of this type may stand at the top of it.
    #[inline]
    fn takes(&self, found: Type) -> bool {
        let types = self.types;
        match found {
            Type::Text => types.text,
            // Python's booleans are numbers.
            Type::Number | Type::Boolean => types.number,
            Type::List => types.list,
            Type::Object => types.object,
            Type::Null => types.null,
        }
    }

    /// Whether a value fits, which `value` starts with.
    #[cold]
    fn fits(&self, value: &str) -> Result<(), Fault> {
        let mut value = value;
        for (i, name) in self.below.iter().enumerate() {
            let mut next = None;
            if value.starts_with('{') {
                // What follows the object is not looked at.
                let _ = members(value, |key, below| {
                    if is_key(key.as_bytes(), name) {
                        next = Some(below);
                    }
                });
            }
            let above = self.key.path()[..=i].join(".");
            value = next.ok_or_else(|| {
                let reason = format!(
                    "the labelling config needs `{}`, `{above}` has no `{name}`",
                    self.key.key
                );
                Fault::new(Code::FieldMissing, reason)
                    .help("a field with a dot in its name does not count: it must be an object in an object")
            })?;
        }
        self.ends_in(value)
    }

    /// Whether a value fits at the end of the path.
    fn ends_in(&self, value: &str) -> Result<(), Fault> {
        let found = Type::of(&value.as_bytes()[skip_space(value.as_bytes(), 0)..]);
        if self.takes(found) {
            Ok(())
        } else {
            Err(wrong_type(&self.key, found))
        }
    }
}
