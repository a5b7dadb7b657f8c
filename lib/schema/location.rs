//! Where a record stands.

use std::sync::Arc;

use serde::Serialize;

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLocation {
    /// The ZIP.
    pub source: Arc<str>,
    /// The member in it.
    pub member: Arc<str>,
    /// Counted from 1 in the member.
    pub line: u64,
}

/// A place, and which record of its type stands there, counted from 1.
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
