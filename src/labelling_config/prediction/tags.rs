//! What label-studio-sdk 2.1.2 knows of each control tag: the member with the labels, and the members of a value.

use super::shape::{Member, PERCENT, REAL, Shape, TEXTS, WHOLE, may, may_be_null, must};

/// What is known of a control tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The tag in lower case.
    pub(super) tag: &'static str,
    /// The member of a value that holds what was chosen.
    pub(super) labels: Option<&'static str>,
    /// The members of a value; none where any value will do.
    pub(super) value: Option<&'static [Member]>,
}

const fn known(tag: &'static str, labels: Option<&'static str>, value: &'static [Member]) -> Known {
    Known {
        tag,
        labels,
        value: Some(value),
    }
}

const START: Member = must("start", Shape::Point);
const END: Member = must("end", Shape::Point);
const START_OFFSET: Member = may_be_null("startOffset", Shape::Whole(0));
const END_OFFSET: Member = may_be_null("endOffset", Shape::Whole(0));
const X: Member = must("x", PERCENT);
const Y: Member = must("y", PERCENT);
const WIDTH: Member = must("width", PERCENT);
const HEIGHT: Member = must("height", PERCENT);
const ROTATION: Member = may_be_null("rotation", Shape::Real(360.0));
const ANY_ROTATION: Member = may_be_null("rotation", REAL);
const RADIUS_X: Member = must("radiusX", Shape::Real(50.0));
const RADIUS_Y: Member = must("radiusY", Shape::Real(50.0));
const FORMAT: Member = may("format", Shape::Text);
const RLE: Member = must("rle", Shape::Mask);
const IMAGE: Member = must("imageDataURL", Shape::Text);
const IMAGE_FORMAT: Member = may_be_null("format", Shape::Text);
const CLOSED: Member = may_be_null("closed", Shape::Flag);
const POINTS: Member = must("points", Shape::List(0, &Shape::Pair(&PERCENT)));
const VERTICES: Member = must(
    "vertices",
    Shape::List(
        0,
        &Shape::Object(&[
            must("x", REAL),
            must("y", REAL),
            may_be_null("id", Shape::Text),
            may_be_null("isBezier", Shape::Flag),
            may_be_null("prevPointId", Shape::Text),
        ]),
    ),
);
const VECTOR_SEQUENCE: Member = must(
    "sequence",
    Shape::List(
        0,
        &Shape::Object(&[
            may_be_null("time", REAL),
            must("frame", WHOLE),
            CLOSED,
            may_be_null("enabled", Shape::Flag),
            VERTICES,
        ]),
    ),
);
const FRAMES: Member = may_be_null("framesCount", WHOLE);
const DURATION: Member = may_be_null("duration", REAL);

const BRUSH: &[Member] = &[FORMAT, RLE];
const RECTANGLE: &[Member] = &[X, Y, WIDTH, HEIGHT, ROTATION];
const ELLIPSE: &[Member] = &[X, Y, RADIUS_X, RADIUS_Y, ROTATION];
const BITMASK: &[Member] = &[IMAGE, IMAGE_FORMAT];
const VECTOR: &[Member] = &[CLOSED, VERTICES];

