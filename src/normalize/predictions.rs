//! Predictions made from fields of the record: `--predictions-from`.
//!
//! They are what Label Studio's `preannotated_from_fields` would make (the contract, section 7), but are made here, so
//! that `meta`, `annotations` and the upload link of a task survive: a prediction for each field, with the field's control,
//! its first object and its tag as the type; score 1.0 and model version `preannotated` unless said otherwise; no region
//! ids. The fields stay in the data. What the server would store although no one could show it is refused here.

mod made;
mod object;
mod text;

use std::borrow::Cow;
use std::sync::Arc;

use self::made::{Ready, Value};
use super::mapping;
use crate::decode::{scan, watch};
use crate::error::{Code, Error, Fault, Result};
use crate::labelling_config::prediction::{Given, near};
use crate::labelling_config::{Control, LabellingConfig};

/// The version of the model where none is given, as the server has it.
pub const MODEL_VERSION: &str = "preannotated";

/// Which fields of a record become predictions.
#[derive(Clone, Debug)]
pub struct PredictionsFrom {
    config: Arc<LabellingConfig>,
    /// For each prediction, its column's place in `columns`, and its control.
    made: Vec<(usize, Control)>,
    columns: Vec<String>,
    /// The place of the score's column in `columns`.
    score: Option<usize>,
    /// As JSON.
    model_version: String,
}

impl PredictionsFrom {
    /// `from`: pairs of control and column, by the source's names. `score_from`: the column with the score of all of
    /// a record's predictions.
    ///
    /// # Errors
    /// When the labelling config has no such control, or a control is given twice.
    pub fn new(
        config: Arc<LabellingConfig>,
        from: &[(String, String)],
        model_version: &str,
        score_from: Option<&str>,
    ) -> Result<Self> {
        let mut made: Vec<(usize, Control)> = Vec::new();
        let mut columns: Vec<String> = Vec::new();
        let mut place = |column: &str| match columns.iter().position(|known| known == column) {
            Some(place) => place,
            None => {
                columns.push(column.to_owned());
                columns.len() - 1
            }
        };
        for (name, column) in from {
            let control = config
                .region_control(name)
                .ok_or_else(|| no_control(&config, name, column))?;
            if made.iter().any(|(_, known)| known.tag.name == *name) {
                return Err(Error::new(
                    Code::Usage,
                    format!("two columns of `--predictions-from` are for the control `{name}`"),
                ));
            }
            made.push((place(column), control));
        }
        let score = score_from.map(&mut place);
        let model_version = text::quoted(model_version);
        Ok(PredictionsFrom {
            config,
            made,
            columns,
            score,
            model_version,
        })
    }

    /// The columns that are looked at, by the source's names.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// All that decides what is made of a record, for the digest of a plan.
    #[must_use]
    pub fn decisive(&self) -> String {
        let made: Vec<_> = self
            .made
            .iter()
            .map(|(column, Control { tag, to_names, .. })| {
                (
                    &self.columns[*column],
                    &tag.name,
                    &tag.tag,
                    to_names.first(),
                )
            })
            .collect();
        let score = self.score.map(|score| &self.columns[score]);
        format!("{made:?} {score:?} {}", self.model_version)
    }

    /// Where the columns stand in a table.
    ///
    /// # Errors
    /// When the table lacks one.
    pub fn places(&self, columns: &[String]) -> Result<Vec<usize>> {
        let place = |name: &String| {
            let found = columns.iter().position(|column| column == name);
            found.ok_or_else(|| {
                let known = near::listed(columns.iter().map(String::as_str));
                Error::new(Code::Usage, format!("no column is called `{name}`"))
                    .help(format!("there are {known}"))
            })
        };
        self.columns.iter().map(place).collect()
    }

