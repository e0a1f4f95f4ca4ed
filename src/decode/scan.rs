//! Checks JSON text in one pass, without a tree: its grammar, and what a server would not survive in it.
//!
//! The text passes into a task as it is written, so that `2^70` and `0.1000000000000000055` keep their digits. What
//! is refused besides bad grammar: numbers outside the range of a double, lone surrogates, NUL characters, and
//! nesting beyond [`MOST_LEVELS`].

use crate::error::{Code, Fault};

/// Levels of nesting that are followed. Label Studio's parsers refuse a file at 2,000 (the contract, section 6), its
/// `ujson` at 1,024; two levels are the task's own.
pub const MOST_LEVELS: usize = 1_000;

/// A JSON value that has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// The value as written, without the white space around it.
    pub text: &'a str,
    /// What it is to Label Studio.
    pub kind: Kind,
}

/// What a JSON value is to Label Studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object whose `data` is a non-empty object: a task, taken whole.
    Task,
    /// Any other object: the data of a task.
    Object,
    /// An array, string, number, boolean or null.
    Other,
}

const _: Code = Code::JsonSyntax;
const _: Option<Fault> = None;