/// The tags, in the order of the alphabet.
pub(super) const TAGS: &[Known] = &[
    known("bitmask", None, BITMASK),
    known(
        "bitmasklabels",
        Some("bitmasklabels"),
        &[IMAGE, IMAGE_FORMAT, must("bitmasklabels", TEXTS)],
    ),
    known("brush", None, BRUSH),
    known(
        "brushlabels",
        Some("brushlabels"),
        &[FORMAT, RLE, must("brushlabels", TEXTS)],
    ),
    known(
        "chatmessage",
        None,
        &[must(
            "chatmessage",
            Shape::Object(&[
                must("role", Shape::Text),
                must("content", Shape::Text),
                may_be_null("createdAt", WHOLE),
            ]),
        )],
    ),
    known("choices", Some("choices"), &[must("choices", TEXTS)]),
    known(
        "datetime",
        Some("datetime"),
        &[must("datetime", Shape::Text)],
    ),
    known("ellipse", None, ELLIPSE),
    known(
        "ellipselabels",
        Some("ellipselabels"),
        &[
            X,
            Y,
            RADIUS_X,
            RADIUS_Y,
            ROTATION,
            must("ellipselabels", TEXTS),
        ],
    ),
    known(
        "hypertextlabels",
        Some("hypertextlabels"),
        &[
            START,
            END,
            START_OFFSET,
            END_OFFSET,
            must("hypertextlabels", TEXTS),
        ],
    ),
    known("keypoint", None, &[X, Y]),
    known(
        "keypointlabels",
        Some("keypointlabels"),
        &[X, Y, must("keypointlabels", TEXTS)],
    ),
    known(
        "labels",
        Some("labels"),
        &[START, END, must("labels", TEXTS)],
    ),
    known("magicwand", None, BRUSH),
    known("number", Some("number"), &[must("number", REAL)]),
    known(
        "ocrlabels",
        Some("ocrlabels"),
        &[
            must("x", REAL),
            must("y", REAL),
            must("width", REAL),
            must("height", REAL),
            ANY_ROTATION,
            may_be_null("ocrtext", Shape::Text),
            must("ocrlabels", TEXTS),
            may_be_null("pageIndex", WHOLE),
        ],
    ),
    known(
        "pairwise",
        Some("selected"),
        &[must("selected", Shape::Text)],
    ),
    known(
        "paragraphlabels",
        Some("paragraphlabels"),
        &[
            START,
            END,
            START_OFFSET,
            END_OFFSET,
            must("paragraphlabels", TEXTS),
        ],
    ),
    known("polygon", None, &[POINTS]),
    known(
        "polygonlabels",
        Some("polygonlabels"),
        &[POINTS, must("polygonlabels", TEXTS)],
    ),
    known("ranker", None, &[must("ranker", Shape::Map(&TEXTS))]),
    known("rating", Some("rating"), &[must("rating", Shape::Whole(0))]),
    known(
        "reactcode",
        Some("reactcode"),
        &[must("reactcode", Shape::Map(&Shape::Any))],
    ),
    known("rectangle", None, RECTANGLE),
    known(
        "rectanglelabels",
        Some("rectanglelabels"),
        &[
            X,
            Y,
            WIDTH,
            HEIGHT,
            ROTATION,
            must("rectanglelabels", TEXTS),
        ],
    ),
    Known {
        tag: "relations",
        labels: None,
        value: None,
    },
    known(
        "taxonomy",
        Some("taxonomy"),
        &[must("taxonomy", Shape::List(0, &TEXTS))],
    ),
    known("textarea", Some("text"), &[must("text", TEXTS)]),
    known(
        "timelinelabels",
        Some("timelinelabels"),
        &[
            must(
                "ranges",
                Shape::List(
                    1,
                    &Shape::Object(&[
                        must("start", REAL),
                        must("end", REAL),
                        may_be_null("enabled", Shape::Flag),
                    ]),
                ),
            ),
            must("timelinelabels", TEXTS),
        ],
    ),
    known(
        "timeserieslabels",
        Some("timeserieslabels"),
        &[
            START,
            END,
            must("instant", Shape::Flag),
            must("timeserieslabels", TEXTS),
        ],
    ),
    known("vector", None, VECTOR),
    known(
        "vectorlabels",
        Some("vectorlabels"),
        &[CLOSED, VERTICES, must("vectorlabels", TEXTS)],
    ),
    known(
        "videorectangle",
        Some("labels"),
        &[
            must("framesCount", WHOLE),
            must("duration", REAL),
            must(
                "sequence",
                Shape::List(
                    0,
                    &Shape::Object(&[
                        X,
                        Y,
                        must("time", REAL),
                        must("frame", WHOLE),
                        WIDTH,
                        HEIGHT,
                        ANY_ROTATION,
                    ]),
                ),
            ),
            may_be_null("labels", TEXTS),
        ],
    ),
    known("videovector", None, &[FRAMES, DURATION, VECTOR_SEQUENCE]),
    known(
        "videovectorlabels",
        Some("labels"),
        &[
            FRAMES,
            DURATION,
            VECTOR_SEQUENCE,
            may_be_null("labels", TEXTS),
        ],
    ),
];

/// What is known of a tag, whatever its case.
pub(super) fn of(tag: &str) -> Option<&'static Known> {
    TAGS.iter()
        .find(|known| known.tag.eq_ignore_ascii_case(tag))
}

/// The values of geometry that a region of `Labels` may carry in the place of a span, where a region with the same id
/// is of that type.
pub(super) fn partner(kind: &str) -> Option<&'static [Member]> {
    const PARTNERS: [&str; 7] = [
        "rectangle",
        "polygon",
        "ellipse",
        "keypoint",
        "brush",
        "bitmask",
        "vector",
    ];
    if !PARTNERS.contains(&kind) {
        return None;
    }
    of(kind).and_then(|known| known.value)
}
