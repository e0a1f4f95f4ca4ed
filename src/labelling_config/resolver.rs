//! `resolver="csv|headless|separator=;|column=1"`: which text of the file behind an address a tag shows.
//!
//! The syntax is that of Label Studio's guide ("Retrieve data", `resolver`) and of its editor (`resolveValue` of
//! `mixins/ProcessAttrs.js`, `parseTypeAndOption` of `utils/data.js`): a type, and options with the sign between them that
//! follows the type. The editor passes over what it does not know, and shows another text than was meant; here that is a
//! fault.

use roxmltree::Node;

use super::xml::{Refusal, attribute, place_of};

/// The attribute.
const NAME: &str = "resolver";

/// What is shown of the file behind an address: a cell of the first row of CSV.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// The first row is data: nothing names the columns.
    pub headless: bool,
    /// The byte between cells; found out where it is not given.
    pub separator: Option<u8>,
    /// The column; the first where it is not given.
    pub column: Option<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// By its name. Where none is called so and the name is a number, by that number, from 0.
    Named(String),
    /// By its number, from 0.
    Number(usize),
}

impl Resolver {
    /// Reads the attribute.
    ///
    /// # Errors
    /// What the editor would not understand, in words.
    pub fn parse(text: &str) -> Result<Resolver, String> {
        let word = text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(text.len());
        let (kind, rest) = text.split_at(word);
        if kind != "csv" {
            return Err(format!(
                "the resolver `{text}` is not for CSV: write `csv|column=name`"
            ));
        }
        let mut resolver = Resolver::default();
        let mut column = None;
        let Some(sign) = rest.chars().next() else {
            return Ok(resolver);
        };
        let mut known = Vec::new();
        for option in rest.split(sign).skip(1) {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            if known.contains(&name) {
                return Err(format!("the resolver has `{name}` twice"));
            }
            known.push(name);
            match (name, value) {
                ("headless", None) => resolver.headless = true,
                ("headless", Some(_)) => {
                    return Err("`headless` of a resolver has no value".to_owned());
                }
                ("separator", Some(value)) => resolver.separator = Some(separator(value)?),
                ("column", Some(value)) if !value.is_empty() => column = Some(value),
                ("separator" | "column", _) => {
                    return Err(format!("`{name}` of the resolver has no value"));
                }
                _ => {
                    return Err(format!(
                        "the resolver has the option `{name}`, known are `headless`, `separator=` and `column=`"
                    ));
                }
            }
        }
        resolver.column = match column {
            None => None,
            Some(number) if resolver.headless => {
                let number = number.parse().map_err(|_| {
                    format!("`column={number}`: without a header a column is known by its number, from 0")
                })?;
                Some(Column::Number(number))
            }
            Some(name) => Some(Column::Named(name.to_owned())),
        };
        Ok(resolver)
    }
}

fn separator(value: &str) -> Result<u8, String> {
    match value.as_bytes() {
        [sign] if !matches!(sign, b'"' | b'\n' | b'\r') && sign.is_ascii() => Ok(*sign),
        _ => Err(format!(
            "`separator={value}` of the resolver is not one character"
        )),
    }
}

/// The first resolver of a config, with its place, that cannot be carried out.
pub(super) fn fault(root: Node<'_, '_>) -> Option<Refusal> {
    root.descendants().find_map(|node| {
        let text = attribute(node, NAME).filter(|text| !text.is_empty())?;
        let why = Resolver::parse(text).err()?;
        Some(Refusal::new(place_of(node, NAME), why))
    })
}

#[cfg(test)]
mod tests {
    use super::{Column, Resolver};

    #[test]
    fn the_options_of_the_guide_are_understood_and_others_are_faults() {
        let named = |name: &str| Some(Column::Named(name.to_owned()));
        let cases = [
            ("csv", false, None, None),
            (
                "csv|headless|separator=;|column=1",
                true,
                Some(b';'),
                Some(Column::Number(1)),
            ),
            (
                "csv|separator=;|column=text",
                false,
                Some(b';'),
                named("text"),
            ),
            ("csv|column=1", false, None, named("1")),
            ("csv,column=a b|c", false, None, named("a b|c")),
            ("csv|separator=\t", false, Some(b'\t'), None),
            ("csv|column=a=b", false, None, named("a=b")),
        ];
        for (text, headless, separator, column) in cases {
            let expected = Resolver {
                headless,
                separator,
                column,
            };
            assert_eq!(Resolver::parse(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "json",
            "csvx",
            "csv|",
            "csv|header",
            "csv|headless=1",
            "csv|separator",
            "csv|separator=",
            "csv|separator=;;",
            "csv|separator=\"",
            "csv|separator=ü",
            "csv|column",
            "csv|column=",
            "csv|headless|column=text",
            "csv|headless|column=-1",
            "csv|column=a|column=b",
            "|csv",
        ] {
            assert!(Resolver::parse(text).is_err(), "{text}");
        }
    }
}
