//! The files that Label Studio shows and that a task speaks of by their address: their suffixes, and the content types
//! that browsers want for them.

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
