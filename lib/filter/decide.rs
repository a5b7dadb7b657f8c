//! From the lines of a block to the records kept and the records refused.

use std::ops::Range;

use super::envelope::Envelope;
use super::prefilter::Prefilter;
use super::{Bad, Predicate, Verdict, Wanted};
use crate::time::Timestamp;

/// Some writers put it before every file, and files are concatenated.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Past so many bad records a block is left to be continued: their reasons take
/// more memory than they do.
const REJECTS: usize = 1000;

/// What to do with lines.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which records are kept.
    pub wanted: Wanted,
    /// The field of each line that holds an array of records, if they are in one.
    pub envelope: Option<String>,
    /// Whether a line that no kept record can be in is only looked at from outside.
    pub trusted: bool,
}

/// Decides lines.
#[derive(Debug)]
pub struct Decider {
    predicate: Predicate,
    envelope: Option<Envelope>,
    prefilter: Option<Prefilter>,
}

/// What became of some lines.
#[derive(Debug, Default)]
pub struct Decided {
    /// What is passed on.
    pub kept: Vec<u8>,
    /// What is refused.
    pub rejects: Vec<Rejected>,
    /// What was seen.
    pub counts: Counts,
}

/// A record that is refused.
#[derive(Debug)]
pub struct Rejected {
    /// The line, counted from 1 in what was decided at once.
    pub line: u64,
    /// Where it stands in the block.
    pub place: Range<usize>,
    /// What is wrong with it.
    pub reason: Bad,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
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

impl Counts {
    /// Adds what was seen elsewhere.
    pub fn add(&mut self, other: &Counts) {
        self.lines += other.lines;
        self.records += other.records;
        self.kept += other.kept;
        self.bytes += other.bytes;
        self.without_time += other.without_time;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
    }

    fn keep(&mut self, time: Option<Timestamp>) {
        self.kept += 1;
        self.first = time.into_iter().chain(self.first).min();
        self.last = time.max(self.last);
    }
}

impl Decider {
    /// Compiles what is wanted. Status 2 if it makes no sense.
    pub fn new(job: &Job) -> anyhow::Result<Decider> {
        let predicate = Predicate::new(&job.wanted)?;
        // How many records a line holds can be seen only inside an envelope.
        let outside = job.trusted && job.envelope.is_none();
        Ok(Decider {
            prefilter: outside.then(|| predicate.prefilter()).flatten(),
            envelope: job.envelope.as_deref().map(Envelope::new),
            predicate,
        })
    }

    /// The predicate.
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// Decides the lines of `block` from `start` on, and says where it ended.
    pub fn decide(&mut self, block: &[u8], start: usize, decided: &mut Decided) -> usize {
        decided.kept.clear();
        decided.rejects.clear();
        decided.counts = Counts::default();
        let mut at = start;
        while at < block.len() && decided.rejects.len() < REJECTS {
            let length = memchr::memchr(b'\n', &block[at..]).map_or(block.len() - at, |n| n + 1);
            decided.counts.lines += 1;
            self.line(block, at..at + length, decided);
            at += length;
        }
        decided.counts.bytes = (at - start) as u64;
        decided.counts.without_time = self.predicate.take_without_time();
        at
    }

    fn line(&mut self, block: &[u8], place: Range<usize>, decided: &mut Decided) {
        let whole = &block[place];
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
            && (line.is_ascii() || std::str::from_utf8(line).is_ok())
        {
            decided.counts.records += 1;
            return;
        }
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(e) => {
                let reason = Bad::new(format!("invalid UTF-8 at column {}", e.valid_up_to() + 1));
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

    /// Decides a record; `whole` is what is passed on.
    fn record(&mut self, block: &[u8], record: &str, whole: &[u8], decided: &mut Decided) {
        match self.predicate.decide(record) {
            Err(reason) => return decided.reject(block, record.as_bytes(), reason),
            Ok(Verdict::Drop) => {}
            Ok(Verdict::Keep(time)) => {
                decided.counts.keep(time);
                decided.kept.extend_from_slice(whole);
                if !whole.ends_with(b"\n") {
                    decided.kept.push(b'\n');
                }
            }
        }
        decided.counts.records += 1;
    }
}

impl Decided {
    /// Refuses `raw`, which is a part of `block`.
    fn reject(&mut self, block: &[u8], raw: &[u8], reason: Bad) {
        self.counts.records += 1;
        let start = raw.as_ptr() as usize - block.as_ptr() as usize;
        self.rejects.push(Rejected {
            line: self.counts.lines,
            place: start..start + raw.len(),
            reason,
        });
    }
}
