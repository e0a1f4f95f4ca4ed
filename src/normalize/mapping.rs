//! What happens to fields on the way: `--pick`, `--map`, `--set`, and the field that single values go under.

use std::collections::HashSet;

use super::data_key::DataKey;
use crate::decode::scan::members;
use crate::decode::watch::is_key;
use crate::decode::{Changes, Nul, write};
use crate::error::{Code, Error, Fault, Result};

/// What happens to the fields of a record before they are the data of a task: some are picked, then some are renamed,
/// then constants are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pick: Option<Vec<String>>,
    rename: Vec<(String, String)>,
    set: Vec<(String, String)>,
    data_key: DataKey,
}

impl Mapping {
    /// `pick`: the source's names of the fields to keep, all if none. `rename`: pairs of new and old name. `set`: pairs
    /// of name and JSON text. `data_key`: the field that a value with no name of its own goes under.
    ///
    /// # Errors
    /// When a name is given twice, or a constant is not JSON.
    pub fn new(
        pick: Option<Vec<String>>,
        rename: Vec<(String, String)>,
        set: Vec<(String, String)>,
        data_key: impl Into<DataKey>,
    ) -> Result<Self> {
        for (name, value) in &set {
            if let Err(e) = serde_json::from_str::<&serde_json::value::RawValue>(value) {
                let error = Error::new(
                    Code::Usage,
                    format!("`--set {name}={value}`: the value is not JSON: {e}"),
                );
                return Err(error.help(format!(
                    "text is written in quotes: `--set '{name}=\"{value}\"'`"
                )));
            }
        }
        let mut seen = HashSet::new();
        let named = rename
            .iter()
            .map(|(new, _)| new)
            .chain(set.iter().map(|(name, _)| name));
        if let Some(twice) = named.into_iter().find(|name| !seen.insert(name.as_str())) {
            return Err(Error::new(
                Code::Usage,
                format!("two of `--map` and `--set` make the field `{twice}`"),
            ));
        }
        Ok(Mapping {
            pick,
            rename,
            set,
            data_key: data_key.into(),
        })
    }

    /// Whether an object passes as it is.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.pick.is_none() && self.rename.is_empty() && self.set.is_empty()
    }

    /// The name that a field of the source has in the task; none if it is left out.
    #[must_use]
    pub fn name_of<'a>(&'a self, field: &'a str) -> Option<&'a str> {
        if self
            .pick
            .as_ref()
            .is_some_and(|pick| !pick.iter().any(|picked| picked == field))
        {
            return None;
        }
        let renamed = self.rename.iter().find(|(_, old)| old == field);
        let name = renamed.map_or(field, |(new, _)| new.as_str());
        let constant = self.set.iter().any(|(set, _)| set == name);
        (!constant).then_some(name)
    }

    /// The field of the source that has this name in the task; none if no field can have it.
    #[must_use]
    pub fn field_of<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let renamed = self.rename.iter().find(|(new, _)| new == name);
        let field = renamed.map_or(name, |(_, old)| old.as_str());
        (self.name_of(field) == Some(name)).then_some(field)
    }

    /// The constant fields: name and JSON text.
    pub fn constants(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The field that a value with no name of its own goes under.
    #[must_use]
    pub fn data_key(&self) -> &DataKey {
        &self.data_key
    }

    /// The names that fields are known by in the source, wherever an option names one.
    pub fn source_names(&self) -> impl Iterator<Item = &str> {
        self.pick
            .iter()
            .flatten()
            .map(String::as_str)
            .chain(self.rename.iter().map(|(_, old)| old.as_str()))
    }

    /// Checks the options against the columns of a table.
    ///
    /// # Errors
    /// When an option names a column that the table has not, or two columns would have one name.
    pub fn check_columns(&self, columns: &[String]) -> Result<()> {
        let has = |name: &str| columns.iter().any(|column| column == name);
        if let Some(missing) = self.source_names().find(|name| !has(name)) {
            let known = columns
                .iter()
                .take(20)
                .map(|c| format!("`{c}`"))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(
                Error::new(Code::Usage, format!("no column is called `{missing}`"))
                    .help(format!("there are {known}")),
            );
        }
        let mut seen = HashSet::new();
        let mut names = columns.iter().filter_map(|column| self.name_of(column));
        match names.find(|name| !seen.insert(*name)) {
            Some(twice) => Err(Error::new(
                Code::Usage,
                format!("two columns would be called `{twice}`"),
            )
            .help("leave one out with `--pick`, or rename it with `--map`")),
            None => Ok(()),
        }
    }

    /// Appends an object, which has been checked, as a task's data.
    ///
    /// # Errors
    /// When two fields would have one name.
    pub fn object(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(br#"{"data":"#);
        self.fields(text, out)?;
        out.push(b'}');
        Ok(())
    }

    /// Appends a task, which has been checked, with its data mapped and everything else as it is.
    ///
    /// # Errors
    /// As [`Mapping::object`].
    pub fn task(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut outcome = Ok(());
        let mut separator = b'{';
        members(text, |key, value| {
            out.push(separator);
            separator = b',';
            out.extend_from_slice(key.as_bytes());
            out.push(b':');
            if is_key(key.as_bytes(), "data") && value.starts_with('{') {
                outcome =
                    std::mem::replace(&mut outcome, Ok(())).and_then(|()| self.fields(value, out));
            } else {
                out.extend_from_slice(value.as_bytes());
            }
        })?;
        out.push(b'}');
        outcome
    }

    fn fields(&self, object: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut separator = b'{';
        let mut names = HashSet::new();
        let mut twice = None;
        members(object, |quoted, value| {
            let Ok(field) = serde_json::from_str::<std::borrow::Cow<'_, str>>(quoted) else {
                return;
            };
            let Some(name) = self.name_of(&field) else {
                return;
            };
            let renamed = name != field;
            if !names.insert(name.to_owned())
                && (renamed || self.rename.iter().any(|(new, _)| new == name))
            {
                twice.get_or_insert_with(|| name.to_owned());
            }
            out.push(separator);
            separator = b',';
            if renamed {
                out.extend(key(name));
            } else {
                out.extend_from_slice(quoted.as_bytes());
                out.push(b':');
            }
            out.extend_from_slice(value.as_bytes());
        })?;
        if let Some(twice) = twice {
            let reason = format!("two fields of the record would be called `{twice}`");
            return Err(Fault::new(Code::FieldTwice, reason)
                .help("leave one out with `--pick`, or map to another name"));
        }
        for (name, value) in self.constants() {
            out.push(separator);
            separator = b',';
            out.extend(key(name));
            out.extend_from_slice(value.as_bytes());
        }
        if separator == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
        Ok(())
    }
}

/// A field's name as a JSON key, with its colon.
#[must_use]
pub fn key(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 3);
    // A NUL in a name has no place in a database either; there is no record to reject for it.
    let _ = write::string(&mut out, name, Nul::Replace, &mut Changes::default());
    out.push(b':');
    out
}
