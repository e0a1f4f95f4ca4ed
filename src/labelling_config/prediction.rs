//! Whether predictions and annotations fit a labelling config, as label-studio-sdk 2.1.2 judges it.
//!
//! The rules are those of its `LabelInterface.validate_prediction`, its messages word for word, so that what is refused
//! here is what a server with prediction validation refuses, and for the same reason. Differences, none of which turns
//! a yes into a no for what people have: numbers beyond 64 bits count as floats, digits of other scripts are none.

mod asked;
pub mod completed_by;
pub mod given;
pub mod near;
mod relation;
mod shape;
mod tags;
mod task;
mod value;

use std::fmt;

use self::asked::Asked;
pub use self::completed_by::Members;
pub use self::given::Given;
use super::LabellingConfig;

/// What is wrong with a prediction or an annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionFault {
    /// The region, counted from 0, if it is about one.
    pub region: Option<usize>,
    /// The field of the region, or of the prediction: `from_name`, `value`, `score`.
    pub field: Option<&'static str>,
    /// What is wrong, in the words of Label Studio.
    pub message: String,
    /// How to mend it, if there is a way.
    pub help: Option<String>,
    /// What a server does that does not judge predictions, which none does unless it is told to.
    pub consequence: Consequence,
}

/// What becomes of an import with such a fault, at a server that does not judge predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consequence {
    /// It is stored as it is, or as what the server makes of it.
    Stored,
    /// The tasks are stored, all predictions of the same request are dropped, and nothing is said.
    Lost,
    /// The whole request is refused.
    Refused,
}

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Prediction,
    Annotation,
}

impl RegionFault {
    fn new(region: Option<usize>, field: Option<&'static str>, message: String) -> Self {
        RegionFault {
            region,
            field,
            message,
            help: None,
            consequence: Consequence::Stored,
        }
    }

    fn with(mut self, consequence: Consequence) -> Self {
        self.consequence = consequence;
        self
    }

    fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

impl fmt::Display for RegionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The member of a value that holds what was chosen with a control of this tag: `choices`, `rectanglelabels`; none where
/// nothing is chosen.
#[must_use]
pub fn chosen_member(tag: &str) -> Option<&'static str> {
    tags::of(tag)?.labels
}

/// The whole check ended early: Python's own words for it.
struct Ended(String);

