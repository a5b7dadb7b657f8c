//! Where a record is in the input.

use std::sync::Arc;

use serde::Serialize;

/// Where a record is in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLocation {
    /// The ZIP.
    pub source: Arc<str>,
    /// The name of the member of the ZIP.
    pub member: Arc<str>,
    /// The number of the line in the member, counted from 1.
    pub line: u64,
}

/// Where something was first seen. `record` is the number of the record in which it was seen, among
/// the records of the same type, counted from 1.
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
