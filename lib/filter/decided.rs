//! What became of lines: the records kept, the records refused and what was counted.

use std::ops::Range;

use super::selection::dedupe::RecordHash;
use crate::json::bad_line::BadLine;
use crate::time::Timestamp;

/// What became of some lines.
#[derive(Debug, Default)]
pub struct Decided {
    /// The records kept, as they leave.
    pub kept: Vec<u8>,
    /// Each of them, where somebody still chooses; they are not yet counted as kept.
    pub each: Vec<KeptRecord>,
    /// What is refused.
    pub rejects: Vec<Rejected>,
    /// What was seen.
    pub counts: FilterCounts,
}

/// A record that is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeptRecord {
    /// Where it ends among the kept, and the next one begins.
    pub end: usize,
    /// What tells it from others, if that matters and it has such a thing.
    pub key: Option<RecordHash>,
    /// Its time, if that was asked for and there is one.
    pub time: Option<Timestamp>,
}

/// A record that is refused.
#[derive(Debug)]
pub struct Rejected {
    /// The line, counted from 1 in what was decided at once.
    pub line: u64,
    /// Where it stands in the block.
    pub place: Range<usize>,
    /// What is wrong with it.
    pub reason: BadLine,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilterCounts {
    /// Lines, blank ones included.
    pub lines: u64,
    /// Records, bad ones included.
    pub records: u64,
    /// Records passed on.
    pub kept: u64,
    /// Byte order marks in front of lines, which leave with no record.
    pub boms: u64,
    /// Bytes of the lines, with their ends.
    pub bytes: u64,
    /// Records that had no time where they needed one.
    pub without_time: u64,
    /// A bit for each field that the command line names and a record has.
    pub seen_fields: u64,
    /// The earliest time of a record passed on.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
}

impl FilterCounts {
    /// Adds what was seen elsewhere.
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

    /// Counts a record that is passed on.
    pub fn keep(&mut self, time: Option<Timestamp>) {
        self.kept += 1;
        self.first = time.into_iter().chain(self.first).min();
        self.last = time.max(self.last);
    }
}

impl Decided {
    /// Refuses `raw`, which is a part of `block`.
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
