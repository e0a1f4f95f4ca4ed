//! Plain text in aligned columns, for standard output.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::error::{Code, Error, Result};

/// On which side a column is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells under a heading, some with a line of their own below.
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<(Vec<String>, Option<String>)>,
}

impl Table {
    /// No rows yet.
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Table {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with what stands below it.
    pub(super) fn row(&mut self, cells: Vec<String>, below: Option<String>) {
        self.rows.push((cells, below));
    }

    /// The text, a line end after each line; nothing if there are no rows.
    pub(super) fn text(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let width = |column: usize| {
            let cells = self.rows.iter().map(|(cells, _)| cells[column].as_str());
            let cells = cells.chain([self.columns[column].0]);
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        let mut add = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for ((cell, width), (_, align)) in cells.zip(&widths).zip(&self.columns) {
                // Writing to a string cannot fail.
                let _ = match align {
                    Align::Left => write!(line, "{cell:width$}  "),
                    Align::Right => write!(line, "{cell:>width$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        };
        add(&mut self.columns.iter().map(|(name, _)| *name));
        for (cells, below) in &self.rows {
            add(&mut cells.iter().map(String::as_str));
            if let Some(below) = below {
                add(&mut std::iter::once(format!("  {below}").as_str()));
            }
        }
        text
    }
}

/// Writes data to standard output.
///
/// # Errors
/// When it cannot be written, as when nobody reads it.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| {
            Error::new(
                Code::TargetWrite,
                format!("cannot write to standard output: {e}"),
            )
        })
}