impl LabellingConfig {
    /// What is wrong with a prediction: nothing if the server would take it.
    #[must_use]
    pub fn prediction_faults<'g>(&self, prediction: impl Into<Given<'g>>) -> Vec<RegionFault> {
        self.faults(&prediction.into(), What::Prediction)
    }

    fn faults(&self, given: &Given<'_>, what: What) -> Vec<RegionFault> {
        let mut faults = Vec::new();
        if let Err(Ended(why)) = self.check(given, what, &mut faults) {
            let message = format!("Unexpected error during validation: {why}");
            faults.push(RegionFault::new(None, None, message));
        }
        if !matches!(given, Given::Object(_)) {
            let consequence = match what {
                What::Prediction => Consequence::Lost,
                What::Annotation => Consequence::Refused,
            };
            for fault in &mut faults {
                fault.consequence = consequence;
            }
        }
        faults
    }

    /// What is wrong with an annotation: the same as with a prediction. Who made it is another question, for
    /// [`completed_by::fault`].
    #[must_use]
    pub fn annotation_faults<'g>(&self, annotation: impl Into<Given<'g>>) -> Vec<RegionFault> {
        self.faults(&annotation.into(), What::Annotation)
    }

    /// What is wrong with one region by itself.
    #[must_use]
    pub fn region_faults<'g>(&self, region: impl Into<Given<'g>>) -> Vec<RegionFault> {
        let mut faults = Vec::new();
        if let Err(Ended(why)) = self.region(0, &region.into(), &[], &mut faults) {
            faults.push(RegionFault::new(Some(0), None, format!("Region 0: {why}")));
        }
        faults
    }

    fn check(
        &self,
        given: &Given<'_>,
        what: What,
        faults: &mut Vec<RegionFault>,
    ) -> Result<(), Ended> {
        let result = match given {
            Given::Object(_) => given.get("result"),
            Given::Text(text) if text.contains("result") => {
                return Err(Ended(value::no_method(given, "get")));
            }
            Given::List(list) if list.iter().any(|value| value.text() == Some("result")) => {
                return Err(Ended(value::no_method(given, "get")));
            }
            Given::Text(_) | Given::List(_) => None,
            _ => return Err(Ended(value::not_iterable(given))),
        };
        let result = match result {
            Some(Given::List(result)) => result,
            Some(other) => {
                let message = "'result' must be a list".to_owned();
                let fault = RegionFault::new(None, Some("result"), message);
                faults.push(fault.with(match (what, other) {
                    (What::Annotation, _) => Consequence::Refused,
                    (What::Prediction, Given::Null | Given::Real(_)) => Consequence::Lost,
                    // The server makes a region of it.
                    (What::Prediction, _) => Consequence::Stored,
                }));
                return Ok(());
            }
            None => {
                let message = "Missing required field 'result'".to_owned();
                let help = "regions stand in a list under `result`".to_owned();
                let fault = RegionFault::new(None, Some("result"), message).help(Some(help));
                faults.push(fault.with(Consequence::Refused));
                return Ok(());
            }
        };
        if let Some(message) = given.get("score").and_then(score) {
            let fault = RegionFault::new(None, Some("score"), message);
            let odd = matches!(given.get("score"), Some(Given::List(_) | Given::Object(_)));
            faults.push(fault.with(match what {
                What::Prediction if odd => Consequence::Lost,
                _ => Consequence::Stored,
            }));
        }
        let mut good = Vec::new();
        let mut relations = Vec::new();
        for (i, region) in result.iter().enumerate() {
            let Given::Object(_) = region else {
                let message = format!(
                    "Region must be a dictionary. Got <class '{}'>: {}",
                    region.kind(),
                    region.shown()
                );
                let fault = RegionFault::new(Some(i), None, message);
                faults.push(fault.with(match what {
                    What::Prediction => Consequence::Lost,
                    What::Annotation => Consequence::Stored,
                }));
                continue;
            };
            if region.get("type").and_then(Given::text) == Some("relation") {
                relations.push((i, region));
                continue;
            }
            let before = faults.len();
            self.region(i, region, result, faults)?;
            if faults.len() == before {
                good.push(region);
            }
        }
        for (i, given) in relations {
            relation::check(i, given, &good, faults);
        }
        Ok(())
    }

    fn region(
        &self,
        i: usize,
        region: &Given<'_>,
        result: &[Given<'_>],
        faults: &mut Vec<RegionFault>,
    ) -> Result<(), Ended> {
        let mut fault = |field: &'static str, message: String, help: Option<String>| {
            let message = format!("Region {i}: {message}");
            faults.push(RegionFault::new(Some(i), Some(field), message).help(help));
        };
        let fields = ["from_name", "to_name", "type", "value"].map(|name| (name, region.get(name)));
        for (name, _) in fields.iter().filter(|(_, given)| given.is_none()) {
            fault(name, format!("Missing required field '{name}'"), None);
        }
        let [
            (_, Some(from_name)),
            (_, Some(to_name)),
            (_, Some(kind)),
            (_, Some(given)),
        ] = fields
        else {
            return Ok(());
        };
        let Some(control) = self.named(from_name) else {
            let shown = from_name.shown();
            let message = format!("'from_name' '{shown}' not found in configuration");
            let names: Vec<_> = self.asked().map(|control| control.name).collect();
            fault(
                "from_name",
                message,
                Some(meant(&shown, &names, "controls")),
            );
            return Ok(());
        };
        if !self.is_object(to_name) {
            let shown = to_name.shown();
            let message = format!("'to_name' '{shown}' not found in configuration");
            let names: Vec<_> = self.shown().collect();
            fault("to_name", message, Some(meant(&shown, &names, "objects")));
            return Ok(());
        }
        let Given::Text(kind) = kind else {
            return Err(Ended(value::no_method(kind, "lower")));
        };
        let (kind, wanted) = (kind.to_lowercase(), control.kind());
        let geometry = value::merged(&control, &kind, self.asked());
        if kind != wanted && geometry.is_none() {
            let message = format!(
                "Type '{kind}' does not match expected type '{wanted}' for control '{}'",
                from_name.shown()
            );
            let help = format!("regions of `{}` have the type `{wanted}`", control.name);
            fault("type", message, Some(help));
        }
        if !to_name
            .text()
            .is_some_and(|name| control.to_names.contains(&name))
        {
            let message = format!(
                "'to_name' '{}' is not valid for control '{}'. Valid options: {}",
                to_name.shown(),
                from_name.shown(),
                value::python_list(control.to_names.iter().copied())
            );
            fault("to_name", message, None);
        }
        let outcome = match &geometry {
            Some(geometry) => value::merged_fits(&control, geometry, &kind, given),
            None => value::fits(&control, region, given, result),
        };
        match outcome.and_then(|fits| {
            let why = || refused(&control, from_name, given);
            if fits { Ok(None) } else { why().map(Some) }
        }) {
            Ok(None) => {}
            Ok(Some(message)) => fault("value", message, value::help(&control, given)),
            Err(raised) => {
                let name = from_name.shown();
                let message = format!("Error validating value for control '{name}': {raised}");
                fault("value", message, value::help(&control, given));
            }
        }
        Ok(())
    }

    /// The control of this name; the only one there is, for null.
    fn named(&self, name: &Given<'_>) -> Option<Asked<'_>> {
        match name {
            Given::Text(name) => self.asked().filter(|control| control.name == name).last(),
            Given::Null => {
                let mut all = self.asked();
                all.next().filter(|_| all.next().is_none())
            }
            _ => None,
        }
    }

    fn is_object(&self, name: &Given<'_>) -> bool {
        match name {
            Given::Text(name) => self.shown().any(|object| object == name),
            Given::Null => self.shown().count() == 1,
            _ => false,
        }
    }
}

