//! `sluice explain`: what an error code means, and how it is mended.

use super::args::ExplainArguments;
use super::table::print;
use crate::error::{Code, Error, Result};
use crate::labelling_config::prediction::near::nearest;

/// Runs the command.
///
/// # Errors
/// When there is no such code.
pub fn run(arguments: &ExplainArguments) -> Result<u8> {
    let text = if arguments.code.is_empty() {
        all()
    } else {
        one(asked(&arguments.code.join(" "))?)
    };
    print(&text)?;
    Ok(0)
}

/// The code that some words ask for: by its name, or as it stands in a message.
fn asked(words: &str) -> Result<Code> {
    // As in `error[field-missing]: the labelling config needs ...`.
    let in_brackets = words
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    let name = in_brackets.map_or(words, |(code, _)| code);
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    let name = name.to_lowercase().replace(['_', ' '], "-");
    Code::named(&name).ok_or_else(|| {
        let names = Code::ALL.iter().map(|code| code.as_str());
        let error = Error::new(Code::Usage, format!("there is no code `{name}`"));
        error.help(match nearest(&name, names) {
            Some(near) => format!("did you mean `{near}`? `sluice explain` lists all"),
            None => "`sluice explain` lists all".to_owned(),
        })
    })
}

fn one(code: Code) -> String {
    let explained = code.explanation();
    format!(
        "{code}\n\n{}\n\nFor example:\n{}\n\nHow to mend it: {}\n\nA run that ends with it has the exit code {}.\n",
        explained.meaning,
        indented(explained.example),
        explained.mend,
        code.exit_code()
    )
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

fn all() -> String {
    let width = Code::ALL.iter().map(|code| code.as_str().len()).max();
    let width = width.unwrap_or_default();
    let lines = Code::ALL.iter().map(|code| {
        let (name, title) = (code.as_str(), code.explanation().title());
        format!("{name:width$}  {title}\n")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for words in [
            "field-missing",
            "FIELD_MISSING",
            "error[field-missing]",
            "error[field-missing]: the labelling config needs `text`, there is [a]",
            "`field-missing`",
            "field-missing:",
        ] {
            assert_eq!(
                asked(words).map_err(|e| e.to_string()),
                Ok(Code::FieldMissing),
                "{words}"
            );
        }
        let error = asked("feild-missing").map(drop).unwrap_err();
        assert!(error.to_string().contains("did you mean `field-missing`?"));
    }

    #[test]
    fn every_code_is_found_and_listed() {
        for code in Code::ALL {
            let shown = Error::new(*code, "trouble").to_string();
            assert_eq!(asked(&shown).map_err(|e| e.to_string()), Ok(*code));
            assert!(
                all()
                    .lines()
                    .any(|line| line.starts_with(&format!("{code} ")))
            );
            assert!(one(*code).contains(code.explanation().mend));
        }
    }
}
