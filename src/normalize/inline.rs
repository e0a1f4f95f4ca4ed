//! `--inline`: which fields of a task hold addresses whose texts are to be put in their place, and how a text stands there.
//!
//! The fields are those that the labelling config shows with `valueType="url"` on tags of text, or with a `resolver`: what
//! the editor of Label Studio fetches for each who looks at a task is fetched once, and is then part of the task, and of
//! what is exported. A field that is inlined is no address any more, so the tag's `valueType="url"` and `resolver` must go.

mod value;

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::value::RawValue;

pub use self::value::value;
use crate::decode::scan::{data_of, members};
use crate::decode::watch::is_key;
use crate::error::{Code, Error, Result};
use crate::labelling_config::resolver::Resolver;
use crate::labelling_config::{LabellingConfig, Tag, ValueType};

/// What is put in the place of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The texts behind the addresses of `valueType="url"`.
    pub urls: bool,
    /// The cells that resolvers find.
    pub resolvers: bool,
}

/// The fields whose addresses are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inline {
    fields: Vec<Field>,
}

/// A field, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    path: Vec<Step>,
    how: How,
    /// The tag that shows it.
    tag: String,
}

/// A step from a task's data down to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The member of an object.
    Name(String),
    /// One element of a list.
    At(usize),
    /// Every element, as a `Repeater` goes through them.
    Each,
}

/// What is put in the place of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct How {
    /// Which cell of the table behind the address, if it is a table.
    pub resolver: Option<Resolver>,
    /// The text behind the address: that of the field, or that which the resolver found.
    pub url: bool,
    /// What the text is to the tag.
    pub form: Form,
}

/// What a text is to the tag that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// A list of paragraphs, in JSON.
    List,
    /// Columns of numbers: an object with a list for each, or a table with this byte between its cells.
    Series {
        /// The byte.
        separator: u8,
    },
}

/// An address in a task, to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The number of its task in the answer.
    pub task: usize,
    /// Where its value stands in the answer's bytes.
    pub span: Range<usize>,
    /// What is put there: by number, see [`Inline::how`].
    pub field: usize,
    /// The address; nothing if the value is no text.
    pub address: Option<String>,
}

impl Inline {
    /// What is asked for of the fields that a labelling config shows.
    ///
    /// # Errors
    /// When it shows no such field, or one in two ways.
    pub fn new(config: Option<&LabellingConfig>, asked: Asked) -> Result<Inline> {
        let Some(config) = config else {
            return Err(Error::new(
                Code::Usage,
                "`--inline` goes by the labelling config, and there is none",
            )
            .help("name it with `--label-config FILE`"));
        };
        let mut fields: Vec<Field> = Vec::new();
        for tag in &config.objects {
            let Some(field) = field(tag, asked) else {
                continue;
            };
            match fields.iter().find(|known| known.path == field.path) {
                Some(known) if known.how == field.how => {}
                Some(known) => {
                    let (one, other) = (&known.tag, &field.tag);
                    let message =
                        format!("`--inline`: {one} and {other} show one field in two ways");
                    return Err(Error::new(Code::Usage, message)
                        .help("give both tags the same `valueType` and `resolver`"));
                }
                None => fields.push(field),
            }
        }
        if fields.is_empty() {
            let what = match asked {
                Asked {
                    urls: true,
                    resolvers: true,
                } => "`valueType=\"url\"` or a `resolver`",
                Asked {
                    resolvers: true, ..
                } => "a `resolver`",
                Asked { .. } => "`valueType=\"url\"`",
            };
            let message = format!("`--inline`: the labelling config shows no text with {what}");
            return Err(Error::new(Code::Usage, message)
                .help("leave `--inline` out, or give the tag that shows the text what it lacks"));
        }
        Ok(Inline { fields })
    }

    /// How the address of a reference is replaced.
    #[must_use]
    pub fn how(&self, field: usize) -> &How {
        &self.fields[field].how
    }

    /// The tags that show the fields.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.tag.as_str())
    }

    /// Whether a field, by the names down to it, is replaced.
    #[must_use]
    pub fn replaces(&self, names: &[String]) -> bool {
        self.fields.iter().any(|field| {
            let own = field.path.iter().map_while(|step| match step {
                Step::Name(name) => Some(name),
                Step::At(_) | Step::Each => None,
            });
            own.eq(names)
        })
    }

    /// All that decides what tasks get.
    #[must_use]
    pub fn decisive(&self) -> String {
        format!("inline {:?}", self.fields)
    }

    /// Adds the references in a task, which has been checked and stands at `start` of its answer, in their order.
    pub fn references(&self, task: &str, number: usize, start: usize, found: &mut Vec<Reference>) {
        let Some(data) = data_of(task) else {
            return;
        };
        let first = found.len();
        for (field, Field { path, .. }) in self.fields.iter().enumerate() {
            each(data, path, &mut |value| {
                let address = serde_json::from_str::<String>(value).ok();
                // Where there is no address, there is nothing behind it.
                if address.as_deref() == Some("") {
                    return;
                }
                let at = start + value.as_ptr().addr() - task.as_ptr().addr();
                found.push(Reference {
                    task: number,
                    span: at..at + value.len(),
                    field,
                    address,
                });
            });
        }
        found[first..].sort_by_key(|reference| reference.span.start);
    }
}

