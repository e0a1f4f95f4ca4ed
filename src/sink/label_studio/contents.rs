//! What is in an array of tasks, as the server will count it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::deliver::sizing::Load;
use crate::error::{Code, Error, Result};
use crate::journal::Counts;

/// What is in an array of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Tasks, annotations, predictions.
    pub(super) counts: Counts,
    /// How many of the annotations are cancelled ones, which the server leaves out when it counts what is stored.
    pub(super) cancelled: u64,
    /// Tasks with annotations or predictions: they cost the server more.
    pub(super) annotated: u64,
}

impl Contents {
    /// Looks through an array of tasks.
    ///
    /// # Errors
    /// When it is none; the decoders let no such thing pass.
    pub(super) fn of(array: &[u8]) -> Result<Self> {
        let mut contents = Contents::default();
        Tasks(&mut contents)
            .deserialize(&mut serde_json::Deserializer::from_slice(array))
            .map_err(|e| {
                Error::new(
                    Code::Internal,
                    format!("an import is no array of tasks: {e}"),
                )
            })?;
        Ok(contents)
    }

    /// What an import of so many bytes costs the server.
    pub(super) fn load(&self, bytes: usize) -> Load {
        Load {
            tasks: self.counts.tasks as usize,
            bytes,
            annotated: self.annotated as usize,
        }
    }
}

/// The array.
struct Tasks<'a>(&'a mut Contents);

impl<'de> DeserializeSeed<'de> for Tasks<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Tasks<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of tasks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tasks: A) -> Result<(), A::Error> {
        while let Some(task) = tasks.next_element::<Task>()? {
            let Task {
                annotations,
                predictions,
            } = task;
            self.0.counts.tasks += 1;
            self.0.counts.annotations += annotations.all;
            self.0.counts.predictions += predictions.all;
            self.0.cancelled += annotations.cancelled;
            self.0.annotated += u64::from(annotations.all + predictions.all > 0);
        }
        Ok(())
    }
}

/// One task, of which only these are looked at; of a key that comes twice, the last counts, as for the server.
#[derive(Default)]
struct Task {
    annotations: Parts,
    predictions: Parts,
}

impl<'de> Deserialize<'de> for Task {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Task;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a task")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Task, A::Error> {
                let mut task = Task::default();
                while let Some(key) = fields.next_key::<Cow<'de, str>>()? {
                    match &*key {
                        "annotations" => task.annotations = Parts::of(fields.next_value()?),
                        "predictions" => task.predictions = Parts::of(fields.next_value()?),
                        _ => {
                            fields.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(task)
            }
        }
        from.deserialize_map(Fields)
    }
}

/// The annotations or the predictions of a task.
#[derive(Default)]
struct Parts {
    all: u64,
    cancelled: u64,
}

impl Parts {
    /// Those of a list; the server knows what to say of anything else.
    fn of(list: &RawValue) -> Self {
        #[derive(Deserialize)]
        struct Part {
            #[serde(default)]
            was_cancelled: bool,
        }
        let parts: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
        let cancelled = |part: &&&RawValue| {
            serde_json::from_str(part.get()).is_ok_and(|part: Part| part.was_cancelled)
        };
        Parts {
            all: parts.len() as u64,
            cancelled: parts.iter().filter(cancelled).count() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_counts_is_counted() {
        let array = br#"[{"data":{"annotations":[1]}},
            {"data":{},"annotations":[{"result":[]},{"result":[],"was_cancelled":true}],"predictions":null},
            {"annotations":[1,2],"annotations":[],"predictions":[{}],"data":{}}, {"annotations":{}}]"#;
        let contents = Contents::of(array).expect("an array of tasks");
        let counts = Counts {
            tasks: 4,
            annotations: 2,
            predictions: 1,
        };
        assert_eq!(
            (contents.counts, contents.cancelled, contents.annotated),
            (counts, 1, 2)
        );
        assert!(Contents::of(b"{}").is_err());
    }
}
