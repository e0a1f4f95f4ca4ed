//! What becomes of files by their type: what the user says of it, else what the labelling config asks for.

use super::args::ReadingArguments;
use crate::labelling_config::{LabellingConfig, Tag};
use crate::read::files::{Files, Series};
use crate::source::local::Taking;
use crate::source::sniff::Format;

/// The object that loads tables of measurements.
const TIME_SERIES: &str = "TimeSeries";

/// How files are listed.
pub(super) fn taking(
    arguments: &ReadingArguments,
    key: Option<&str>,
    config: Option<&LabellingConfig>,
    inlined: bool,
) -> Taking {
    let object = config.and_then(|config| object(config, key));
    let loads = object.filter(|tag| tag.attribute("valueType") == Some("url"));
    let why = loads.map(|tag| {
        let Tag { tag, name, .. } = tag;
        format!("the labelling config's {tag} `{name}` has valueType=\"url\": it wants an address")
    });
    // A text of addresses that are to be inlined has one in each line.
    let as_text = arguments.lines.is_some() || arguments.whole_file || inlined;
    let formats: &[Format] = if as_text {
        &[Format::Html, Format::Xml]
    } else {
        &[Format::Html, Format::Xml, Format::Txt]
    };
    let referred = |why: String| formats.iter().map(move |format| (*format, why.clone()));
    Taking {
        format: arguments.format,
        prefix: arguments.media_url.clone(),
        presign: arguments.presign,
        referred: why.into_iter().flat_map(referred).collect(),
    }
}

/// How files are read.
pub(super) fn files(
    arguments: &ReadingArguments,
    key: Option<&str>,
    config: Option<&LabellingConfig>,
) -> Files {
    let object = config.and_then(|config| object(config, key));
    let encoding = object.and_then(|tag| tag.attribute("encoding"));
    let tables = config.and_then(|config| {
        let mut objects = config.objects.iter();
        objects.find(|tag| tag.tag == TIME_SERIES)
    });
    let asked = tables.map_or(Series::Tasks, |tag| match tag.attribute("valueType") {
        Some("json") => Series::Json,
        // Label Studio's own default.
        _ => Series::Url,
    });
    let column = tables.and_then(|tag| tag.attribute("value")?.strip_prefix('$'));
    Files {
        lines: arguments.lines.unwrap_or_default(),
        whole: arguments.whole_file,
        // Both are base64 of the bytes; they differ in how a browser takes them apart.
        base64: matches!(encoding, Some("base64" | "base64unicode")),
        series: arguments.series.unwrap_or(asked),
        tasks_with: column
            .filter(|_| arguments.series.is_none())
            .map(str::to_owned),
    }
}

/// The object that shows values with no name of their own: that of `key`, else of the only data key.
fn object<'a>(config: &'a LabellingConfig, key: Option<&str>) -> Option<&'a Tag> {
    let only = match config.keys.as_slice() {
        [only] => Some(only.key.as_str()),
        _ => None,
    };
    let key = key.or(only)?;
    let shows = |tag: &&Tag| tag.attribute("value").and_then(|v| v.strip_prefix('$')) == Some(key);
    let mut objects = config.objects.iter();
    objects.find(|tag| tag.tag != TIME_SERIES && shows(tag))
}
