//! The files that Label Studio shows and that a task speaks of by their address: their suffixes, and the content types
//! that browsers want for them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use infer::MatcherType;

/// Bytes of a file's beginning that tell what it is.
const HEAD: u64 = 4096;

/// Suffixes, lower case, and content types. First those that Label Studio takes itself (core/settings/base.py,
/// `SUPPORTED_EXTENSIONS`), then what else browsers play and show.
const TYPES: &[(&str, &str)] = &[
    ("bmp", "image/bmp"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("m4a", "audio/mp4"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("pdf", "application/pdf"),
    // Not its own.
    ("aac", "audio/aac"),
    ("avif", "image/avif"),
    ("avi", "video/x-msvideo"),
    ("ico", "image/x-icon"),
    ("jfif", "image/jpeg"),
    ("m4v", "video/mp4"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("oga", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("weba", "audio/webm"),
];

/// The content type of media whose names end in this suffix, which is in lower case; none if it is no media's.
#[must_use]
pub fn type_of(suffix: &str) -> Option<&'static str> {
    TYPES
        .iter()
        .find(|(known, _)| *known == suffix)
        .map(|(_, content_type)| *content_type)
}

/// Whether a file is media by its first bytes, whatever it is called. One that cannot be read is none: that is told by
/// whoever reads it.
#[must_use]
pub fn is_media(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.is_ok()
        && infer::get(&head).is_some_and(|found| {
            let kind = found.matcher_type();
            let shown = [MatcherType::Image, MatcherType::Audio, MatcherType::Video];
            shown.contains(&kind) || found.mime_type() == "application/pdf"
        })
}
