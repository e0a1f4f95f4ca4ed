//! How tasks fit the labelling config: which of the fields it needs are there, and what would mend those that are not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::columns::Column;
use crate::error::Fault;
use crate::labelling_config::LabellingConfig;
use crate::normalize::fit::similar;
use crate::rejects::Rejects;

/// How the tasks of a source fit the labelling config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fitting {
    /// The fields that it needs.
    pub fields: Vec<Needed>,
    /// What `--map` is to be given to mend what is missing, such as `text=headline`.
    pub mend: Vec<String>,
    /// Tasks looked at that fit.
    pub fit: u64,
    /// Tasks looked at that do not.
    pub misfit: u64,
    /// Why not, by code: how many, and the first of them.
    pub misfits_by_code: BTreeMap<&'static str, Rejects>,
}

/// A field that the labelling config needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// Its name.
    pub field: String,
    /// The tag that shows it.
    pub tag: String,
    /// Whether any task looked at has it.
    pub found: bool,
    /// The field that is most likely meant by it, where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similar: Option<String>,
}

impl Fitting {
    /// Counts a task that does not fit.
    pub(super) fn misfits(&mut self, fault: Fault) {
        let of_code = self.misfits_by_code.entry(fault.code.as_str()).or_default();
        if of_code.count == 0 {
            of_code.first.push(fault.reason);
            of_code.help = fault.help;
        }
        of_code.count += 1;
    }

    /// How these columns fit.
    pub(super) fn new(config: &LabellingConfig, columns: &[Column]) -> Self {
        let mut mend = Vec::new();
        let fields = config.keys.iter().map(|key| {
            let name = key.path().first().copied().unwrap_or_default().to_owned();
            let found = columns.iter().any(|column| column.name == name);
            // A column that another field needs by its own name is not meant by this one.
            let free = columns.iter().filter(|column| {
                config
                    .keys
                    .iter()
                    .all(|other| other.path().first() != Some(&&*column.name))
            });
            let values: Vec<(&str, String)> = free
                .map(|column| {
                    let example = column
                        .examples
                        .first()
                        .map(|example| format!("\"{example}\""));
                    (column.name.as_str(), example.unwrap_or_default())
                })
                .collect();
            let fields: Vec<_> = values
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let similar = if found {
                None
            } else {
                similar(key, &name, &fields)
            };
            if let Some(similar) = similar {
                mend.push(format!("{name}={similar}"));
            }
            Needed {
                field: key.key.clone(),
                tag: key.tag.clone(),
                found,
                similar: similar.map(str::to_owned),
            }
        });
        let fields = fields.collect();
        mend.dedup();
        Fitting {
            fields,
            mend,
            fit: 0,
            misfit: 0,
            misfits_by_code: BTreeMap::new(),
        }
    }
}
