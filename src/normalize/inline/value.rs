//! A text as it stands in a task, by what it is to the tag that shows it.

use super::Form;
use crate::decode::scan::{Scanner, Value, skip_space};
use crate::decode::series::Series;
use crate::decode::{Changes, Consumer, Decode, Mark, Nul, Row, write};
use crate::error::{Code, Fault, Result};
use crate::read::dialect;

/// A text as it stands in a task, in JSON; what was changed in it is counted.
///
/// # Errors
/// When it is not what its tag shows, or holds what a server does not survive.
pub fn value(text: &str, form: Form, nul: Nul, changes: &mut Changes) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 16 + 2);
    match form {
        Form::Text => write::string(&mut out, text, nul, changes)?,
        Form::List => json(text, b'[', nul, changes, &mut out)?,
        Form::Series { .. } if text.trim_start().starts_with('{') => {
            json(text, b'{', nul, changes, &mut out)?;
        }
        Form::Series { separator } => table(text, separator, nul, changes, &mut out)?,
    }
    Ok(out)
}

/// Appends JSON text that is a list, or an object.
fn json(
    text: &str,
    open: u8,
    nul: Nul,
    changes: &mut Changes,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let (what, start) = (
        if open == b'[' { "a list" } else { "an object" },
        skip_space(text.as_bytes(), 0),
    );
    if text.as_bytes().get(start) != Some(&open) {
        return Err(Fault::new(
            Code::NotInlined,
            format!("is not {what} in JSON"),
        ));
    }
    let mut scanner = Scanner::new(nul);
    let (end, _) = scanner.value(text, start, text.len())?;
    if skip_space(text.as_bytes(), end) < text.len() {
        return Err(Fault::new(
            Code::NotInlined,
            format!("is more than {what} in JSON"),
        ));
    }
    match scanner.replaced(text, start, end) {
        Some((replaced, nuls)) => {
            changes.nul_replaced += nuls;
            out.extend_from_slice(replaced.as_bytes());
        }
        None => out.extend_from_slice(&text.as_bytes()[start..end]),
    }
    // A line end can only stand between the tokens of JSON text, where a space is as good.
    for byte in out.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    Ok(())
}

/// Appends a table as an object with a list for each column.
fn table(
    text: &str,
    separator: u8,
    nul: Nul,
    changes: &mut Changes,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let header = dialect::header(text.as_bytes(), true, separator, true)?.unwrap_or_default();
    if header.names.is_empty() {
        return Err(Fault::new(
            Code::NotInlined,
            "is empty, where a table should be",
        ));
    }
    let rows = text.as_bytes().get(header.bytes..).unwrap_or_default();
    let columns = header.names.into_iter().map(Some).collect();
    let mut series = One {
        out,
        changes,
        fault: None,
    };
    let mut decoder = Series::new(rows.to_vec().into(), columns, separator, nul);
    decoder.decode(&mut series).map_err(|fatal| fatal.fault)?;
    series.fault.map_or(Ok(()), Err)
}

/// Takes the one value of a series.
struct One<'a> {
    out: &'a mut Vec<u8>,
    changes: &'a mut Changes,
    fault: Option<Fault>,
}

impl Consumer for One<'_> {
    fn is_full(&self) -> bool {
        false
    }

    fn json(&mut self, _mark: Mark, value: Value<'_>) {
        self.out.extend_from_slice(value.text.as_bytes());
    }

    fn text(&mut self, _mark: Mark, _text: &str) {}

    fn row<R: Row>(&mut self, _mark: Mark, _row: &R) {}

    fn fault(&mut self, _mark: Mark, fault: Fault, _raw: &[u8]) {
        self.fault = Some(fault);
    }

    fn changed(&mut self, changes: Changes) {
        *self.changes += changes;
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, value};
    use crate::decode::{Changes, Nul};

    #[test]
    fn a_text_stands_in_the_task_as_its_tag_shows_it() {
        let mut changes = Changes::default();
        let mut of = |text: &str, form| {
            let value = value(text, form, Nul::Reject, &mut changes);
            value
                .map(|value| String::from_utf8(value).unwrap())
                .map_err(|fault| fault.reason)
        };
        assert_eq!(of("a\"b\n", Form::Text).unwrap(), r#""a\"b\n""#);
        assert!(of("a\0", Form::Text).is_err());
        assert_eq!(
            of(" [{\"a\":1},\n2] \n", Form::List).unwrap(),
            "[{\"a\":1}, 2]"
        );
        assert!(of("{}", Form::List).is_err());
        assert!(of("[1] 2", Form::List).is_err());
        assert!(of("[1,]", Form::List).is_err());
        let series = Form::Series { separator: b';' };
        assert_eq!(of("{\"t\":[1]}", series).unwrap(), "{\"t\":[1]}");
        assert_eq!(
            of("t;v\n1;2.5\n2;x\n", series).unwrap(),
            r#"{"t":[1,2],"v":[2.5,"x"]}"#
        );
        assert!(of("t;v\n1\n", series).is_err());
        assert!(of("", series).is_err());
    }
}
