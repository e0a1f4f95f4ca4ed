//! A whole task, as label-studio-sdk judges it.

use super::{Given, RegionFault, What};
use crate::labelling_config::LabellingConfig;

impl LabellingConfig {
    /// What is wrong with a task, its predictions and its annotations: fields that an object shows and that are missing
    /// or null, and the faults of [`LabellingConfig::prediction_faults`] for each of the others.
    ///
    /// The server looks at more: at nested fields, and at what stands in them.
    #[must_use]
    pub fn task_faults<'g>(&self, task: impl Into<Given<'g>>) -> Vec<RegionFault> {
        let task = task.into();
        let mut faults = Vec::new();
        for object in &self.objects {
            let shown = object
                .attribute("valueList")
                .or_else(|| object.attribute("value"));
            let Some(field) = shown.and_then(|value| value.strip_prefix('$')) else {
                continue;
            };
            let named = !field.is_empty() && !field.contains([',', ' ']);
            let data = task.get("data").and_then(|data| data.get(field));
            if named && matches!(data, None | Some(Given::Null)) {
                let message = format!("Missing field '{field}' for object '{}'", object.name);
                faults.push(RegionFault::new(None, Some("data"), message));
            }
        }
        for (name, what) in [
            ("annotations", What::Annotation),
            ("predictions", What::Prediction),
        ] {
            match task.get(name) {
                None => {}
                Some(Given::List(list)) => {
                    for given in list {
                        faults.extend(self.faults(given, what));
                    }
                }
                Some(_) => {
                    let message = format!("'{name}' must be a list");
                    faults.push(RegionFault::new(None, Some(name), message));
                }
            }
        }
        faults
    }
}
