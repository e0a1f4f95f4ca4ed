//! The playback speeds of a `Video`, which the server holds a config to.

use super::{LabellingConfig, Tag};

/// The slowest speed.
const LEAST: f64 = 0.05;
/// The fastest.
const MOST: f64 = 10.0;

impl LabellingConfig {
    /// What is wrong with the playback speeds of the config's videos, in the words of label-studio-sdk 2.1.2.
    #[must_use]
    pub fn playback_faults(&self) -> Vec<String> {
        let videos = self
            .objects
            .iter()
            .filter(|object| object.tag.eq_ignore_ascii_case("video"));
        videos.flat_map(of_video).collect()
    }
}

fn of_video(video: &Tag) -> Vec<String> {
    let name = &video.name;
    let mut faults = Vec::new();
    let speed = |attribute: &str, faults: &mut Vec<String>| {
        let written = video
            .attribute(attribute)
            .or_else(|| video.attribute(&attribute.to_lowercase()))
            .filter(|written| !written.trim().is_empty())?;
        let speed = written.trim().parse::<f64>().ok();
        if speed.is_none() {
            faults.push(format!(
                "Video tag \"{name}\": {attribute} must be a number, got \"{written}\""
            ));
        }
        speed
    };
    let normal = speed("defaultPlaybackSpeed", &mut faults);
    let least = speed("minPlaybackSpeed", &mut faults);
    for (attribute, speed) in [
        ("defaultPlaybackSpeed", normal),
        ("minPlaybackSpeed", least),
    ] {
        if let Some(speed) = speed.filter(|speed| !(LEAST..=MOST).contains(speed)) {
            faults.push(format!(
                "Video tag \"{name}\": {attribute} must be between {LEAST} and {MOST}, got {speed:?}"
            ));
        }
    }
    if let (Some(normal), Some(least)) = (normal, least)
        && least > normal
    {
        faults.push(format!(
            "Video tag \"{name}\": minPlaybackSpeed ({least:?}) must not exceed defaultPlaybackSpeed ({normal:?})"
        ));
    }
    faults
}
