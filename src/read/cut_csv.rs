//! stub
/// stub
pub use super::cut_lines::CutLines as CutCsv;