/// What becomes of the field that a tag shows, if anything does.
fn field(tag: &Tag, asked: Asked) -> Option<Field> {
    let form = match tag.tag.to_lowercase().as_str() {
        "text" | "hypertext" => Form::Text,
        "paragraphs" => Form::List,
        "timeseries" => Form::Series {
            separator: match tag.attribute("sep").map(str::as_bytes) {
                Some([separator]) => *separator,
                _ => b',',
            },
        },
        _ => return None,
    };
    // Of an address that is put together from several fields, none holds it.
    let key = tag.attribute("value")?.strip_prefix('$')?;
    // The editor has resolvers for tags of text alone.
    let resolver = tag.resolver().filter(|_| form == Form::Text);
    let is_url = tag.value_type() == Some(ValueType::Url);
    let how = match resolver {
        Some(resolver) if asked.resolvers => How {
            resolver: Some(Resolver::parse(resolver).ok()?),
            url: is_url && asked.urls,
            form,
        },
        None if asked.urls && is_url => How {
            resolver: None,
            url: true,
            form,
        },
        _ => return None,
    };
    Some(Field {
        path: steps(key),
        how,
        tag: format!("{} `{}`", tag.tag, tag.name),
    })
}

/// The steps of a key such as `a.b` or `pages[{{idx}}].url`.
fn steps(key: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in key.split('.') {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !name.is_empty() {
            steps.push(Step::Name(name.to_owned()));
        }
        for index in indices.split('[').skip(1) {
            let index = index.trim_end_matches(']');
            steps.push(index.parse().map_or(Step::Each, Step::At));
        }
    }
    steps
}

/// Gives every value at the end of a path to `found`.
fn each<'a>(value: &'a str, path: &[Step], found: &mut dyn FnMut(&'a str)) {
    let Some((step, below)) = path.split_first() else {
        return found(value);
    };
    match step {
        Step::Name(name) => {
            if !value.starts_with('{') {
                return;
            }
            let mut last = None;
            // The text has been checked. Of several, Python has the last.
            let _ = members(value, |key, member| {
                if is_key(key.as_bytes(), name) {
                    last = Some(member);
                }
            });
            if let Some(member) = last {
                each(member, below, found);
            }
        }
        Step::At(_) | Step::Each => {
            let elements: Vec<&'a RawValue> = serde_json::from_str(value).unwrap_or_default();
            for (number, element) in elements.into_iter().enumerate() {
                if *step == Step::Each || *step == Step::At(number) {
                    each(element.get(), below, found);
                }
            }
        }
    }
}

/// What the user has to change in the labelling config of tasks whose texts are inlined.
#[must_use]
pub fn told(inline: &Inline) -> String {
    let tags: BTreeSet<&str> = inline.tags().collect();
    let tags: Vec<_> = tags.into_iter().collect();
    format!(
        "the tasks have texts where they had addresses: in the project's labelling config, take valueType=\"url\" and \
         `resolver` out of {} (TimeSeries and Paragraphs: valueType=\"json\")",
        tags.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::{Asked, Inline};
    use crate::labelling_config::LabellingConfig;

    const BOTH: Asked = Asked {
        urls: true,
        resolvers: true,
    };

    fn inline(config: &str, asked: Asked) -> crate::error::Result<Inline> {
        Inline::new(Some(&LabellingConfig::parse(config).unwrap()), asked)
    }

    #[test]
    fn the_config_says_which_fields_and_where_they_stand_in_a_task() {
        let config = r#"<View><Text name="a" value="$a.b" valueType="url"/><HyperText name="h" value="$h" valueType="url"/>
            <Text name="t" value="$t"/><Text name="r" value="$r" resolver="csv|column=x"/><Image name="i" value="$i"/>
            <Repeater on="$p" indexFlag="{{i}}"><Text name="p_{{i}}" value="$p[{{i}}].u" valueType="url"/></Repeater>
            <Text name="one" value="$l[1]" valueType="url"/></View>"#;
        let inline = inline(config, BOTH).unwrap();
        let task = r#"{ "data" : {"r":"http://r", "t":"http://t","i":"http://i","a":{"b": "http:\/\/a"},"h":7,
            "p":[{"u":"http://p0"},{"v":1},{"u":"http://p2"}],"l":["x","http://l1"],"a.b":"http://x","e":""}}"#;
        let mut found = Vec::new();
        inline.references(task, 0, 0, &mut found);
        let got: Vec<_> = found
            .iter()
            .map(|r| (&task[r.span.clone()], r.address.as_deref()))
            .collect();
        let expected = [
            (r#""http://r""#, Some("http://r")),
            (r#""http:\/\/a""#, Some("http://a")),
            ("7", None),
            (r#""http://p0""#, Some("http://p0")),
            (r#""http://p2""#, Some("http://p2")),
            (r#""http://l1""#, Some("http://l1")),
        ];
        assert_eq!(got, expected);
        assert!(inline.how(found[0].field).resolver.is_some());
    }

    #[test]
    fn what_is_not_asked_for_is_left_and_nothing_to_do_is_a_mistake() {
        let resolver = r#"<View><Text name="r" value="$r" valueType="url" resolver="csv"/></View>"#;
        let urls = Asked {
            urls: true,
            resolvers: false,
        };
        let resolvers = Asked {
            urls: false,
            resolvers: true,
        };
        // What the resolver finds is an address here; without it there is no text behind the field's own.
        assert!(inline(resolver, urls).is_err());
        assert!(!inline(resolver, resolvers).unwrap().how(0).url);
        assert!(inline(resolver, BOTH).unwrap().how(0).url);
        let plain = r#"<View><Text name="t" value="$t"/><Image name="i" value="$i" valueType="url"/></View>"#;
        assert!(inline(plain, BOTH).is_err());
        let twice = r#"<View><Text name="a" value="$t" valueType="url"/><Text name="b" value="$t" resolver="csv"/></View>"#;
        assert!(inline(twice, BOTH).is_err());
        assert!(Inline::new(None, BOTH).is_err());
    }
}