    /// The JSON texts of the columns in the object with the record's fields, which has been checked.
    ///
    /// # Errors
    /// None, if the object has really been checked.
    pub fn values<'a>(&self, object: &'a str) -> Result<Vec<Option<Cow<'a, str>>>, Fault> {
        let mut values = vec![None; self.columns.len()];
        scan::members(object, |key, value| {
            for (column, found) in self.columns.iter().zip(&mut values) {
                if watch::is_key(key.as_bytes(), column) {
                    *found = Some(Cow::Borrowed(value));
                }
            }
        })?;
        Ok(values)
    }

    /// Appends the predictions made of a record, with commas between them; gives whether there are any. `values` are the
    /// JSON texts of [`PredictionsFrom::columns`], each checked.
    ///
    /// # Errors
    /// When a field makes no prediction. What was appended before is to be discarded.
    pub fn append(
        &self,
        values: &[Option<Cow<'_, str>>],
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let mut any = false;
        let mut score = None;
        for (column, control) in &self.made {
            let Some(Some(value)) = values.get(*column) else {
                continue;
            };
            let column = &self.columns[*column];
            let fault = |what: String| invalid(column, control, &what);
            let read = Value::read(value, control);
            let Some(read) = read.map_err(|what| fault(what).help(made::wanted(control)))? else {
                continue;
            };
            let score = match &score {
                Some(score) => score,
                None => score.insert(self.score(values)?),
            };
            let ready = read.ready();
            let made = match ready {
                Ready::Predictions(predictions) => predictions
                    .iter()
                    .map(|prediction| self.completed(prediction, score))
                    .collect::<Result<Vec<_>, _>>()?,
                Ready::Regions(result) => vec![self.around(&result, score)],
                Ready::No => {
                    let regions = made::regions(&read, control);
                    let regions =
                        regions.map_err(|what| fault(what).help(made::wanted(control)))?;
                    vec![self.around(&format!("[{}]", regions.join(",")), score)]
                }
            };
            for prediction in made {
                self.check(column, control, &prediction)?;
                if any {
                    out.push(b',');
                }
                any = true;
                out.extend_from_slice(prediction.as_bytes());
            }
        }
        Ok(any)
    }

    /// A prediction with these regions.
    fn around(&self, result: &str, score: &str) -> String {
        let version = &self.model_version;
        let score = match score {
            "" => String::new(),
            score => format!(r#""score":{score},"#),
        };
        format!(r#"{{"result":{result},{score}"model_version":{version}}}"#)
    }

    /// A prediction as it is given, with a score and a model version if it has none.
    fn completed(&self, prediction: &str, score: &str) -> Result<String, Fault> {
        let mut out = prediction.strip_suffix('}').unwrap_or_default().to_owned();
        let mut has = [false, false];
        scan::members(prediction, |key, _| {
            has[0] |= watch::is_key(key.as_bytes(), "score");
            has[1] |= watch::is_key(key.as_bytes(), "model_version");
        })?;
        if !has[0] && !score.is_empty() {
            out.push_str(r#","score":"#);
            out.push_str(score);
        }
        if !has[1] {
            out.push_str(r#","model_version":"#);
            out.push_str(&self.model_version);
        }
        out.push('}');
        Ok(out)
    }

    /// The score of a record's predictions, as JSON; nothing where the record has none.
    fn score(&self, values: &[Option<Cow<'_, str>>]) -> Result<String, Fault> {
        let Some(place) = self.score else {
            return Ok("1.0".to_owned());
        };
        let Some(Some(value)) = values.get(place) else {
            return Ok(String::new());
        };
        let value = text::plain(value);
        if matches!(value.trim(), "" | "null") {
            return Ok(String::new());
        }
        let number = text::number(&value).filter(|(_, score)| (0.0..=1.0).contains(score));
        number.map(|(score, _)| score).ok_or_else(|| {
            let column = &self.columns[place];
            let found = text::shortened(&value);
            let reason = format!("the field `{column}` holds no score: {found}");
            Fault::new(Code::PredictionInvalid, reason).help("a score is a number from 0 to 1")
        })
    }

    fn check(&self, column: &str, control: &Control, prediction: &str) -> Result<(), Fault> {
        let given = Given::parse(prediction)
            .map_err(|e| invalid(column, control, &format!("it cannot be read: {e}")))?;
        match self.config.prediction_faults(given).into_iter().next() {
            None => Ok(()),
            Some(wrong) => {
                let what = wrong.message.strip_prefix("Region 0: ");
                let fault = invalid(column, control, what.unwrap_or(&wrong.message));
                Err(match wrong.help {
                    Some(help) => fault.help(help),
                    None => fault,
                })
            }
        }
    }
}

fn invalid(column: &str, control: &Control, what: &str) -> Fault {
    let reason = format!(
        "the field `{column}` makes no prediction of `{}`: {}",
        control.tag.name,
        text::shortened(what)
    );
    Fault::new(Code::PredictionInvalid, reason)
}

fn no_control(config: &LabellingConfig, name: &str, column: &str) -> Error {
    let error = Error::new(
        Code::Usage,
        format!("`--predictions-from`: the labelling config has no control called `{name}`"),
    );
    let names: Vec<_> = config.region_controls().collect();
    match names.as_slice() {
        [] => error.help("it has no controls at all"),
        [first, ..] => error.help(format!(
            "there are {}; name the column of a control as in `--predictions-from {first}={column}`",
            near::listed(names.iter().copied())
        )),
    }
}

/// Adds predictions to the task that `out` holds from `start` on: to those it has, or in a list of their own.
/// `append` appends them, and says whether there are any.
///
/// # Errors
/// Those of `append`, and when the task's `predictions` are no list.
pub fn add(
    out: &mut Vec<u8>,
    start: usize,
    is_task: bool,
    append: impl FnOnce(&mut Vec<u8>) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let mut made = Vec::new();
    if !append(&mut made)? {
        return Ok(());
    }
    let end = out.len() - 1;
    let Some((from, to)) = (if is_task { known(&out[start..])? } else { None }) else {
        out.truncate(end);
        out.push(b',');
        out.extend_from_slice(&mapping::key("predictions"));
        out.push(b'[');
        out.extend_from_slice(&made);
        out.extend_from_slice(b"]}");
        return Ok(());
    };
    let (from, to) = (start + from, start + to);
    let list = match &out[from..to] {
        b"null" => [b"[".as_slice(), &made, b"]"].concat(),
        [b'[', inside @ .., b']'] => match inside.trim_ascii() {
            [] => [b"[", made.as_slice(), b"]"].concat(),
            _ => [b"[", inside, b",", &made, b"]"].concat(),
        },
        _ => {
            let reason = "the task's `predictions` are no list";
            return Err(Fault::new(Code::PredictionInvalid, reason));
        }
    };
    out.splice(from..to, list);
    Ok(())
}

/// Where the value of a task's `predictions` stands.
fn known(task: &[u8]) -> Result<Option<(usize, usize)>, Fault> {
    let task = std::str::from_utf8(task)
        .map_err(|e| Fault::new(Code::Encoding, format!("the task is not UTF-8: {e}")))?;
    let mut found = None;
    scan::members(task, |key, value| {
        if watch::is_key(key.as_bytes(), "predictions") {
            let from = value.as_ptr().addr() - task.as_ptr().addr();
            found = Some((from, from + value.len()));
        }
    })?;
    Ok(found)
}