/// Why a value is none of its control's.
fn refused(
    control: &Asked<'_>,
    from_name: &Given<'_>,
    given: &Given<'_>,
) -> Result<String, String> {
    let name = from_name.shown();
    if matches!(control.kind().as_str(), "rectangle" | "rectanglelabels") {
        let sides = value::out_of_bounds(given)?;
        if !sides.is_empty() {
            return Ok(format!(
                "Invalid geometry for control '{name}': {} out of bounds [0, 100]",
                sides.join(", ")
            ));
        }
    }
    Ok(format!(
        "Invalid value for control '{name}'. Got: {}. Valid options: {}",
        given.shown(),
        value::options(control)
    ))
}

fn meant(given: &str, names: &[&str], what: &str) -> String {
    if names.is_empty() {
        return format!("the labelling config has no {what}");
    }
    match near::nearest(given, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the {what} are {}", near::listed(names.iter().copied())),
    }
}

/// What is wrong with a score.
fn score(given: &Given<'_>) -> Option<String> {
    let number = match given {
        Given::Null => return None,
        Given::Text(text) => shape::real_of(text),
        other => other.number(),
    };
    let Some(number) = number else {
        return Some(format!(
            "Score must be a valid number, got {}",
            given.shown()
        ));
    };
    if (0.0..=1.0).contains(&number) {
        return None;
    }
    let mut message = "Score must be between 0.00 and 1.00 inclusive, got ".to_owned();
    let _ = given::real(&mut message, number);
    Some(message)
}
