//! The result of deciding lines: kept records, rejected records and counts.

use std::ops::Range;

use super::selection::dedupe::RecordHash;
use crate::json::bad_line::BadLine;
use crate::time::Timestamp;

/// The result of deciding some lines.
#[derive(Debug, Default)]
pub struct Decided {
    /// The kept records, in the format in which they are printed.
    pub kept: Vec<u8>,
    /// Facts about each record in `kept` for --dedupe and --sample; empty without these flags. With
    /// one of these flags, `counts.kept` does not count the records in `kept`.
    pub each: Vec<KeptRecord>,
    /// The rejected records.
    pub rejects: Vec<Rejected>,
    /// The counts.
    pub counts: FilterCounts,
}

/// A kept record.
#[derive(Clone, Copy, Debug)]
pub struct KeptRecord {
    /// The offset of the record's end in `Decided::kept`. The next record starts at this offset.
    pub end: usize,
    /// The key of the record for --dedupe, if a key is needed and the record has one.
    pub key: Option<RecordHash>,
    /// The time of the record, if a time is needed and the record has one.
    pub time: Option<Timestamp>,
}

/// A rejected record.
#[derive(Debug)]
pub struct Rejected {
    /// The number of the record's line. The first line that a call of `decide` reads has number 1.
    pub line: u64,
    /// The range of the record's bytes in the block.
    pub place: Range<usize>,
    /// The reason.
    pub reason: BadLine,
}

/// The counts of decided lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilterCounts {
    /// Lines, including blank ones.
    pub lines: u64,
    /// Records, including bad ones.
    pub records: u64,
    /// Records in the output.
    pub kept: u64,
    /// Byte order marks at the start of lines; they are dropped.
    pub boms: u64,
    /// The bytes of all lines, with their line ends.
    pub bytes: u64,
    /// Records that have no time although --from or --to needs one.
    pub without_time: u64,
    /// The fields that the command line names and that were found in a record: one bit for each
    /// field.
    pub seen_fields: u64,
    /// The earliest time of a record in the output.
    pub first: Option<Timestamp>,
    /// The latest time of a record in the output.
    pub last: Option<Timestamp>,
}

impl FilterCounts {
    /// Adds the counts in `other` to these counts.
    pub fn add(&mut self, other: &FilterCounts) {
        self.lines += other.lines;
        self.records += other.records;
        self.kept += other.kept;
        self.boms += other.boms;
        self.bytes += other.bytes;
        self.without_time += other.without_time;
        self.seen_fields |= other.seen_fields;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
    }

    /// Counts a record in the output.
    pub fn keep(&mut self, time: Option<Timestamp>) {
        self.kept += 1;
        self.first = time.into_iter().chain(self.first).min();
        self.last = time.max(self.last);
    }
}

impl Decided {
    /// Rejects `raw`, which is a part of `block`.
    pub(super) fn reject(&mut self, block: &[u8], raw: &[u8], reason: BadLine) {
        self.counts.records += 1;
        let start = raw.as_ptr() as usize - block.as_ptr() as usize;
        self.rejects.push(Rejected {
            line: self.counts.lines,
            place: start..start + raw.len(),
            reason,
        });
    }
}
