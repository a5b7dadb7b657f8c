//! From the lines of a block to the records kept and the records refused.

use std::ops::Range;

use super::envelope::Envelope;
use super::prefilter::Prefilter;
use super::{FilterSpec, Predicate};
use crate::filter::projection::{Projection, ProjectionArgs};
use crate::filter::selection::SelectionArgs;
use crate::filter::selection::dedupe::{Keys, RecordHash};
use crate::json::bad_line::BadLine;
use crate::json::fields::Fields;
use crate::time::Timestamp;

/// Some writers put it before every file, and files are concatenated.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Past so many bad records a block is left to be continued: their reasons take
/// more memory than they do.
const REJECTS: usize = 1000;

/// What to do with lines.
#[derive(Clone, Debug)]
pub struct FilterJob {
    /// Which records are kept.
    pub wanted: FilterSpec,
    /// The field of each line that holds an array of records, if they are in one.
    pub envelope: Option<String>,
    /// Whether a line that no kept record can be in is only looked at from outside.
    pub trusted: bool,
    /// In which shape they leave.
    pub shape: ProjectionArgs,
    /// Which of them leave.
    pub choice: SelectionArgs,
}

/// Decides lines.
#[derive(Debug)]
pub struct Decider {
    predicate: Predicate,
    shape: Projection,
    keys: Option<Keys>,
    /// Whether somebody chooses among the kept records.
    chosen: bool,
    envelope: Option<Envelope>,
    prefilter: Option<Prefilter>,
}

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
    /// Bytes of the lines, with their ends.
    pub bytes: u64,
    /// Records that had no time where they needed one.
    pub without_time: u64,
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
        self.bytes += other.bytes;
        self.without_time += other.without_time;
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

impl Decider {
    /// Compiles what is wanted. Status 2 if it makes no sense.
    pub fn new(job: &FilterJob) -> anyhow::Result<Decider> {
        let mut fields = Fields::default();
        let shape = Projection::new(&job.shape, &mut fields)?;
        let keys = Keys::new(&job.choice.dedupe, &mut fields)?;
        let predicate = Predicate::new(&job.wanted, fields)?;
        // How many records a line holds can be seen only inside an envelope.
        let outside = job.trusted && job.envelope.is_none();
        Ok(Decider {
            prefilter: outside.then(|| predicate.prefilter()).flatten(),
            envelope: job.envelope.as_deref().map(Envelope::new),
            predicate,
            shape,
            keys,
            chosen: !job.choice.takes_all(),
        })
    }

    /// The predicate.
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// What leaves before all records.
    pub fn header(&mut self) -> Vec<u8> {
        self.shape.header()
    }

    /// Decides the lines of `block` from `start` on, and says where it ended.
    pub fn decide(&mut self, block: &[u8], start: usize, decided: &mut Decided) -> usize {
        decided.kept.clear();
        decided.each.clear();
        decided.rejects.clear();
        decided.counts = FilterCounts::default();
        // All lines at once: nearly always they are what they should be.
        let text = simdutf8::basic::from_utf8(&block[start..]).ok();
        let mut at = start;
        while at < block.len() && decided.rejects.len() < REJECTS {
            let length = memchr::memchr(b'\n', &block[at..]).map_or(block.len() - at, |n| n + 1);
            decided.counts.lines += 1;
            let text = text.and_then(|text| text.get(at - start..at - start + length));
            self.line(block, at..at + length, text, decided);
            at += length;
        }
        decided.counts.bytes = (at - start) as u64;
        decided.counts.without_time = self.predicate.take_without_time();
        at
    }

    /// Decides a line; `text` is the same as text, if that was found out before.
    fn line(
        &mut self,
        block: &[u8],
        place: Range<usize>,
        text: Option<&str>,
        decided: &mut Decided,
    ) {
        let whole = &block[place.clone()];
        let whole = whole.strip_prefix(BOM).unwrap_or(whole);
        let line = whole.strip_suffix(b"\n").unwrap_or(whole);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_object = line.starts_with(b"{");
        if !is_object && line.trim_ascii().is_empty() {
            return;
        }
        if let Some(prefilter) = &self.prefilter
            && is_object
            && line.ends_with(b"}")
            && !prefilter.passes(line)
            && (text.is_some() || std::str::from_utf8(line).is_ok())
        {
            decided.counts.records += 1;
            return;
        }
        let start = place.len() - whole.len();
        let text = match text.and_then(|text| text.get(start..start + line.len())) {
            Some(text) => Ok(text),
            None => std::str::from_utf8(line),
        };
        let text = match text {
            Ok(text) => text,
            Err(e) => {
                let reason =
                    BadLine::new(format!("invalid UTF-8 at column {}", e.valid_up_to() + 1));
                return decided.reject(block, line, reason);
            }
        };
        let Some(envelope) = &mut self.envelope else {
            return self.record(block, text, whole, decided);
        };
        match envelope.records(text) {
            Ok(records) => {
                for record in records {
                    self.record(block, record, record.as_bytes(), decided);
                }
            }
            Err(reason) => decided.reject(block, line, reason),
        }
    }

    /// Decides a record; `whole` is it with its line's end.
    fn record(&mut self, block: &[u8], record: &str, whole: &[u8], decided: &mut Decided) {
        match self.predicate.decide(record) {
            Err(reason) => return decided.reject(block, record.as_bytes(), reason),
            Ok(None) => {}
            Ok(Some(kept)) => {
                self.shape.write(&kept.record, whole, &mut decided.kept);
                if self.chosen {
                    decided.each.push(KeptRecord {
                        end: decided.kept.len(),
                        key: self.keys.as_ref().and_then(|keys| keys.of(&kept.record)),
                        time: kept.time,
                    });
                } else {
                    decided.counts.keep(kept.time);
                }
            }
        }
        decided.counts.records += 1;
    }
}

impl Decided {
    /// Refuses `raw`, which is a part of `block`.
    fn reject(&mut self, block: &[u8], raw: &[u8], reason: BadLine) {
        self.counts.records += 1;
        let start = raw.as_ptr() as usize - block.as_ptr() as usize;
        self.rejects.push(Rejected {
            line: self.counts.lines,
            place: start..start + raw.len(),
            reason,
        });
    }
}
