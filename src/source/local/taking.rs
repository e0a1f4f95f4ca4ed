//! Which files are read, which are spoken of by their address, and which are left out.

use std::path::Path;
use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::source::address::Prefix;
use crate::source::archive;
use crate::source::foreign::Foreign;
use crate::source::media;
use crate::source::sniff::Format;

/// What becomes of a file in a folder.
pub(in crate::source) enum InFolder {
    /// It is no data: hidden, a mark of another tool, or what sluice writes beside its imports.
    Passed,
    /// Its name tells no format.
    LeftOut,
    /// It is read, or spoken of.
    Taken,
}

/// How files are to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taking {
    /// The format of all files, where their names do not tell it.
    pub format: Option<Format>,
    /// What stands before the path of a file in its address.
    pub prefix: Option<Prefix>,
    /// Whether objects are spoken of by addresses that are good for so long.
    pub presign: Option<Duration>,
    /// The formats whose files are spoken of by their address, besides [`Format::Reference`], and why.
    pub referred: Vec<(Format, String)>,
}

impl Taking {
    /// What becomes of a file of this name in a folder.
    pub(in crate::source) fn in_folder(&self, name: &str) -> InFolder {
        if name.starts_with(['.', '_']) || matches!(name, "manifest.json" | "rejects.jsonl") {
            return InFolder::Passed;
        }
        let known = match Format::of_name(name) {
            Some(Format::Reference) => match self.format {
                None => self.prefix.is_some() || self.presign.is_some(),
                Some(format) => format == Format::Reference,
            },
            format => format.is_some(),
        };
        if known || archive::Kind::of_name(name).is_some() {
            InFolder::Taken
        } else {
            InFolder::LeftOut
        }
    }

    /// Whether a file whose name tells nothing is media by its content, where media are spoken of.
    pub(super) fn is_media_unnamed(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unknown = Format::of_name(&name).is_none() && archive::Kind::of_name(&name).is_none();
        unknown && self.prefix.is_some() && self.format.is_none() && media::is_media(path)
    }

    /// Why a file of this name is to be spoken of by its address, if it is.
    pub(in crate::source) fn why_referred(&self, name: &str) -> Result<Option<String>> {
        if archive::Kind::of_name(name).is_some() {
            // What is said of files is said of its members.
            return Ok(None);
        }
        let format = self.format.or_else(|| Format::of_name(name));
        let asked = self
            .referred
            .iter()
            .find(|(asked, _)| Some(*asked) == format);
        match (format, asked) {
            (_, Some((_, why))) => Ok(Some(why.clone())),
            (Some(Format::Reference), None) => Ok(Some(
                "media are not read: a task has their address".to_owned(),
            )),
            (None, None) => {
                Foreign::of_name(name).map_or(Ok(None), |foreign| Err(foreign.refused()))
            }
            (Some(_), None) => Ok(None),
        }
    }

    /// The error of a file that a task is to speak of by an address that it has not.
    pub(in crate::source) fn no_address(&self, why: &str, name: &str) -> Error {
        let lines = if self.format.or_else(|| Format::of_name(name)) == Some(Format::Txt) {
            "; or read each line as an address with `--lines lf`"
        } else {
            ""
        };
        Error::new(Code::Usage, format!("{why}, and this file has none")).help(format!(
            "say what stands before its path with `--media-url`: an address such as `https://files.example.com/`, a bucket \
             such as `s3://bucket/`, or `/data/local-files/?d=` for files that Label Studio serves itself{lines}"
        ))
    }
}
