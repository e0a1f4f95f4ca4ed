//! Where a value with no name of its own goes: a line of text, a document, the address of a file, a JSON scalar.
//!
//! Label Studio keeps such a value under `$undefined$` and puts it into the first field that the labelling config names
//! (label_config.py, `replace_task_data_undefined_with_config_field`). A config with several fields would then refuse
//! the task for want of the others, or get the value into the wrong one; so here that is an error from the start.

use crate::error::{Code, Fault};
use crate::labelling_config::{self, LabellingConfig};

/// The field of values with no name of their own, where no labelling config tells another.
pub const DEFAULT: &str = "text";

/// The field of values with no name of their own: names from the task's data down to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey {
    single: Result<Vec<String>, Fault>,
    series: Option<Vec<String>>,
}

impl Default for DataKey {
    fn default() -> Self {
        DataKey::from(DEFAULT.to_owned())
    }
}

impl From<String> for DataKey {
    fn from(key: String) -> Self {
        DataKey {
            single: Ok(vec![key]),
            series: None,
        }
    }
}

impl DataKey {
    /// The field that the user names, else the only one of the labelling config, else [`DEFAULT`]. That there is no one
    /// field matters only if there is a value for it.
    #[must_use]
    pub fn decide(named: Option<&str>, config: Option<&LabellingConfig>) -> DataKey {
        if let Some(named) = named {
            return DataKey::from(named.to_owned());
        }
        let Some(config) = config else {
            return DataKey::default();
        };
        let single = match config.keys.as_slice() {
            [] => Ok(vec![DEFAULT.to_owned()]),
            [only] if only.repeats() => Err(Fault::new(
                Code::DataKey,
                format!(
                    "the labelling config's only data key, `{}`, is a list: a value with no name of its own is none",
                    only.path().concat()
                ),
            )
            .help("write such tasks as JSON, or name another field with `--data-key KEY`")),
            [only] => Ok(path(only)),
            several => Err(several_keys(several)),
        };
        let series = config.objects.iter().find(|tag| tag.tag == "TimeSeries");
        let series = series
            .and_then(|tag| tag.attribute("value")?.strip_prefix('$'))
            .and_then(|key| config.keys.iter().find(|known| known.key == key));
        DataKey {
            single,
            series: series.map(path),
        }
    }

    /// The field of a value.
    ///
    /// # Errors
    /// When there is no one field for it.
    pub fn single(&self) -> Result<&[String], &Fault> {
        self.single.as_ref().map(Vec::as_slice)
    }

    /// The field of a table that is one value: that of the config's `TimeSeries`, if it has one.
    ///
    /// # Errors
    /// As [`DataKey::single`].
    pub fn series(&self) -> Result<&[String], &Fault> {
        self.series.as_deref().map_or_else(|| self.single(), Ok)
    }
}

fn path(key: &labelling_config::DataKey) -> Vec<String> {
    key.path().into_iter().map(str::to_owned).collect()
}

fn several_keys(keys: &[labelling_config::DataKey]) -> Fault {
    let names: Vec<_> = keys.iter().map(|key| format!("`{}`", key.key)).collect();
    let (last, others) = names
        .split_last()
        .map_or(("", &names[..]), |(last, others)| (last.as_str(), others));
    let reason = format!(
        "the labelling config has {} data keys, {} and {last}: a value with no name of its own could go to any",
        names.len(),
        others.join(", ")
    );
    Fault::new(Code::DataKey, reason).help("name its field with `--data-key KEY`")
}
