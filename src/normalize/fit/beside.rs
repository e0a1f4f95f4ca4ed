//! What stands beside a task's data: its meta, and its predictions and annotations, which are to fit the config too.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use memchr::memmem;

use super::{Fit, Type};
use crate::decode::scan::{Value, skip_space};
use crate::error::{Code, Fault};
use crate::labelling_config::prediction::{Given, RegionFault, completed_by};

/// The fields that are looked at, in the order in which they are noted.
pub(super) const FIELDS: [&str; 3] = ["meta", "predictions", "annotations"];

/// The places of the fields among them.
const META: usize = 0;
const PREDICTIONS: usize = 1;
const ANNOTATIONS: usize = 2;

/// Bytes of the longest predictions that are remembered.
const REMEMBERED_BYTES: usize = 4 << 10;

/// The key of a score.
const SCORE: &[u8] = br#""score":"#;

/// How many are remembered at most.
const REMEMBERED: usize = 1 << 10;

/// Predictions and annotations that fit, of the tasks of one chunk: many are alike but for their scores, and to look
/// them up takes a fraction of the time that it takes to judge them.
#[derive(Debug)]
pub struct Judged {
    /// Finds scores. These bytes stand for a key alone: in a string, the quotes would be escaped.
    scores: memmem::Finder<'static>,
    fit: HashSet<Box<str>, RandomState>,
    /// What was looked up last: which field, and its text without the numbers of scores.
    asked: String,
    /// Whether all its scores are such as any prediction may have.
    ordinary: bool,
}

impl Default for Judged {
    fn default() -> Self {
        Judged {
            scores: memmem::Finder::new(SCORE),
            fit: HashSet::default(),
            asked: String::new(),
            ordinary: false,
        }
    }
}

impl Judged {
    /// Whether the value of a field is known to fit.
    fn fits(&mut self, field: usize, text: &str) -> bool {
        self.ordinary = text.len() <= REMEMBERED_BYTES;
        if !self.ordinary {
            return false;
        }
        self.asked.clear();
        self.asked
            .push(if field == PREDICTIONS { 'p' } else { 'a' });
        let mut from = 0;
        for at in self.scores.find_iter(text.as_bytes()) {
            let number = skip_space(text.as_bytes(), at + SCORE.len());
            let rest = text.as_bytes()[number..].iter();
            let digits =
                rest.take_while(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
            let end = number + digits.count();
            // Whatever it is the score of, a number from 0 to 1 is as good as another.
            self.ordinary &= is_fraction(&text[number..end]);
            self.asked.push_str(&text[from..number]);
            from = end;
        }
        self.asked.push_str(&text[from..]);
        self.ordinary && self.fit.contains(self.asked.as_str())
    }

    /// Remembers what was looked up last: it fits.
    fn remember(&mut self) {
        if self.ordinary && self.fit.len() < REMEMBERED {
            self.fit.insert(self.asked.as_str().into());
        }
    }
}

/// Whether a number is from 0 to 1; few are not written as `0.5` is, which says it without arithmetic.
fn is_fraction(number: &str) -> bool {
    let digits = number.strip_prefix("0.").map(str::as_bytes);
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
        || number
            .parse::<f64>()
            .is_ok_and(|number| (0.0..=1.0).contains(&number))
}

impl Fit {
    /// Whether what a task has beside its data fits.
    ///
    /// # Errors
    /// The first thing that does not, with its offset in the value.
    #[inline]
    pub(super) fn beside(&self, value: &Value<'_>, judged: &mut Judged) -> Result<(), Fault> {
        let at = |field| value.fields.beside(field);
        if let Some((offset, _)) = at(META) {
            let found = Type::of(value.from(offset).as_bytes());
            if !matches!(found, Type::Object | Type::List) {
                return Err(no_meta(found).at(offset - value.start));
            }
        }
        for field in [PREDICTIONS, ANNOTATIONS] {
            if let Some((offset, next)) = at(field) {
                let text = value.member(offset, next);
                if !judged.fits(field, text) {
                    self.judge(field, text)
                        .map_err(|fault| fault.at(offset - value.start))?;
                    judged.remember();
                }
            }
        }
        Ok(())
    }

    /// Whether predictions or annotations fit, given as JSON.
    fn judge(&self, field: usize, text: &str) -> Result<(), Fault> {
        let (code, one) = match field {
            PREDICTIONS => (Code::PredictionInvalid, "prediction"),
            _ => (Code::AnnotationInvalid, "annotation"),
        };
        let given = Given::parse(text).map_err(|e| {
            // The text has been checked; what cannot be read all the same is out of bounds.
            Fault::new(code, format!("the task's {one}s cannot be read: {e}"))
        })?;
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
