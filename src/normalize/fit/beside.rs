//! What stands beside a task's data: its meta, and its predictions and annotations, which are to fit the config too.

use serde_json::Deserializer;

use super::{Fit, Type};
use crate::decode::scan::Value;
use crate::error::{Code, Fault};
use crate::labelling_config::prediction::{Given, RegionFault, completed_by};

/// The fields that are looked at, in the order in which they are noted.
pub(super) const FIELDS: [&str; 3] = ["meta", "predictions", "annotations"];

/// The places of the fields among them.
const META: usize = 0;
const PREDICTIONS: usize = 1;
const ANNOTATIONS: usize = 2;

impl Fit {
    /// Whether what a task has beside its data fits.
    ///
    /// # Errors
    /// The first thing that does not, with its offset in the value.
    #[inline]
    pub(super) fn beside(&self, value: &Value<'_>) -> Result<(), Fault> {
        let at = |field| value.fields.beside(field);
        if let Some(offset) = at(META) {
            let found = Type::of(value.from(offset).as_bytes());
            if !matches!(found, Type::Object | Type::List) {
                return Err(no_meta(found).at(offset - value.start));
            }
        }
        for field in [PREDICTIONS, ANNOTATIONS] {
            if let Some(offset) = at(field) {
                let judged = self.judge(field, value.from(offset));
                judged.map_err(|fault| fault.at(offset - value.start))?;
            }
        }
        Ok(())
    }

    /// Whether the predictions or annotations fit that `text` starts with.
    fn judge(&self, field: usize, text: &str) -> Result<(), Fault> {
        let (code, one) = match field {
            PREDICTIONS => (Code::PredictionInvalid, "prediction"),
            _ => (Code::AnnotationInvalid, "annotation"),
        };
        let mut values = Deserializer::from_str(text).into_iter::<Given<'_>>();
        let given = match values.next() {
            Some(Ok(given)) => given,
            // The text has been checked; what cannot be read all the same is out of bounds.
            Some(Err(e)) => {
                let reason = format!("the task's {one}s cannot be read: {e}");
                return Err(Fault::new(code, reason));
            }
            None => return Ok(()),
        };
        let Given::List(list) = given else {
            let reason = format!("the task's `{}` are no list", FIELDS[field]);
            return Err(Fault::new(code, reason));
        };
        for (number, given) in list.into_iter().enumerate() {
            let faults = match field {
                PREDICTIONS => self.config.prediction_faults(given),
                _ => {
                    let who = completed_by::fault(given.clone(), self.members.as_ref());
                    let mut faults = self.config.annotation_faults(given);
                    faults.extend(who);
                    faults
                }
            };
            if let Some((first, others)) = faults.split_first() {
                return Err(misfit(code, one, number, first, others.len()));
            }
        }
        Ok(())
    }
}

#[cold]
fn misfit(code: Code, one: &str, number: usize, first: &RegionFault, others: usize) -> Fault {
    let more = match others {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    // The words of Label Studio end in a line end at times.
    let message = first.message.trim_end();
    let fault = Fault::new(code, format!("{one} {number}: {message}{more}"));
    match &first.help {
        Some(help) => fault.help(help.clone()),
        None => fault,
    }
}

#[cold]
fn no_meta(found: Type) -> Fault {
    let reason = format!(
        "the task's `meta` is {}, the server takes an object or a list",
        found.told()
    );
    Fault::new(Code::FieldType, reason).help("leave it out where there is none")
}
