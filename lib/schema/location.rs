//! The place of a record.

use std::sync::Arc;

use serde::Serialize;

/// The place of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLocation {
    /// The ZIP.
    pub source: Arc<str>,
    /// The member of the ZIP.
    pub member: Arc<str>,
    /// The line, counted from 1 in the member.
    pub line: u64,
}

/// The place of a record, and its number, counted from 1 among the records of its type.
#[derive(Clone, Debug, Serialize)]
pub(super) struct First {
    source: String,
    member: String,
    line: u64,
    pub(super) record: u64,
}

impl First {
    pub(super) fn new(place: &RecordLocation, record: u64) -> First {
        First {
            source: place.source.to_string(),
            member: place.member.to_string(),
            line: place.line,
            record,
        }
    }
}
