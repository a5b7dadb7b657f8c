//! The loop: from inputs to the records kept, the records refused and the count
//! of both.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;

use super::envelope::Envelope;
use super::{Bad, Predicate, Verdict};
use crate::error::{Failure, Status};
use crate::ndjson::{Line, Lines};
use crate::output::Output;
use crate::rejects::{Reject, Rejects};
use crate::run::Report;
use crate::time::Timestamp;

/// Some writers put it before every file, and files are concatenated.
const BOM: &[u8] = b"\xef\xbb\xbf";

const WRITING: &str = "writing the records";

/// Filters inputs one after the other. Memory holds one line.
#[derive(Debug)]
pub struct Scan<'a> {
    predicate: Predicate,
    envelope: Option<Envelope>,
    output: &'a mut Output,
    rejects: Rejects,
    counts: Counts,
    /// The status that an input asks for that could not be read to its end.
    status: Status,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Lines, blank ones included.
    lines: u64,
    /// Records, bad ones included.
    pub records: u64,
    /// Records passed on.
    pub kept: u64,
    bytes_in: u64,
    unread: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Counts {
    fn keep(&mut self, time: Option<Timestamp>) {
        self.kept += 1;
        self.first = time.into_iter().chain(self.first).min();
        self.last = time.max(self.last);
    }
}

impl<'a> Scan<'a> {
    /// Keeps what `predicate` keeps. With an `envelope` the records are what it
    /// holds, not the lines.
    pub fn new(
        predicate: Predicate,
        envelope: Option<Envelope>,
        output: &'a mut Output,
        rejects: Rejects,
    ) -> Scan<'a> {
        Scan {
            predicate,
            envelope,
            output,
            rejects,
            counts: Counts::default(),
            status: Status::Done,
        }
    }

    /// Filters a file. One that cannot be read is said, and remembered.
    pub fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let source = path.to_string_lossy();
        match File::open(path) {
            Ok(file) => self.input(&source, file),
            Err(e) => {
                self.unreadable(&source, &e);
                Ok(())
            }
        }
    }

    /// Filters a stream. An error is one of writing: one of reading is said, and
    /// remembered.
    pub fn input(&mut self, source: &str, input: impl Read) -> anyhow::Result<()> {
        let mut lines = Lines::new(input);
        loop {
            // Whoever reads a live stream waits for what is done.
            if !lines.is_buffered() {
                self.flush()?;
            }
            match lines.next_line() {
                Ok(Some(line)) => self.line(source, &line)?,
                Ok(None) => return Ok(()),
                Err(e) => {
                    self.unreadable(source, &e);
                    return Ok(());
                }
            }
        }
    }

    fn unreadable(&mut self, source: &str, error: &io::Error) {
        log::error!("{source}: {error}");
        self.counts.unread += 1;
        self.status = self.status.worse(match error.kind() {
            io::ErrorKind::InvalidData => Status::BadInput,
            _ => Status::Io,
        });
    }

    fn line(&mut self, source: &str, line: &Line<'_>) -> anyhow::Result<()> {
        self.counts.lines += 1;
        self.counts.bytes_in += line.with_end.len() as u64;
        let bytes = line.bytes.strip_prefix(BOM).unwrap_or(line.bytes);
        if bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                let reason = Bad::new(format!("invalid UTF-8 at column {}", e.valid_up_to() + 1));
                return self.reject(source, line, bytes, &reason);
            }
        };
        let Some(envelope) = &mut self.envelope else {
            let with_end = line.with_end.strip_prefix(BOM).unwrap_or(line.with_end);
            return self.record(source, line, text, with_end);
        };
        match envelope.records(text) {
            Ok(records) => records
                .into_iter()
                .try_for_each(|record| self.record(source, line, record, record.as_bytes())),
            Err(reason) => self.reject(source, line, bytes, &reason),
        }
    }

    /// Decides a record; `whole` is what leaves.
    fn record(
        &mut self,
        source: &str,
        line: &Line<'_>,
        record: &str,
        whole: &[u8],
    ) -> anyhow::Result<()> {
        match self.predicate.decide(record) {
            Err(reason) => return self.reject(source, line, record.as_bytes(), &reason),
            Ok(Verdict::Drop) => {}
            Ok(Verdict::Keep(time)) => {
                self.counts.keep(time);
                self.output.write_line(whole).context(WRITING)?;
            }
        }
        self.counts.records += 1;
        Ok(())
    }

    /// Refuses `raw`, which is the line or a part of it.
    fn reject(
        &mut self,
        source: &str,
        line: &Line<'_>,
        raw: &[u8],
        reason: &Bad,
    ) -> anyhow::Result<()> {
        self.counts.records += 1;
        let before = raw.as_ptr() as usize - line.with_end.as_ptr() as usize;
        self.rejects.add(Reject {
            source,
            member: None,
            line: Some(line.number),
            offset: Some(line.offset + before as u64),
            error: &reason.to_string(),
            raw: Some(raw),
        })
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        io::Write::flush(self.output).context(WRITING)
    }

    /// What was seen so far, as facts.
    pub fn report(&self, report: &mut Report) {
        let counts = &self.counts;
        report.set("lines", counts.lines);
        report.set("records", counts.records);
        report.set("kept", counts.kept);
        report.set("rejected", self.rejects.count());
        report.set("without_time", self.predicate.cdr.without_time());
        report.set("bytes_in", counts.bytes_in);
        report.set("bytes_out", self.output.bytes());
        report.set("first_time", counts.first.map(Timestamp::rfc3339));
        report.set("last_time", counts.last.map(Timestamp::rfc3339));
    }

    /// Judges the run: what was kept has left before an error says that an input
    /// could not be read, or that too much was bad.
    pub fn finish(mut self) -> anyhow::Result<Counts> {
        self.flush()?;
        self.predicate.cdr.say_without_time();
        let judged = self.rejects.finish();
        let inputs = match self.counts.unread {
            0 => return judged.map(|()| self.counts),
            1 => "1 input".to_owned(),
            count => format!("{count} inputs"),
        };
        if let Err(e) = judged {
            log::error!("{e:#}");
        }
        let text = format!("{inputs} could not be read");
        Err(Failure::new(self.status, text).into())
    }
}
