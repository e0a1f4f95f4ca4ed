//! What a source was found to be on the way to its records: for those who want to know it.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use encoding_rs::Encoding;
use parquet::file::metadata::ParquetMetaData;

use super::Reader;
use crate::source::sniff::{Compression, Format};

/// What a source was found to be, as far as it has been looked at.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The compression around the whole of it.
    pub compression: Option<Compression>,
    /// The encoding of its text.
    pub encoding: Option<&'static Encoding>,
    /// Its format.
    pub format: Option<Format>,
    /// The footer of a Parquet file.
    pub footer: Option<Arc<ParquetMetaData>>,
    /// The schema of columns.
    pub schema: Option<SchemaRef>,
}

impl Reader<'_> {
    /// Notes what a source was found to be, if anyone wants to know.
    pub(super) fn found(&self, note: impl FnOnce(&mut Found)) {
        if let Some(found) = self.found {
            note(&mut found.borrow_mut());
        }
    }
}
